/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/jobs.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/tracer.h"
#include "record/record.h"

#define POLL_FIRST_MS 50
#define POLL_LAST_MS  5000
#define ASK_MS        100   /* between two questions whether to go on */
#define CHECKPOINT_MS 10000 /* most that the bundle of a job that is done is waited for */

_Static_assert(KS_BUNDLE_LEN_MAX == KS_BUNDLE_BYTES_MAX, "what the installed header says");
_Static_assert(sizeof((struct ks_job_status *)0)->id > KS_UUID_TEXT_LEN, "a UUID and its NUL");
_Static_assert(sizeof((struct ks_job_status *)0)->created_at > KS_TIME_TEXT_LEN, "a time");

/* --- states ------------------------------------------------------------------------------- */

#define KS_JOB_PHASE_NAME(name, text) text,
static const char *const phase_names[] = {KS_JOB_PHASE_LIST(KS_JOB_PHASE_NAME)};
#undef KS_JOB_PHASE_NAME

const char *ks_job_phase_name(enum ks_job_phase phase)
{
    KS_ASSERT((unsigned)phase < KS_JOB_PHASES);
    return phase_names[phase];
}

static enum ks_err find_phase(struct ks_bytes name, enum ks_job_phase *out_phase)
{
    for (unsigned i = 0; i < KS_JOB_PHASES; i++) {
        if (ks_bytes_is(name, phase_names[i])) {
            *out_phase = (enum ks_job_phase)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "'state': none of a job's");
}

/* A name that this version does not know is a failure all the same. */
static enum ks_err error_named(struct ks_bytes name)
{
#define KS_NAMED(code, value, exit_code, http, meaning)                                        \
    if (ks_bytes_is(name, #code)) {                                                            \
        return KS_ERR_##code;                                                                  \
    }
    KS_ERR_LIST(KS_NAMED)
#undef KS_NAMED
    return KS_ERR_INTERNAL;
}

enum ks_err ks_job_status_take(const struct ks_json *value, struct ks_job_status *out_state)
{
    enum ks_err err = KS_OK;
    struct ks_job_status state = {0};
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.job-state/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.job-state/1");
    KS_TRY(ks_json_get_string(value, "id", &text));
    KS_CHECK(ks_text_is_uuid(text), KS_ERR_FORMAT, "'id': no UUID");
    ks_copy(state.id, text.data, text.len);
    KS_TRY(ks_json_get_string(value, "state", &text));
    KS_TRY(find_phase(text, &state.phase));
    KS_TRY(ks_json_get_string(value, "created_at", &text));
    KS_CHECK(text.len == KS_TIME_TEXT_LEN, KS_ERR_FORMAT, "'created_at': no time");
    ks_text_shown(text, state.created_at, sizeof state.created_at);
    if (state.phase == KS_JOB_PHASE_FAILED) {
        KS_TRY(ks_json_get_string(value, "error", &text));
        state.error = error_named(text);
        KS_TRY(ks_json_get_string(value, "detail", &text));
        ks_text_shown(text, state.detail, sizeof state.detail);
    }
    *out_state = state;
out:
    return err;
}

enum ks_err ks_job_status_read(const struct ks_bytes *document, struct ks_job_status *out_state)
{
    static const struct ks_json_limits limits = {.len_max = KS_JOB_STATE_BYTES_MAX,
                                                 .nodes_max = 256};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(*document, &limits, &doc));
    KS_TRY(ks_job_status_take(ks_json_root(doc), out_state));
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

/* --- exchanges ---------------------------------------------------------------------------- */

enum ks_err ks_job_target(const char *id, const char *suffix, char target[KS_JOB_TARGET_MAX])
{
    if (!ks_text_is_uuid(ks_bytes_text(id))) {
        return ks_fail(KS_ERR_USAGE, "'%s' is no job id", id);
    }
    (void)snprintf(target, KS_JOB_TARGET_MAX, "/v1/jobs/%s%s", id, suffix);
    return KS_OK;
}

enum ks_err ks_client_status(struct ks_client *client, const char *id,
                             struct ks_job_status *out_state)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_bytes view = {0};
    char target[KS_JOB_TARGET_MAX];

    ks_buf_init(&body, KS_JOB_STATE_BYTES_MAX);
    KS_TRY(ks_job_target(id, "", target));
    KS_TRY(ks_client_get(client, target, &body));
    view = ks_buf_view(&body);
    KS_TRY(ks_job_status_read(&view, out_state));
out:
    ks_buf_done(&body);
    return err;
}

static void pause_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000),
                            .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&left, NULL); /* a signal shortens one pause, which harms nothing */
}

/* One exchange that the row of the bundle is about. */
static enum ks_err get_traced(struct ks_client *client, const char *target, struct ks_buf *out)
{
    enum ks_err err = ks_client_get(client, target, out);

    ks_tracer_exchange(ks_client_tracer(client), ks_client_facts(client));
    return err;
}

/* The row of a bundle that came behind what was in OUT before, or did not come. */
static enum ks_err end_row(struct ks_client *client, const struct ks_buf *out, size_t before,
                           enum ks_err err)
{
    if (err == KS_OK) {
        ks_tracer_bundle(ks_client_tracer(client),
                         ks_bytes_of(out->data + before, out->len - before),
                         ks_client_site(client));
    }
    return ks_tracer_end(ks_client_tracer(client), err, ks_client_facts(client));
}

/* A job is done when its record is durable, the checkpoint over it comes a moment later. */
static enum ks_err await_bundle(struct ks_client *client, const char *id,
                                struct ks_buf *out_bundle)
{
    enum ks_err err = KS_OK;
    uint64_t begin_us = ks_clock_monotonic_us();
    struct ks_job_status state;
    char target[KS_JOB_TARGET_MAX];

    KS_TRY(ks_job_target(id, "/bundle", target));
    err = get_traced(client, target, out_bundle);
    while (err == KS_ERR_NOT_FOUND &&
           ks_clock_monotonic_us() - begin_us < CHECKPOINT_MS * UINT64_C(1000)) {
        KS_TRY(ks_client_status(client, id, &state));
        KS_CHECK(state.phase == KS_JOB_PHASE_DONE, KS_ERR_NOT_FOUND, "job %s has not ended yet",
                 id);
        pause_ms(POLL_FIRST_MS);
        err = get_traced(client, target, out_bundle);
    }
out:
    return err;
}

enum ks_err ks_client_bundle(struct ks_client *client, const char *id,
                             struct ks_buf *out_bundle)
{
    const size_t before = out_bundle->len;

    ks_tracer_begin(ks_client_tracer(client), ks_client_device(client), id);
    return end_row(client, out_bundle, before, await_bundle(client, id, out_bundle));
}

enum ks_err ks_client_bundle_in(struct ks_client *client, const char *id, const char *state,
                                uint32_t seconds, struct ks_buf *out_bundle)
{
    static const char *const states[] = {"cosigned", "anchored", "timestamped"};
    enum ks_err err = KS_OK;
    const size_t before = out_bundle->len;
    size_t i = 0;
    char suffix[64];
    char target[KS_JOB_TARGET_MAX];

    while (i < sizeof states / sizeof states[0] && strcmp(state, states[i]) != 0) {
        i++;
    }
    KS_CHECK(i < sizeof states / sizeof states[0], KS_ERR_USAGE,
             "'%s': cosigned, anchored or timestamped", state);
    (void)snprintf(suffix, sizeof suffix, "/bundle?wait=%s&seconds=%u", states[i],
                   (unsigned)(seconds < KS_SITE_WAIT_S ? seconds : KS_SITE_WAIT_S));
    KS_TRY(ks_job_target(id, suffix, target));
    ks_tracer_begin(ks_client_tracer(client), ks_client_device(client), id);
    err = get_traced(client, target, out_bundle);
    if (err == KS_ERR_NOT_FOUND) { /* not yet */
        ks_tracer_drop(ks_client_tracer(client));
    }
    err = end_row(client, out_bundle, before, err);
out:
    return err;
}

/* Sleeps for MS; true as soon as the caller wants no more. */
static bool pause_or_end(const struct ks_wait_spec *wait, uint64_t ms)
{
    if (wait->cancelled == NULL) {
        pause_ms(ms);
        return false;
    }
    while (ms > 0) {
        uint64_t part = ms < ASK_MS ? ms : ASK_MS;

        if (wait->cancelled(wait->cancel_context)) {
            return true;
        }
        pause_ms(part);
        ms -= part;
    }
    return wait->cancelled(wait->cancel_context);
}

enum ks_err ks_client_wait(struct ks_client *client, const struct ks_wait_spec *wait,
                           struct ks_job_status *out_state)
{
    enum ks_err err = KS_OK;
    uint64_t begin_us = ks_clock_monotonic_us();
    uint64_t pause = POLL_FIRST_MS;
    struct ks_job_status state = {0};

    KS_CHECK(wait->version == 1, KS_ERR_USAGE, "wait: version %u", (unsigned)wait->version);
    KS_TRY(ks_client_status(client, wait->id, &state));
    while (state.phase == KS_JOB_PHASE_ACCEPTED) {
        uint64_t waited_ms = (ks_clock_monotonic_us() - begin_us) / 1000;
        uint64_t left_ms = waited_ms < wait->timeout_ms ? wait->timeout_ms - waited_ms : 0;

        if (left_ms == 0) {
            break;
        }
        KS_CHECK(!pause_or_end(wait, pause < left_ms ? pause : left_ms), KS_ERR_CANCELLED,
                 "job %s: nobody waits for it any more", wait->id);
        pause = 2 * pause > POLL_LAST_MS ? POLL_LAST_MS : 2 * pause;
        KS_TRY(ks_client_status(client, wait->id, &state));
    }
    *out_state = state;
out:
    return err;
}
