/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What an operator does: tokens, orders about devices, looking at them, certifying a site. */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "cli/ca.h"
#include "cli/device.h"
#include "cli/pages.h"
#include "client/operator.h"
#include "crypto/keyfile.h"

static enum ks_err open_operator(const struct ks_cli *cli, struct ks_operator **out_operator)
{
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator"),
                                          .url = ks_cli_text(cli, "url")};

    return ks_operator_open(&spec, out_operator);
}

/* --- token -------------------------------------------------------------------------------- */

/* What goes into a token is found out by the device only: the worst is said here. */
static enum ks_err check_url(const char *flag, const char *url)
{
    return strncmp(url, "https://", 8) == 0 && strlen(url) <= KS_URL_MAX
               ? KS_OK
               : ks_fail(KS_ERR_USAGE, "--%s: '%s' is not https://host:port", flag, url);
}

enum ks_err ks_command_device_token(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *out = ks_cli_text(cli, "out");
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator")};
    struct ks_operator *op = NULL;
    struct ks_buf document;
    struct ks_buf canonical;
    struct ks_buf token;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_operator_token wanted = {.device = ks_cli_text(cli, "name"),
                                       .url = ks_cli_text(cli, "enrolment-url"),
                                       .service = ks_cli_text(cli, "url")};
    uint64_t hours = 0;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    ks_buf_init(&canonical, KS_SITE_BYTES_MAX);
    ks_buf_init(&token, KS_TOKEN_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_CHECK(strcmp(out, "-") != 0, KS_ERR_USAGE,
             "--out: a token is a secret: name a file, it gets mode 0600");
    KS_CHECK(ks_text_is_name(ks_bytes_text(wanted.device), KS_CERT_SUBJECT_MAX), KS_ERR_USAGE,
             "--name: '%s' is no device id", wanted.device);
    KS_TRY(check_url("enrolment-url", wanted.url));
    KS_TRY(check_url("url", wanted.service));
    KS_TRY(ks_cli_number(cli, "hours", KS_TOKEN_LIFE_S_MAX / 3600, &hours));
    KS_CHECK(hours >= 1, KS_ERR_USAGE, "--hours: at least 1");
    KS_TRY(ks_file_read(ks_cli_text(cli, "site"), KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&document), site), "%s",
                          ks_cli_text(cli, "site")));
    ks_site_write(site, &canonical);
    KS_TRY(ks_buf_check(&canonical));
    wanted.site_document = ks_buf_view(&canonical);
    wanted.life_s = hours * 3600;
    KS_TRY(ks_operator_open(&spec, &op));
    KS_TRY(ks_operator_token(op, &wanted, &token));
    ks_buf_put_text(&token, "\n");
    KS_TRY(ks_buf_check(&token));
    KS_TRY(ks_file_create(out, ks_buf_view(&token), 0600));
    if (!cli->json) {
        ks_cli_print("%s: enrols device %s at %s, once, within %llu hours\n", out,
                     wanted.device, site->origin, (unsigned long long)hours);
    } else {
        ks_buf_clear(&document);
        ks_buf_put_format(
            &document, "{\"device\":\"%s\",\"hours\":%llu,\"schema\":\"ketseal.token-made/1\"}",
            wanted.device, (unsigned long long)hours);
        KS_TRY(ks_cli_print_json(&document));
    }
out:
    ks_operator_close(op);
    ks_free(site);
    ks_buf_done(&document);
    ks_buf_done(&canonical);
    ks_buf_wipe(&token);
    return err;
}

/* --- looking ------------------------------------------------------------------------------ */

static enum ks_err print_device(const struct ks_json *device)
{
    enum ks_err err = KS_OK;
    struct ks_bytes id = {0};
    struct ks_bytes state = {0};
    struct ks_bytes tpm = {0};
    struct ks_bytes attested = {0};
    struct ks_bytes reason = {0};

    KS_TRY(ks_json_get_string(device, "device", &id));
    KS_TRY(ks_json_get_string(device, "state", &state));
    KS_TRY(ks_json_get_string(device, "tpm", &tpm));
    KS_TRY(ks_json_get_string(device, "attested_at", &attested));
    KS_TRY(ks_json_get_string(device, "reason", &reason));
    ks_cli_print("%.*s\t%.*s\t%.*s\t%.*s\t%.*s\n", (int)id.len, (const char *)id.data,
                 (int)state.len, (const char *)state.data, (int)tpm.len, (const char *)tpm.data,
                 (int)attested.len, (const char *)attested.data, (int)reason.len,
                 (const char *)reason.data);
out:
    return err;
}

#define DEVICES_MAX 16384 /* of a site; a page has one at least */

static const struct ks_json_limits list_limits = {.len_max = 1024 * 1024, .nodes_max = 4096};

static enum ks_err print_answer(const struct ks_cli *cli, struct ks_buf *answer)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    if (cli->json) {
        return ks_cli_print_json(answer);
    }
    KS_TRY(ks_json_parse(ks_buf_view(answer), &list_limits, &doc));
    KS_TRY(print_device(ks_json_root(doc)));
out:
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_command_device_list(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    const struct ks_pages pages = {
        .path = "/v1/devices", .most = DEVICES_MAX, .items = "devices", .named = true};
    const struct ks_pages_shown shown = {.print = print_device,
                                         .schema = "ketseal.device-list/1"};

    KS_TRY(open_operator(cli, &op));
    KS_TRY(ks_pages_print(cli, op, &pages, &shown));
out:
    ks_operator_close(op);
    return err;
}

enum ks_err ks_command_device_show(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = NULL;
    struct ks_buf answer;
    char target[KS_CERT_SUBJECT_MAX + 64];

    ks_buf_init(&answer, list_limits.len_max);
    KS_CHECK(ks_text_is_name(ks_bytes_text(cli->operands[0]), KS_CERT_SUBJECT_MAX),
             KS_ERR_USAGE, "'%s' is no device id", cli->operands[0]);
    (void)snprintf(target, sizeof target, "/v1/devices/%s", cli->operands[0]);
    KS_TRY(open_operator(cli, &op));
    KS_TRY(ks_operator_get(op, target, &answer));
    KS_TRY(print_answer(cli, &answer));
out:
    ks_operator_close(op);
    ks_buf_done(&answer);
    return err;
}

/* --- orders: the verb of the command is the order ----------------------------------------- */

enum ks_err ks_command_device_order(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *name = cli->command->verb;
    struct ks_operator *op = NULL;
    enum ks_order_verb verb = KS_ORDER_SUSPEND;
    struct ks_buf answer;

    ks_buf_init(&answer, list_limits.len_max);
    /* `device rotate` is what the device itself does then. */
    name = strcmp(name, "require-rotation") == 0 ? "rotate" : name;
    KS_TRY(ks_order_from_name(ks_bytes_text(name), &verb));
    KS_CHECK(ks_text_is_name(ks_bytes_text(cli->operands[0]), KS_CERT_SUBJECT_MAX),
             KS_ERR_USAGE, "'%s' is no device id", cli->operands[0]);
    KS_CHECK(strlen(ks_cli_text(cli, "reason")) <= KS_REASON_MAX, KS_ERR_USAGE,
             "--reason: over %d bytes", KS_REASON_MAX);
    KS_TRY(open_operator(cli, &op));
    KS_TRY(ks_operator_order(op, verb, cli->operands[0], ks_cli_text(cli, "reason"), &answer));
    KS_TRY(print_answer(cli, &answer));
out:
    ks_operator_close(op);
    ks_buf_done(&answer);
    return err;
}

/* --- site certify ------------------------------------------------------------------------- */

static enum ks_err read_optional(const struct ks_cli *cli, const char *flag, struct ks_buf *out)
{
    const char *path = ks_cli_text(cli, flag);

    ks_buf_init(out, KS_EK_PEM_MAX);
    return path == NULL ? KS_OK : ks_file_read(path, KS_EK_PEM_MAX, out);
}

/* The CA's books know every certificate of the root. */
static enum ks_err keep_issued(const char *ca, const struct ks_cert *issuer)
{
    enum ks_err err = KS_OK;
    char serial[2 * KS_CERT_SERIAL_MAX + 1];
    char name[KS_CERT_SUBJECT_MAX + 80];
    char path[KS_PATH_MAX];
    struct ks_buf pem;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    ks_hex_encode(ks_cert_serial(issuer), serial);
    (void)snprintf(name, sizeof name, "issued/%s.pem", serial);
    KS_TRY(ks_path_join(ca, name, path));
    ks_cert_to_pem(issuer, &pem);
    KS_TRY(ks_buf_check(&pem));
    KS_TRY(ks_file_create(path, ks_buf_view(&pem), 0644));
out:
    ks_buf_done(&pem);
    return err;
}

enum ks_err ks_command_site_certify(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *ca = ks_cli_text(cli, "ca");
    char path[KS_PATH_MAX];
    struct ks_operator *op = NULL;
    struct ks_operator_certify how = {0};
    struct ks_cert *root = NULL;
    struct ks_sign_key *root_key = NULL;
    struct ks_cert *issuer = NULL;
    struct ks_buf roots = {0};
    struct ks_buf simulated = {0};
    struct ks_buf chain = {0};
    struct ks_buf document;
    uint64_t days = 0;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_TRY(ks_cli_ek_kind(cli, &how.kind));
    KS_TRY(ks_cli_number(cli, "days", 36500, &days));
    KS_CHECK(days >= 1, KS_ERR_USAGE, "--days: at least 1");
    KS_TRY(read_optional(cli, "ek-roots", &roots));
    KS_TRY(read_optional(cli, "insecure-simulated-ek-roots", &simulated));
    KS_TRY(read_optional(cli, "ek-chain", &chain));
    KS_CHECK(roots.len + simulated.len > 0, KS_ERR_USAGE,
             "--ek-roots: whom do you trust to make TPMs?");
    KS_TRY(ks_path_join(ca, "root.key", path));
    KS_TRY(ks_sign_key_load(path, &root_key));
    KS_TRY(ks_ca_read_cert(ca, "root.pem", &root));
    KS_TRY(open_operator(cli, &op));
    how.root = root;
    how.root_key = root_key;
    how.life_s = days * 24 * 3600;
    how.ek_roots_pem = ks_buf_view(&roots);
    how.simulated_ek_roots_pem = ks_buf_view(&simulated);
    how.chain_pem = ks_buf_view(&chain);
    ks_cli_progress(cli, "challenging the site's TPM");
    KS_TRY(ks_operator_certify(op, &how, &document, &issuer));
    KS_TRY(keep_issued(ca, issuer));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&document)));
    ks_cli_progress(cli, "certified: %s, issuer serial kept in %s/issued",
                    ks_cert_subject(issuer), ca);
out:
    ks_operator_close(op);
    ks_cert_free(root);
    ks_sign_key_free(root_key);
    ks_cert_free(issuer);
    ks_buf_done(&roots);
    ks_buf_done(&simulated);
    ks_buf_done(&chain);
    ks_buf_done(&document);
    return err;
}
