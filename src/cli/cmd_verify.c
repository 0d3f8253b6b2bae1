/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* verify, policy make. */

#include "base/sys.h"
#include "cli/cli.h"
#include "cli/verdict.h"
#include "cli/witness.h"
#include "record/policy.h"
#include "record/record.h"

enum ks_err ks_command_verify(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const struct ks_verdict_options options = {.json = cli->json,
                                               .explain = ks_cli_switch(cli, "explain")};

    err = ks_verdict_files(stdout, ks_cli_text(cli, "policy"), cli->operands[0], &options);
    cli->answered = cli->json && err == KS_ERR_VERIFY;
    return err;
}

/* --- policy ------------------------------------------------------------------------------- */

static enum ks_err read_root(const char *path, struct ks_cert **out_root)
{
    enum ks_err err = KS_OK;
    struct ks_buf pem;

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_TRY(ks_file_read(path, KS_CERT_PEM_MAX, &pem));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&pem), out_root), "%s", path));
out:
    ks_buf_done(&pem);
    return err;
}

/* The pin of --anchor; *OUT_GIVEN is false without one. */
static enum ks_err read_pin(const struct ks_cli *cli, struct ks_anchor_pin *out_pin,
                            bool *out_given)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "anchor");
    struct ks_buf text;

    ks_buf_init(&text, KS_ANCHOR_PIN_LEN_MAX);
    *out_given = path != NULL;
    if (path != NULL) {
        KS_TRY(ks_file_read(path, KS_ANCHOR_PIN_LEN_MAX, &text));
        KS_TRY(ks_fail_prefix(ks_anchor_pin_parse(ks_buf_view(&text), out_pin), "%s", path));
    }
out:
    ks_buf_done(&text);
    return err;
}

/* Whose time stamps --timestamp-… believe: nobody's without --timestamp-ca. */
static enum ks_err read_stamps(const struct ks_cli *cli, struct ks_policy_stamps *stamps)
{
    enum ks_err err = KS_OK;
    const char *ca = ks_cli_text(cli, "timestamp-ca");
    const char *crl = ks_cli_text(cli, "timestamp-crl");
    const char *policy = ks_cli_text(cli, "timestamp-policy");
    struct ks_timestamp_trust_spec spec = {0};
    struct ks_buf certificates;
    struct ks_buf crls;

    ks_buf_init(&certificates, KS_TIMESTAMP_PEM_MAX);
    ks_buf_init(&crls, KS_TIMESTAMP_PEM_MAX);
    stamps->limited = ks_cli_text(cli, "timestamp-within") != NULL;
    if (ca == NULL) {
        KS_CHECK(
            crl == NULL && policy == NULL && !stamps->limited, KS_ERR_USAGE,
            "--timestamp-crl, --timestamp-policy and --timestamp-within need --timestamp-ca");
        goto out;
    }
    KS_TRY(ks_file_read(ca, KS_TIMESTAMP_PEM_MAX, &certificates));
    if (crl != NULL) {
        KS_TRY(ks_file_read(crl, KS_TIMESTAMP_PEM_MAX, &crls));
    }
    if (stamps->limited) {
        KS_TRY(
            ks_cli_number(cli, "timestamp-within", KS_STAMP_WITHIN_S_MAX, &stamps->within_s));
    }
    spec.certificates = ks_buf_view(&certificates);
    spec.crls = ks_buf_view(&crls);
    spec.policy = policy == NULL ? (struct ks_bytes){0} : ks_bytes_text(policy);
    KS_TRY(ks_timestamp_trust_new(&spec, &stamps->trust));
out:
    ks_buf_done(&certificates);
    ks_buf_done(&crls);
    return err;
}

/* Writes the policy of SPEC, with what else the flags say, to --out. */
static enum ks_err write_policy(const struct ks_cli *cli, struct ks_policy_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_anchor_pin pin = {0};
    struct ks_policy_stamps stamps = {0};
    struct ks_policy *policy = NULL;
    struct ks_bytes document = {0};
    struct ks_buf out;
    bool pinned = false;

    ks_buf_init(&out, KS_POLICY_BYTES_MAX);
    KS_TRY(read_pin(cli, &pin, &pinned));
    KS_TRY(read_stamps(cli, &stamps));
    spec->anchor = pinned ? &pin : NULL;
    spec->stamps = stamps.trust == NULL ? NULL : &stamps;
    ks_policy_write(spec, &out);
    KS_TRY(ks_buf_check(&out));
    document = ks_buf_view(&out);
    KS_TRY(ks_policy_read(&document, &policy)); /* what we write, we can read */
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), ks_cli_text(cli, "site"), ks_buf_view(&out)));
out:
    ks_policy_free(policy);
    ks_timestamp_trust_free(stamps.trust);
    ks_anchor_pin_done(&pin);
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_policy_make(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *site_path = ks_cli_text(cli, "site");
    const char *crl_path = ks_cli_text(cli, "crl");
    struct ks_cert *root = NULL;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_witnesses witnesses = {0};
    struct ks_policy_spec spec = {.site = site,
                                  .accept_simulated_tpm =
                                      ks_cli_switch(cli, "insecure-simulated-tpm"),
                                  .witnesses = &witnesses};
    struct ks_buf site_bytes;
    struct ks_buf crl;

    ks_buf_init(&site_bytes, KS_SITE_BYTES_MAX);
    ks_buf_init(&crl, KS_CRL_PEM_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(read_root(ks_cli_text(cli, "root"), &root));
    KS_TRY(ks_file_read(site_path, KS_SITE_BYTES_MAX, &site_bytes));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&site_bytes), site), "%s", site_path));
    if (crl_path != NULL) {
        KS_TRY(ks_file_read(crl_path, KS_CRL_PEM_MAX, &crl));
    }
    KS_CHECK(!site->simulated_tpm || spec.accept_simulated_tpm, KS_ERR_DENIED,
             "%s: this site's TPM is simulated; --insecure-simulated-tpm accepts that",
             site_path);
    KS_TRY(ks_cli_witnesses(cli, ks_bytes_text(site->origin), &witnesses));
    spec.root = root;
    spec.crl_pem = ks_buf_view(&crl);
    KS_TRY(write_policy(cli, &spec));
out:
    ks_witnesses_done(&witnesses);
    ks_cert_free(root);
    ks_free(site);
    ks_buf_done(&site_bytes);
    ks_buf_done(&crl);
    return err;
}
