/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* device reattest, evidence, appraise: what a machine shows, to its site or to a file, and what
 * a reference says about it, there or here. */

#include "base/sys.h"
#include "cli/device.h"
#include "client/enrol.h"
#include "config/reference.h"
#include "crypto/digest.h"
#include "record/exhibit.h"

/* --- a verdict ---------------------------------------------------------------------------- */

/* Each check of the appraisal on a line, with the reason of one that did not pass. */
static enum ks_err print_checks(const struct ks_json *appraisal)
{
    enum ks_err err = KS_OK;
    const struct ks_json *checks = NULL;

    KS_TRY(ks_json_get(appraisal, "checks", KS_JSON_ARRAY, &checks));
    for (size_t i = 0; i < ks_json_count(checks); i++) {
        const struct ks_json *check = ks_json_at(checks, i);
        struct ks_bytes name = {0};
        struct ks_bytes state = {0};
        struct ks_bytes reason = {0};

        KS_TRY(ks_json_get_string(check, "check", &name));
        KS_TRY(ks_json_get_string(check, "reason", &reason));
        KS_TRY(ks_json_get_string(check, "state", &state));
        ks_cli_print("%-8.*s %.*s%s%.*s\n", (int)state.len, (const char *)state.data,
                     (int)name.len, (const char *)name.data, reason.len > 0 ? ": " : "",
                     (int)reason.len, (const char *)reason.data);
    }
out:
    return err;
}

/* EAT claims, as JSON or check by check. KS_ERR_VERIFY when the verdict is "no". */
static enum ks_err print_verdict(struct ks_cli *cli, struct ks_buf *eat, bool *out_passed)
{
    static const struct ks_json_limits limits = {.len_max = KS_ENROL_BYTES_MAX,
                                                 .nodes_max = 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *appraisal = NULL;

    KS_TRY(ks_json_parse(ks_buf_view(eat), &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "ketseal_appraisal", KS_JSON_OBJECT, &appraisal));
    KS_TRY(ks_json_get_bool(appraisal, "passed", out_passed));
    if (cli->json) {
        KS_TRY(ks_cli_print_json(eat));
    } else {
        KS_TRY(print_checks(appraisal));
    }
    cli->answered = cli->json;
out:
    ks_json_doc_free(doc);
    return err;
}

/* --- reattest ----------------------------------------------------------------------------- */

enum ks_err ks_command_device_reattest(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *path = ks_cli_text(cli, "evidence");
    struct ks_client *client = NULL;
    struct ks_buf verdict;
    struct ks_buf evidence;
    bool passed = false;

    ks_buf_init(&verdict, KS_ENROL_BYTES_MAX);
    ks_buf_init(&evidence, KS_EXHIBIT_BYTES_MAX);
    KS_TRY(ks_cli_client(cli, &client));
    KS_TRY(ks_device_reattest(client, ks_cli_text(cli, "device"), &verdict,
                              path == NULL ? NULL : &evidence));
    if (path != NULL) {
        KS_TRY(ks_file_write(path, ks_buf_view(&evidence), 0644));
    }
    KS_TRY(print_verdict(cli, &verdict, &passed));
    KS_CHECK(passed, KS_ERR_VERIFY, "the site does not find this device as it should be");
out:
    ks_client_close(client);
    ks_buf_done(&verdict);
    ks_buf_done(&evidence);
    return err;
}

/* --- evidence ----------------------------------------------------------------------------- */

/* --nonce, or a random one. */
static enum ks_err take_nonce(const struct ks_cli *cli, uint8_t nonce[KS_NONCE_LEN],
                              bool *out_given)
{
    enum ks_err err = KS_OK;
    const char *hex = ks_cli_text(cli, "nonce");

    *out_given = hex != NULL;
    if (hex == NULL) {
        KS_TRY(ks_random(nonce, KS_NONCE_LEN));
    } else {
        KS_CHECK(ks_hex_decode(ks_bytes_text(hex), nonce, KS_NONCE_LEN) == KS_OK, KS_ERR_USAGE,
                 "--nonce: %d hex digits", 2 * KS_NONCE_LEN);
    }
out:
    return err;
}

enum ks_err ks_command_device_evidence(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    uint8_t nonce[KS_NONCE_LEN];
    struct ks_buf evidence;
    bool given = false;

    ks_buf_init(&evidence, KS_EXHIBIT_BYTES_MAX);
    KS_TRY(take_nonce(cli, nonce, &given));
    ks_cli_progress(cli, "opening the TPM");
    KS_TRY(ks_device_evidence(ks_cli_text(cli, "device"), nonce, &evidence));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&evidence)));
out:
    ks_buf_done(&evidence);
    return err;
}

/* --- appraise ----------------------------------------------------------------------------- */

/* What one appraisal works with. */
struct judging {
    struct ks_reference *reference;
    uint8_t reference_digest[32];
    struct ks_registered registered;
    struct ks_exhibit exhibit;
    uint8_t nonce[KS_NONCE_LEN];
    struct ks_buf differences; /* a line for each */
};

static void judging_done(struct judging *judging)
{
    ks_reference_free(judging->reference);
    ks_exhibit_done(&judging->exhibit);
    ks_buf_done(&judging->differences);
}

static enum ks_err read_reference(const struct ks_cli *cli, struct judging *judging)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_REFERENCE_MAX);
    KS_TRY(ks_reference_load(ks_cli_text(cli, "reference"), &text));
    KS_TRY(ks_reference_parse(ks_buf_view(&text), &judging->reference));
    ks_sha256(ks_buf_view(&text), judging->reference_digest);
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err read_exhibit(const struct ks_cli *cli, struct judging *judging)
{
    enum ks_err err = KS_OK;
    const char *path = cli->operands[0];
    const char *registered = ks_cli_text(cli, "registered");
    struct ks_buf text;
    uint8_t ak[32];

    ks_buf_init(&text, KS_EXHIBIT_BYTES_MAX);
    KS_TRY(ks_file_read(registered, KS_REGISTERED_BYTES_MAX, &text));
    KS_TRY(ks_fail_prefix(ks_registered_read(ks_buf_view(&text), &judging->registered), "%s",
                          registered));
    ks_buf_clear(&text);
    KS_TRY(ks_file_read(path, KS_EXHIBIT_BYTES_MAX, &text));
    KS_TRY(ks_fail_prefix(ks_exhibit_read(ks_buf_view(&text), &judging->exhibit), "%s", path));
    ks_sha256(ks_buf_view(&judging->exhibit.ak), ak);
    KS_CHECK(ks_bytes_equal(KS_BYTES(ak), KS_BYTES(judging->registered.ak)), KS_ERR_VERIFY,
             "%s: its attestation key is not the one under which the site knows device '%s'",
             path, judging->registered.device);
out:
    ks_buf_done(&text);
    return err;
}

static void differs(void *context, enum ks_appraisal_check check, const char *sentence)
{
    struct judging *judging = context;

    ks_buf_put_text(&judging->differences, "differs  ");
    ks_buf_put_text(&judging->differences, ks_appraisal_check_name(check));
    ks_buf_put_text(&judging->differences, ": ");
    ks_cli_put_shown(&judging->differences, ks_bytes_text(sentence));
    ks_buf_put_text(&judging->differences, "\n");
}

/* KS_OK for either verdict. */
static enum ks_err judge(struct judging *judging, struct ks_appraisal *appraisal,
                         struct ks_buf *eat)
{
    enum ks_err err = KS_OK;
    uint8_t extra[32];
    const struct ks_appraise_spec spec = {.extra_data = KS_BYTES(extra),
                                          .reference = judging->reference,
                                          .differs = differs,
                                          .context = judging};
    struct ks_eat_subject subject = {
        .ueid_seed = KS_BYTES(judging->registered.ek_certificate),
        .nonce = KS_BYTES(judging->nonce),
        .reference = judging->reference->name,
        .time_s = ks_clock_us() / 1000000,
    };

    ks_exhibit_extra(&judging->exhibit, judging->nonce, extra);
    err = ks_platform_appraise(&judging->exhibit.platform, ks_buf_view(&judging->exhibit.ak),
                               judging->registered.tpm, &spec, appraisal);
    KS_TRY(err == KS_ERR_VERIFY ? KS_OK : err);
    ks_copy(subject.reference_digest, judging->reference_digest,
            sizeof subject.reference_digest);
    ks_appraisal_write_eat(appraisal, &subject, eat);
    KS_TRY(ks_buf_check(eat));
    KS_TRY(ks_buf_check(&judging->differences));
out:
    return err;
}

/* "No" and "could not tell" are two answers: what was not sent may be as it should. */
static enum ks_err conclude(const struct ks_appraisal *appraisal)
{
    enum ks_err err = KS_OK;
    const enum ks_appraisal_check blocking = ks_appraisal_blocking(appraisal);

    if (blocking != KS_APPRAISAL_CHECKS) {
        const struct ks_appraisal_item *item = &appraisal->checks[blocking];
        const bool failed = item->state == KS_APPRAISAL_FAIL;

        err = ks_fail(failed ? KS_ERR_VERIFY : KS_ERR_UNAVAILABLE, "%s%s: %s",
                      failed ? "" : "could not tell: ", ks_appraisal_check_name(blocking),
                      item->reason);
    }
    return err;
}

enum ks_err ks_command_device_appraise(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct judging judging = {0};
    struct ks_appraisal appraisal;
    struct ks_buf eat;
    bool given = false;
    bool passed = false;

    ks_buf_init(&judging.differences, KS_REFERENCE_MAX);
    ks_buf_init(&eat, KS_ENROL_BYTES_MAX);
    KS_TRY(take_nonce(cli, judging.nonce, &given));
    KS_TRY(read_reference(cli, &judging));
    KS_TRY(read_exhibit(cli, &judging));
    if (!given) {
        ks_copy(judging.nonce, judging.exhibit.nonce, sizeof judging.nonce);
        ks_cli_progress(cli, "no --nonce: the evidence may be of any time");
    }
    KS_TRY(judge(&judging, &appraisal, &eat));
    KS_TRY(print_verdict(cli, &eat, &passed));
    if (!cli->json) {
        ks_cli_print_bytes(ks_buf_view(&judging.differences));
    }
    KS_TRY(conclude(&appraisal));
out:
    judging_done(&judging);
    ks_buf_done(&eat);
    return err;
}
