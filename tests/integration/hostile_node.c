/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Linked into a second `ketseal` whose part in federated learning is hostile, for the smart
 * city (examples/city.sh) and its test; never installed. KETSEAL_NODE names how; without it the
 * program is honest.
 *
 *   poison       contributes its update with the sign turned, TIMES as long
 *   again        sends each signed submission a second time, byte for byte
 *   other-round  from its second round on contributes the sealed update of its first
 *   altered      extends PCR 14 once more before it shows itself */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "client/fl.h"
#include "client/inside.h"
#include "client/machine.h"

#define TIMES    8
#define BODY_MAX ((size_t)1024 * 1024) /* of an upload: the models of the city are one part */

/* What --wrap leaves of the real ones, and what it calls instead of them. */
#define WRAPPED(name, ...)                                                                     \
    enum ks_err __real_##name(__VA_ARGS__);                                                    \
    enum ks_err __wrap_##name(__VA_ARGS__)

WRAPPED(ks_session_call, struct ks_session *session, const struct ks_session_call *call,
        struct ks_buf *out);
WRAPPED(ks_client_send_job, struct ks_client *client, const char *target, struct ks_bytes job,
        struct ks_buf *out);
WRAPPED(ks_client_fl_contribute, struct ks_client *client,
        const struct ks_fl_descriptor *descriptor, const struct ks_client_update *update,
        struct ks_buf *out_bundle);
WRAPPED(ks_machine_show, struct ks_machine *machine, uint32_t pcr_mask, const uint8_t extra[32],
        struct ks_platform *out);

/* The upload and the job of the first round; a program has one device and one thread. */
static struct {
    char target[256];
    uint8_t body[BODY_MAX];
    size_t body_len;
    uint8_t job[KS_JOB_BYTES_MAX];
    size_t job_len;
} kept;

static bool node_is(const char *name)
{
    const char *chosen = getenv("KETSEAL_NODE");

    return chosen != NULL && strcmp(chosen, name) == 0;
}

/* --- poison ------------------------------------------------------------------------------- */

enum ks_err __wrap_ks_client_fl_contribute(struct ks_client *client,
                                           const struct ks_fl_descriptor *descriptor,
                                           const struct ks_client_update *update,
                                           struct ks_buf *out_bundle)
{
    enum ks_err err = KS_OK;
    struct ks_client_update turned = *update;
    float *values = NULL;

    if (node_is("poison")) {
        values = ks_calloc((size_t)descriptor->params, sizeof *values);
        KS_CHECK(values != NULL, KS_ERR_NOMEM, "hostile: %llu numbers",
                 (unsigned long long)descriptor->params);
        for (size_t i = 0; i < descriptor->params; i++) {
            values[i] = -TIMES * update->values[i];
        }
        turned.values = values;
    }
    KS_TRY(__real_ks_client_fl_contribute(client, descriptor, &turned, out_bundle));
out:
    ks_free(values);
    return err;
}

/* --- altered ------------------------------------------------------------------------------ */

/* Something was loaded that no log tells of; the quote is honest about that. */
enum ks_err __wrap_ks_machine_show(struct ks_machine *machine, uint32_t pcr_mask,
                                   const uint8_t extra[32], struct ks_platform *out)
{
    enum ks_err err = KS_OK;
    static const uint8_t unknown[KS_PCR_DIGEST_LEN] = {1};

    if (node_is("altered")) {
        KS_TRY(ks_tpm_pcr_extend(ks_machine_tpm(machine), KS_LAUNCH_PCR, unknown));
    }
    KS_TRY(__real_ks_machine_show(machine, pcr_mask, extra, out));
out:
    return err;
}

/* --- replays ------------------------------------------------------------------------------ */

/* The bytes of CALL once more: its one-time key, its signature, its connection. */
static enum ks_err send_again(struct ks_session *session, const struct ks_session_call *call)
{
    enum ks_err err = KS_OK;
    struct ks_buf answer;

    ks_buf_init(&answer, KS_BUNDLE_LEN_MAX);
    err = __real_ks_session_call(session, call, &answer);
    ks_buf_done(&answer);
    (void)fprintf(stderr, "hostile: sent again: %s\n",
                  err == KS_OK ? "ACCEPTED" : ks_err_detail());
    return KS_OK; /* the first one stands */
}

/* Keeps the first upload, sends it in the place of others. */
static void swap_upload(struct ks_session_call *call)
{
    if (kept.body_len == 0) {
        KS_ASSERT(call->body.len <= sizeof kept.body);
        (void)snprintf(kept.target, sizeof kept.target, "%s", call->target);
        ks_copy(kept.body, call->body.data, call->body.len);
        kept.body_len = call->body.len;
    }
    call->target = kept.target;
    call->body = ks_bytes_of(kept.body, kept.body_len);
}

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    static const char uploads[] = "/v1/fl/uploads/";
    enum ks_err err = KS_OK;
    struct ks_session_call sent = *call;

    if (node_is("other-round") && strncmp(call->target, uploads, sizeof uploads - 1) == 0) {
        swap_upload(&sent);
    }
    KS_TRY(__real_ks_session_call(session, &sent, out));
    if (node_is("again") && call->fields != NULL) {
        KS_TRY(send_again(session, call));
    }
out:
    return err;
}

/* The job of the first round, said to be of the round and parent that JOB is of. */
static enum ks_err rename_job(struct ks_bytes job, struct ks_buf *out)
{
    static const struct ks_json_limits limits = {.len_max = KS_JOB_BYTES_MAX, .nodes_max = 256};
    enum ks_err err = KS_OK;
    struct ks_json_doc *first = NULL;
    struct ks_json_doc *now = NULL;
    struct ks_job old = {0};
    struct ks_job new = {0};

    KS_TRY(ks_json_parse(ks_bytes_of(kept.job, kept.job_len), &limits, &first));
    KS_TRY(ks_json_parse(job, &limits, &now));
    KS_TRY(ks_job_parse(ks_json_root(first), &old));
    KS_TRY(ks_job_parse(ks_json_root(now), &new));
    old.update.round = new.update.round;
    ks_copy(old.update.parent, new.update.parent, sizeof old.update.parent);
    ks_job_write(&old, out);
    KS_TRY(ks_buf_check(out));
out:
    ks_json_doc_free(first);
    ks_json_doc_free(now);
    return err;
}

enum ks_err __wrap_ks_client_send_job(struct ks_client *client, const char *target,
                                      struct ks_bytes job, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf sent;

    ks_buf_init(&sent, KS_JOB_BYTES_MAX);
    if (node_is("other-round") && kept.job_len > 0) {
        KS_TRY(rename_job(job, &sent));
        job = ks_buf_view(&sent);
    } else if (node_is("other-round")) {
        KS_ASSERT(job.len <= sizeof kept.job);
        ks_copy(kept.job, job.data, job.len);
        kept.job_len = job.len;
    }
    KS_TRY(__real_ks_client_send_job(client, target, job, out));
out:
    ks_buf_done(&sent);
    return err;
}
