/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ca new, ca issue, ca show: the CA whose root stays offline. Its directory:
 * docs/formats/ca.md. */

#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/ca.h"
#include "crypto/sigalgs.h"

#define DAY_S      UINT64_C(86400)
#define DAYS_MAX   36500
#define BACKDATE_S 300 /* for clocks that are a little behind */

static enum ks_err validity(const struct ks_cli *cli, struct ks_cert_spec *spec)
{
    enum ks_err err = KS_OK;
    uint64_t days = 0;

    KS_TRY(ks_cli_number(cli, "days", DAYS_MAX, &days));
    KS_CHECK(days >= 1, KS_ERR_USAGE, "--days: at least 1");
    spec->not_before_s = ks_clock_us() / 1000000 - BACKDATE_S;
    spec->not_after_s = spec->not_before_s + days * DAY_S;
out:
    return err;
}

/* One line, for what was just made; the object of --json is the same as of `ca show`. */
static enum ks_err print_cert(const struct ks_cli *cli, const struct ks_cert *cert,
                              const char *path)
{
    enum ks_err err = KS_OK;
    uint8_t digest[32];
    char serial[2 * KS_CERT_SERIAL_MAX + 1];
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 16384);
    ks_cert_fingerprint(cert, digest);
    ks_hex_encode(ks_cert_serial(cert), serial);
    if (!cli->json) {
        ks_cli_print("%s: %s certificate of '%s', %s, serial %s\n", path,
                     ks_cert_role_name(ks_cert_role(cert)), ks_cert_subject(cert),
                     ks_cert_key_name(cert), serial);
        return KS_OK;
    }
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "certificate", path);
    ks_json_member_hex(&writer, "fingerprint", KS_BYTES(digest));
    ks_json_member_text(&writer, "issuer", ks_cert_issuer(cert));
    ks_json_member_text(&writer, "key", ks_cert_key_name(cert));
    ks_json_member_u64(&writer, "not_after", ks_cert_not_after_s(cert));
    ks_json_member_u64(&writer, "not_before", ks_cert_not_before_s(cert));
    ks_json_member_text(&writer, "role", ks_cert_role_name(ks_cert_role(cert)));
    ks_json_member_text(&writer, "schema", "ketseal.certificate/1");
    ks_json_member_text(&writer, "serial", serial);
    ks_json_member_text(&writer, "subject", ks_cert_subject(cert));
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_ca_new(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *directory = ks_cli_text(cli, "out");
    char path[KS_PATH_MAX];
    struct ks_cert *root = NULL;
    struct ks_cert_spec spec = {.role = KS_CERT_ROOT, .subject = ks_cli_text(cli, "name")};

    KS_TRY(validity(cli, &spec));
    ks_cli_progress(cli, "making an SLH-DSA-SHA2-128s root");
    KS_TRY(ks_ca_make(directory, KS_SIG_SLHDSA_SHA2_128S, &spec, &root));
    KS_TRY(ks_path_join(directory, "root.pem", path));
    KS_TRY(print_cert(cli, root, path));
out:
    ks_cert_free(root);
    return err;
}

/* What `ca issue` makes a key for. An issuer's key is made where it will be kept. */
static enum ks_err read_role(const char *name, enum ks_cert_role *out_role)
{
    static const enum ks_cert_role roles[] = {KS_CERT_SERVER, KS_CERT_DEVICE, KS_CERT_OPERATOR};

    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        if (strcmp(name, ks_cert_role_name(roles[i])) == 0) {
            *out_role = roles[i];
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "'%s': expected server, device or operator", name);
}

/* What TLS can have. */
static enum ks_err read_algorithm(const struct ks_cli *cli, enum ks_sig_alg *out_alg)
{
    enum ks_err err = KS_OK;
    const char *name = ks_cli_text(cli, "algorithm");
    enum ks_sig_alg alg = KS_SIG_MLDSA65;

    KS_CHECK(ks_sig_alg_from_name(ks_bytes_text(name), &alg) == KS_OK &&
                 (KS_SIGALGS_ALL & KS_SIGALG_BIT(alg)) != 0,
             KS_ERR_USAGE,
             "--algorithm: '%s' is none of ML-DSA-44, ML-DSA-65, ML-DSA-87, SLH-DSA-SHA2-128s, "
             "SLH-DSA-SHA2-128f",
             name);
    if ((KS_SIGALGS_SLHDSA & KS_SIGALG_BIT(alg)) != 0) {
        ks_cli_progress(cli, "SLH-DSA keys in TLS are experimental: site and devices have to "
                             "name them in their signature algorithms");
    }
    *out_alg = alg;
out:
    return err;
}

enum ks_err ks_command_ca_issue(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    enum ks_sig_alg alg = KS_SIG_MLDSA65;
    const char *out = ks_cli_text(cli, "out");
    const char *role = cli->operands[0];
    char path[KS_PATH_MAX];
    struct ks_cert *cert = NULL;
    struct ks_cert_spec spec = {.subject = ks_cli_text(cli, "name")};

    KS_TRY(read_role(role, &spec.role));
    KS_TRY(read_algorithm(cli, &alg));
    spec.dns_count = ks_cli_many(cli, "dns", &spec.dns);
    spec.ip_count = ks_cli_many(cli, "ip", &spec.ips);
    KS_CHECK(spec.role == KS_CERT_SERVER || spec.dns_count + spec.ip_count == 0, KS_ERR_USAGE,
             "--dns and --ip are for servers");
    KS_CHECK(spec.role != KS_CERT_SERVER || spec.dns_count + spec.ip_count > 0, KS_ERR_USAGE,
             "a server needs at least one --dns or --ip");
    KS_TRY(validity(cli, &spec));
    KS_TRY(ks_ca_issue(ks_cli_text(cli, "ca"), alg, &spec, out, &cert));
    (void)snprintf(path, sizeof path, "%s/%s.pem", out, role);
    KS_TRY(print_cert(cli, cert, path));
out:
    ks_cert_free(cert);
    return err;
}

/* --- show
 * --------------------------------------------------------------------------------------------
 */

static void show_time(const char *name, uint64_t time_s)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_s * 1000000, text);
    ks_cli_print("%-12s %.19sZ\n", name, text); /* certificates know whole seconds */
}

static void show_cert(const struct ks_cert *cert)
{
    uint8_t digest[32];
    char hex[2 * 32 + 1];

    ks_cli_print("%-12s %s\n", "role", ks_cert_role_name(ks_cert_role(cert)));
    ks_cli_print("%-12s %s\n", "subject", ks_cert_subject(cert));
    ks_cli_print("%-12s %s\n", "issuer", ks_cert_issuer(cert));
    ks_cli_print("%-12s %s\n", "key", ks_cert_key_name(cert));
    show_time("not before", ks_cert_not_before_s(cert));
    show_time("not after", ks_cert_not_after_s(cert));
    ks_hex_encode(ks_cert_serial(cert), hex);
    ks_cli_print("%-12s %s\n", "serial", hex);
    ks_cert_fingerprint(cert, digest);
    ks_hex_encode(KS_BYTES(digest), hex);
    ks_cli_print("%-12s %s\n", "sha256", hex);
}

static void show_crl(const struct ks_crl *crl)
{
    ks_cli_print("%-12s %llu\n", "number", (unsigned long long)ks_crl_number(crl));
    show_time("this update", ks_crl_this_update_s(crl));
    show_time("next update", ks_crl_next_update_s(crl));
    for (size_t i = 0; i < ks_crl_count(crl); i++) {
        struct ks_crl_entry entry = ks_crl_at(crl, i);
        char serial[2 * KS_CERT_SERIAL_MAX + 1];
        char text[KS_TIME_TEXT_LEN + 1];

        ks_hex_encode(entry.serial, serial);
        ks_time_text(entry.revoked_s * 1000000, text);
        ks_cli_print("%-12s %s %.19sZ\n", "revoked", serial, text);
    }
}

static enum ks_err show_crl_json(const struct ks_crl *crl, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 16 * 1024 * 1024);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "crl", path);
    ks_json_member_u64(&writer, "next_update", ks_crl_next_update_s(crl));
    ks_json_member_u64(&writer, "number", ks_crl_number(crl));
    ks_json_put_key(&writer, "revoked");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < ks_crl_count(crl); i++) {
        struct ks_crl_entry entry = ks_crl_at(crl, i);

        ks_json_put_object(&writer);
        ks_json_member_hex(&writer, "serial", entry.serial);
        ks_json_member_u64(&writer, "time", entry.revoked_s);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.crl/1");
    ks_json_member_u64(&writer, "this_update", ks_crl_this_update_s(crl));
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

/* A certificate or a revocation list: its first line says which. */
enum ks_err ks_command_ca_show(struct ks_cli *cli)
{
    static const char crl_begin[] = "-----BEGIN X509 CRL-----";
    enum ks_err err = KS_OK;
    const char *path = cli->operands[0];
    struct ks_buf pem;
    struct ks_cert *cert = NULL;
    struct ks_crl *crl = NULL;

    ks_buf_init(&pem, KS_CRL_PEM_MAX);
    KS_TRY(ks_file_read(path, KS_CRL_PEM_MAX, &pem));
    if (pem.len > sizeof crl_begin - 1 &&
        ks_bytes_is(ks_bytes_of(pem.data, sizeof crl_begin - 1), crl_begin)) {
        KS_TRY(ks_fail_prefix(ks_crl_parse_pem(ks_buf_view(&pem), &crl), "%s", path));
        if (cli->json) {
            KS_TRY(show_crl_json(crl, path));
        } else {
            show_crl(crl);
        }
    } else {
        KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&pem), &cert), "%s", path));
        if (cli->json) {
            KS_TRY(print_cert(cli, cert, path));
        } else {
            show_cert(cert);
        }
    }
out:
    ks_cert_free(cert);
    ks_crl_free(crl);
    ks_buf_done(&pem);
    return err;
}
