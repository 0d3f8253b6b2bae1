/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* device attest: a fresh quote of the site's TPM over our nonce and our connection, checked
 * here against the pinned site. */

#include <stdio.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/device.h"
#include "record/job.h"

#define CHECKS 4

struct attestation {
    const struct ks_cli *cli;
    struct ks_site *site;
    struct ks_buf attest;
    struct ks_buf signature;
    uint8_t nonce[KS_NONCE_LEN];
    uint8_t channel[KS_CHANNEL_LEN];
    struct ks_quote_view quote;
    bool parsed;
};

/* One check: KS_OK, or why not. */
struct outcome {
    enum ks_err err;
    char reason[256];
};

/* --- the checks
 * -------------------------------------------------------------------------------------- */

static enum ks_err check_tpm(struct attestation *attestation)
{
    if (attestation->site->simulated_tpm &&
        !ks_cli_switch(attestation->cli, "insecure-simulated-tpm")) {
        return ks_fail(
            KS_ERR_VERIFY,
            "the pinned site's TPM is simulated; --insecure-simulated-tpm accepts that");
    }
    return KS_OK;
}

static enum ks_err check_binding(struct attestation *attestation)
{
    enum ks_err err = KS_OK;
    uint8_t extra[32];

    KS_CHECK(attestation->parsed, KS_ERR_VERIFY, "the quote does not parse");
    ks_attest_binding(attestation->nonce, attestation->channel, extra);
    KS_TRY(ks_quote_check_extra(&attestation->quote, KS_BYTES(extra)));
out:
    return err;
}

static enum ks_err check_pcr(struct attestation *attestation)
{
    enum ks_err err = KS_OK;
    uint8_t values[1][KS_PCR_DIGEST_LEN];

    KS_CHECK(attestation->parsed, KS_ERR_VERIFY, "the quote does not parse");
    KS_CHECK(attestation->site->event_log.pcr == KS_LAUNCH_PCR, KS_ERR_VERIFY,
             "the pinned event log is of PCR %u", attestation->site->event_log.pcr);
    ks_event_log_replay(&attestation->site->event_log, values[0]);
    KS_TRY(ks_quote_check_pcrs(&attestation->quote, UINT32_C(1) << KS_LAUNCH_PCR,
                               (const uint8_t(*)[KS_PCR_DIGEST_LEN])values));
out:
    return err;
}

static enum ks_err check_signature(struct attestation *attestation)
{
    enum ks_err err = KS_OK;
    const struct ks_site *site = attestation->site;
    struct ks_bytes attest = ks_buf_view(&attestation->attest);
    struct ks_ak_public ak = {0};

    KS_TRY(ks_quote_parse(attest, &attestation->quote));
    attestation->parsed = true;
    KS_TRY(ks_ak_public_parse(ks_bytes_of(site->ak, site->ak_len), &ak));
    KS_TRY(ks_quote_check_signature(&ak, attest, ks_buf_view(&attestation->signature)));
    KS_TRY(ks_quote_check_signer(&ak, &attestation->quote));
out:
    return err;
}

/* In the order of their names, as JSON wants them; the signature runs first, since it parses
 * the quote. */
static const struct {
    const char *name;
    enum ks_err (*run)(struct attestation *attestation);
} checks[CHECKS] = {
    {"platform.tpm", check_tpm},
    {"quote.binding", check_binding},
    {"quote.pcr", check_pcr},
    {"quote.signature", check_signature},
};

/* KS_OK, KS_ERR_VERIFY when a check failed, another error when one could not be told. */
static enum ks_err run_checks(struct attestation *attestation, struct outcome outcomes[CHECKS])
{
    enum ks_err err = KS_OK;

    for (size_t i = CHECKS; i-- > 0;) {
        enum ks_err found = checks[i].run(attestation);

        KS_CHECK(found == KS_OK || found == KS_ERR_VERIFY || found == KS_ERR_FORMAT, found,
                 "%s", ks_err_detail());
        outcomes[i].err = found;
        ks_text_shown(ks_bytes_text(found == KS_OK ? "" : ks_err_detail()), outcomes[i].reason,
                      sizeof outcomes[i].reason);
    }
    for (size_t i = 0; i < CHECKS; i++) {
        KS_CHECK(outcomes[i].err == KS_OK, KS_ERR_VERIFY, "%s: %s", checks[i].name,
                 outcomes[i].reason);
    }
out:
    return err;
}

/* --- the exchange
 * ------------------------------------------------------------------------------------ */

static enum ks_err read_answer(struct ks_bytes body, struct attestation *attestation)
{
    static const struct ks_json_limits limits = {.len_max = KS_SITE_BYTES_MAX,
                                                 .nodes_max = 2048};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes schema = {0};

    KS_TRY(ks_json_parse(body, &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, "ketseal.attestation/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.attestation/1");
    /* Key, event log, nonce and channel stand in it too; ours are the ones that count. */
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "attest", &attestation->attest));
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "signature", &attestation->signature));
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's attestation");
}

static enum ks_err ask(struct attestation *attestation)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = NULL;
    struct ks_buf body;
    char hex[2 * KS_NONCE_LEN + 1];
    char target[32 + sizeof hex];

    ks_buf_init(&body, KS_SITE_BYTES_MAX);
    KS_TRY(ks_random(attestation->nonce, sizeof attestation->nonce));
    ks_hex_encode(KS_BYTES(attestation->nonce), hex);
    (void)snprintf(target, sizeof target, "/attest?nonce=%s", hex);
    KS_TRY(ks_cli_client(attestation->cli, &client));
    KS_TRY(ks_client_get(client, target, &body));
    ks_copy(attestation->channel, ks_client_channel(client), sizeof attestation->channel);
    KS_TRY(read_answer(ks_buf_view(&body), attestation));
out:
    ks_client_close(client);
    ks_buf_done(&body);
    return err;
}

static enum ks_err print_verdict(const struct attestation *attestation,
                                 const struct outcome outcomes[CHECKS], bool verified)
{
    enum ks_err err = KS_OK;
    const struct ks_site *site = attestation->site;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 65536);
    if (!attestation->cli->json) {
        if (verified) {
            ks_cli_print("attested: %s, %zu programs launched, %s TPM, over this connection\n",
                         site->origin, site->event_log.count,
                         site->simulated_tpm ? "simulated" : "hardware");
        }
        return KS_OK;
    }
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "checks");
    ks_json_put_object(&writer);
    for (size_t i = 0; i < CHECKS; i++) {
        ks_json_put_key(&writer, checks[i].name);
        ks_json_put_object(&writer);
        if (outcomes[i].err != KS_OK) {
            ks_json_member_text(&writer, "reason", outcomes[i].reason);
        }
        ks_json_member_text(&writer, "state", outcomes[i].err == KS_OK ? "pass" : "fail");
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "origin", site->origin);
    ks_json_member_text(&writer, "schema", "ketseal.attest/1");
    ks_json_member_text(&writer, "tpm", site->simulated_tpm ? "simulated" : "hardware");
    ks_json_member_bool(&writer, "verified", verified);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_device_attest(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct attestation attestation = {.cli = cli,
                                      .site = ks_calloc(1, sizeof *attestation.site)};
    struct outcome outcomes[CHECKS] = {0};
    enum ks_err verdict = KS_OK;

    ks_buf_init(&attestation.attest, KS_ATTEST_MAX);
    ks_buf_init(&attestation.signature, KS_TPM_SIGNATURE_MAX);
    KS_CHECK(attestation.site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_cli_site(cli, attestation.site));
    KS_TRY(ask(&attestation));
    verdict = run_checks(&attestation, outcomes);
    if (verdict == KS_OK || verdict == KS_ERR_VERIFY) {
        KS_TRY(print_verdict(&attestation, outcomes, verdict == KS_OK));
        cli->answered = verdict != KS_OK && cli->json;
    }
    err = verdict;
out:
    ks_free(attestation.site);
    ks_buf_done(&attestation.attest);
    ks_buf_done(&attestation.signature);
    return err;
}
