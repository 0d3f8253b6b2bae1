/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/actor.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"

#define TIMEOUT_MS    60000
#define QUANTUM_MS    60000
#define QUANTUM_STEP  100 /* ms between two tries */
#define KEYRING       "state/keyring"
#define KEYRING_MAX   65536
#define WARM_UP_SHOTS 16
#define DEED_STEP_MS  2
#define DEED_STEPS    1000

struct ks_actor {
    struct ks_actor_spec spec;
    struct ks_proxy *proxy;
    struct ks_client *client; /* NULL: the next job opens one */
    struct ks_buf bundle;
    struct ks_trace trace; /* the last row that the client has handed out */
    unsigned rows;
    char url[64];
    char keyring[KS_PATH_MAX];
};

/* --- open and close ----------------------------------------------------------------------- */

enum ks_err ks_actor_open(const struct ks_actor_spec *spec, struct ks_actor **out_actor)
{
    enum ks_err err = KS_OK;
    struct ks_actor *actor = ks_calloc(1, sizeof *actor);

    KS_CHECK(actor != NULL, KS_ERR_NOMEM, "actor");
    actor->spec = *spec;
    ks_buf_init(&actor->bundle, KS_BUNDLE_LEN_MAX);
    KS_TRY(ks_path_join(ks_lab_device(spec->lab, spec->device), KEYRING, actor->keyring));
    KS_TRY(ks_proxy_open(ks_lab_port(spec->lab), spec->seed, &actor->proxy));
    (void)snprintf(actor->url, sizeof actor->url, "https://127.0.0.1:%u",
                   (unsigned)ks_proxy_port(actor->proxy));
    *out_actor = actor;
    actor = NULL; /* transferred */
out:
    ks_actor_close(actor);
    return err;
}

void ks_actor_close(struct ks_actor *actor)
{
    if (actor == NULL) {
        return;
    }
    ks_client_close(actor->client);
    ks_proxy_close(actor->proxy);
    ks_buf_done(&actor->bundle);
    ks_free(actor);
}

static void hang_up(struct ks_actor *actor)
{
    ks_client_close(actor->client);
    actor->client = NULL;
}

/* --- jobs --------------------------------------------------------------------------------- */

static void take(void *context, const struct ks_trace *trace)
{
    struct ks_actor *actor = context;

    actor->trace = *trace;
    actor->rows++;
}

static enum ks_err submit(struct ks_actor *actor, const struct ks_job_spec *job)
{
    enum ks_err err = KS_OK;
    const struct ks_lab_client spec = {
        .device = actor->spec.device, .url = actor->url, .timeout_ms = TIMEOUT_MS};
    const struct ks_trace_sink sink = {.version = 1, .take = take, .context = actor};

    if (actor->client == NULL) {
        KS_TRY(ks_lab_client_open(actor->spec.lab, &spec, &actor->client));
        KS_TRY(ks_client_trace_to(actor->client, &sink));
    }
    ks_buf_clear(&actor->bundle);
    actor->rows = 0;
    KS_TRY(ks_client_run(actor->client, job, &actor->bundle));
out:
    return err;
}

enum ks_err ks_actor_warm_up(struct ks_actor *actor)
{
    const struct ks_job_spec job = {
        .version = 1, .template = "bell", .qubits = 2, .depth = 1, .shots = WARM_UP_SHOTS};

    return submit(actor, &job);
}

enum ks_err ks_actor_await_quantum(struct ks_actor *actor)
{
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_nsec = QUANTUM_STEP * 1000000L};
    const uint64_t end_us = ks_clock_monotonic_us() + QUANTUM_MS * UINT64_C(1000);

    KS_TRY(ks_actor_warm_up(actor));
    while (ks_client_notice(actor->client)[0] != '\0') { /* none was to be had */
        KS_CHECK(ks_clock_monotonic_us() < end_us, KS_ERR_UNAVAILABLE, "%s",
                 ks_client_notice(actor->client));
        (void)nanosleep(&pause, NULL);
        hang_up(actor);
        KS_TRY(ks_actor_warm_up(actor));
    }
out:
    return err;
}

enum ks_err ks_actor_forget_keys(struct ks_actor *actor)
{
    hang_up(actor);
    if (unlink(actor->keyring) != 0 && errno != ENOENT) {
        return ks_fail(KS_ERR_IO, "remove '%s': %s", actor->keyring, strerror(errno));
    }
    return KS_OK;
}

/* --- what is done to them ----------------------------------------------------------------- */

static struct ks_proxy_rules rules_of(const struct ks_actor *actor,
                                      const struct ks_plan_step *step)
{
    struct ks_proxy_rules rules = KS_PROXY_RULES_INIT;

    switch (step->kind) {
    case KS_PLAN_DELAY:
        rules.delay_us = step->amount;
        rules.jitter_us = step->more;
        break;
    case KS_PLAN_LOSS:
        rules.stall_permille = step->amount;
        rules.stall_us = step->more;
        break;
    case KS_PLAN_THROTTLE:
        rules.bytes_per_s = step->amount;
        break;
    case KS_PLAN_CUT:
        rules.cut_at = step->amount;
        break;
    case KS_PLAN_TAMPER:
        rules.flip_at = step->amount;
        break;
    case KS_PLAN_DOWNGRADE:
        rules.hello = true;
        break;
    case KS_PLAN_MITM:
        rules.impostor = actor->spec.impostor;
        break;
    case KS_PLAN_MITM_CLASSICAL:
        rules.impostor = actor->spec.classical;
        break;
    default:
        break;
    }
    return rules;
}

/* Signs one job with a key, and has the next one take that key again. */
static enum ks_err spend_twice(struct ks_actor *actor)
{
    enum ks_err err = KS_OK;
    struct ks_buf keys;

    ks_buf_init(&keys, KEYRING_MAX);
    if (access(actor->keyring, F_OK) != 0) {
        KS_TRY(ks_actor_warm_up(actor)); /* keys are fetched */
    }
    KS_TRY(ks_file_read(actor->keyring, KEYRING_MAX, &keys));
    KS_TRY(ks_actor_warm_up(actor));
    KS_TRY(ks_file_write(actor->keyring, ks_buf_view(&keys), 0600));
out:
    ks_buf_wipe(&keys);
    return err;
}

/* Whether the job may have come to END. */
static bool is_expected(enum ks_plan_kind kind, enum ks_err end)
{
    switch (kind) {
    case KS_PLAN_CUT:
    case KS_PLAN_TAMPER:
    case KS_PLAN_REPLAY:
        return true; /* a client that tries again may succeed */
    case KS_PLAN_DOWNGRADE:
    case KS_PLAN_MITM:
    case KS_PLAN_MITM_CLASSICAL:
    case KS_PLAN_ALTERED:
        return end != KS_OK;
    default:
        return end == KS_OK;
    }
}

static bool is_done(enum ks_plan_kind kind, const struct ks_proxy_deeds *deeds)
{
    switch (kind) {
    case KS_PLAN_LOSS:
        return deeds->stalls > 0;
    case KS_PLAN_CUT:
        return deeds->cuts > 0;
    case KS_PLAN_TAMPER:
        return deeds->flips > 0;
    case KS_PLAN_DOWNGRADE:
        return deeds->hellos > 0;
    case KS_PLAN_MITM:
    case KS_PLAN_MITM_CLASSICAL:
        return deeds->refused > 0 && deeds->deceived == 0;
    default:
        return true;
    }
}

static enum ks_err check(struct ks_actor *actor, const struct ks_plan_step *step,
                         enum ks_err end)
{
    enum ks_err err = KS_OK;
    const char *kind = ks_plan_kind_name(step->kind);
    const struct timespec pause = {.tv_nsec = DEED_STEP_MS * 1000000L};
    struct ks_proxy_deeds deeds;

    ks_proxy_deeds(actor->proxy, &deeds);
    for (unsigned i = 0; !is_done(step->kind, &deeds) && i < DEED_STEPS; i++) {
        (void)nanosleep(&pause, NULL); /* the device may know sooner than the relay */
        ks_proxy_deeds(actor->proxy, &deeds);
    }
    KS_CHECK(end == KS_OK || is_expected(step->kind, end), end, "%s: the job failed: %s", kind,
             ks_err_detail());
    KS_CHECK(is_expected(step->kind, end), KS_ERR_INTERNAL,
             "%s: the job succeeded, which it must not", kind);
    KS_CHECK(is_done(step->kind, &deeds), KS_ERR_INTERNAL, "%s: it could not be done", kind);
    KS_CHECK(actor->rows > 0, KS_ERR_INTERNAL, "%s: the device has no trace of it", kind);
out:
    return err;
}

enum ks_err ks_actor_perform(struct ks_actor *actor, const struct ks_plan_step *step,
                             struct ks_trace *out_trace)
{
    enum ks_err err = KS_OK;
    enum ks_err end = KS_OK;
    const struct ks_proxy_rules nothing = KS_PROXY_RULES_INIT;
    const struct ks_proxy_rules rules = rules_of(actor, step);
    const struct ks_job_spec job = {
        .version = 1,
        .template = step->template,
        .qubits = step->qubits,
        .depth = step->depth,
        .template_seed = step->template_seed,
        .shots = step->shots,
        .seed = step->seed,
        .single_precision = step->single,
        .method = step->method,
    };

    if (step->kind == KS_PLAN_REPLAY) {
        KS_TRY(spend_twice(actor));
    }
    if (step->fresh) {
        hang_up(actor);
    }
    ks_proxy_set(actor->proxy, &rules);
    end = submit(actor, &job);
    err = check(actor, step, end);
    ks_proxy_set(actor->proxy, &nothing);
    if (end != KS_OK) {
        hang_up(actor); /* what became of the connection is another matter each time */
    }
    KS_TRY(err);
    *out_trace = actor->trace;
out:
    return err;
}
