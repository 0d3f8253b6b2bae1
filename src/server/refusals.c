/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/refusals.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "server/site.h"

#define SECOND_US UINT64_C(1000000)
#define WINDOW_US (KS_REFUSALS_WINDOW_S * SECOND_US)
#define HOUR_US   (3600 * SECOND_US)

void ks_refusals_init(struct ks_refusals *refusals)
{
    *refusals = (struct ks_refusals){.per_hour = 0};
    (void)pthread_mutex_init(&refusals->lock, NULL); /* cannot fail with default attributes */
}

void ks_refusals_done(struct ks_refusals *refusals)
{
    (void)pthread_mutex_destroy(&refusals->lock);
}

/* --- what comes in ------------------------------------------------------------------------ */

/* What is put into a public ledger is one line of ASCII, whoever has a word in it. */
static void copy_detail(const char *detail, char target[KS_REFUSAL_DETAIL_MAX + 1])
{
    size_t len = 0;

    for (; detail[len] != '\0' && len < KS_REFUSAL_DETAIL_MAX; len++) {
        target[len] = detail[len] >= ' ' && detail[len] <= '~' ? detail[len] : '?';
    }
    target[len] = '\0';
}

/* That of the same door, device and error, or a new one; NULL: there is no room. */
static struct ks_refusal_kind *find_kind(struct ks_refusals *refusals, enum ks_door door,
                                         const char *device, enum ks_err error, uint64_t now_us)
{
    struct ks_refusal_kind *free_kind = NULL;

    for (size_t i = 0; i < KS_REFUSALS_KINDS_MAX; i++) {
        struct ks_refusal_kind *kind = &refusals->kinds[i];
        const bool idle = kind->count == 0 && now_us >= kind->next_us;

        if (!idle && kind->door == door && kind->error == error &&
            strcmp(kind->device, device) == 0) {
            return kind;
        }
        free_kind = free_kind == NULL && idle ? kind : free_kind;
    }
    if (free_kind != NULL) {
        *free_kind = (struct ks_refusal_kind){.door = door, .error = error, .next_us = now_us};
        (void)snprintf(free_kind->device, sizeof free_kind->device, "%s", device);
    }
    return free_kind;
}

static void note(struct ks_refusals *refusals, enum ks_door door, const char *device,
                 enum ks_err error, const char *detail)
{
    struct ks_refusal_kind *kind =
        find_kind(refusals, door, device, error, ks_clock_monotonic_us());

    if (kind == NULL) {
        refusals->unlisted++;
        return;
    }
    kind->count++;
    copy_detail(detail, kind->detail);
}

void ks_refusals_request(struct ks_refusals *refusals, struct ks_http_request *request,
                         enum ks_err err)
{
    const struct ks_bytes attestation = ks_bytes_text("/v1/device/");
    const struct ks_bytes path = ks_http_request_head(request)->path;
    enum ks_door door = KS_DOOR_REQUEST;

    if (refusals->per_hour == 0 || (err != KS_ERR_DENIED && err != KS_ERR_VERIFY)) {
        return;
    }
    if (ks_http_request_peer(request) == NULL) {
        door = KS_DOOR_ENROLMENT;
    } else if (path.len > attestation.len &&
               ks_bytes_equal(ks_bytes_of(path.data, attestation.len), attestation)) {
        door = KS_DOOR_ATTESTATION;
    }
    note(refusals, door, ks_http_request_peer_name(request), err, ks_err_detail());
}

void ks_refusals_handshake(void *context, const char *detail)
{
    struct ks_site_server *server = context;
    struct ks_refusals *refusals = &server->refusals;
    bool first = false;

    if (refusals->per_hour == 0) {
        return;
    }
    (void)pthread_mutex_lock(&refusals->lock);
    first = refusals->handshakes_waiting == 0;
    if (refusals->handshakes_waiting < KS_REFUSALS_HANDSHAKES) {
        copy_detail(detail, refusals->handshakes[refusals->handshakes_waiting++]);
    } else {
        refusals->handshakes_lost++;
    }
    (void)pthread_mutex_unlock(&refusals->lock);
    if (first) {
        ks_site_server_wake(server);
    }
}

/* What other threads have left here. */
static void take_handshakes(struct ks_refusals *refusals)
{
    (void)pthread_mutex_lock(&refusals->lock);
    for (size_t i = 0; i < refusals->handshakes_waiting; i++) {
        note(refusals, KS_DOOR_TLS, "", KS_ERR_DENIED, refusals->handshakes[i]);
    }
    refusals->unlisted += refusals->handshakes_lost;
    refusals->handshakes_waiting = 0;
    refusals->handshakes_lost = 0;
    (void)pthread_mutex_unlock(&refusals->lock);
}

/* --- what goes out ------------------------------------------------------------------------ */

static bool is_known(const struct ks_refusal_kind *kind)
{
    return kind->device[0] != '\0';
}

/* When KIND may have its entry: its window is over, and its hour has one left. */
static uint64_t due_us(const struct ks_refusals *refusals, const struct ks_refusal_kind *kind)
{
    const struct ks_refusal_budget *budget = &refusals->budgets[is_known(kind) ? 1 : 0];
    const uint64_t hour_us = budget->since_us + HOUR_US;

    return budget->used < refusals->per_hour || hour_us < kind->next_us ? kind->next_us
                                                                        : hour_us;
}

static void spend(struct ks_refusal_budget *budget, uint64_t now_us)
{
    if (budget->since_us == 0 || now_us >= budget->since_us + HOUR_US) {
        *budget = (struct ks_refusal_budget){.since_us = now_us};
    }
    budget->used++;
}

static void log_refusal(const struct ks_refusal *refusal)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_WARN, "peer.refused");
    ks_log_bytes(&line, "device", refusal->device);
    ks_log_text(&line, "door", ks_door_name(refusal->door));
    ks_log_text(&line, "error", ks_err_name(refusal->error));
    ks_log_bytes(&line, "reason", refusal->detail);
    ks_log_u64(&line, "count", refusal->count);
    ks_log_end(&line);
}

/* False: there is no task for it now. */
static bool put_entry(struct ks_site_server *server, const struct ks_refusal *refusal)
{
    struct ks_task *task = ks_task_new(server, NULL);

    if (task == NULL) {
        return false;
    }
    ks_entry_refusal_write(refusal, &task->entry);
    if (task->entry.err != KS_OK) {
        ks_log_failure("refusal.lost", ks_buf_check(&task->entry));
        ks_task_free(server, task);
        return true;
    }
    task->state = KS_TASK_ENTRY;
    log_refusal(refusal);
    return true;
}

void ks_refusals_turn(struct ks_site_server *server)
{
    struct ks_refusals *refusals = &server->refusals;
    const uint64_t now_us = ks_clock_monotonic_us();

    if (refusals->per_hour == 0) {
        return;
    }
    take_handshakes(refusals);
    for (size_t i = 0; i < KS_REFUSALS_KINDS_MAX; i++) {
        struct ks_refusal_kind *kind = &refusals->kinds[i];
        const struct ks_refusal refusal = {.device = ks_bytes_text(kind->device),
                                           .door = kind->door,
                                           .error = kind->error,
                                           .detail = ks_bytes_text(kind->detail),
                                           .count = kind->count,
                                           .unlisted = refusals->unlisted};

        if (kind->count > 0 && now_us >= due_us(refusals, kind)) {
            if (!put_entry(server, &refusal)) {
                kind->next_us = now_us + SECOND_US;
                continue;
            }
            spend(&refusals->budgets[is_known(kind) ? 1 : 0], now_us);
            refusals->unlisted = 0;
            kind->count = 0;
            kind->next_us = now_us + WINDOW_US;
        }
    }
}

int ks_refusals_wait_ms(const struct ks_refusals *refusals, uint64_t now_us, int ms)
{
    for (size_t i = 0; i < KS_REFUSALS_KINDS_MAX; i++) {
        const struct ks_refusal_kind *kind = &refusals->kinds[i];
        const uint64_t due = due_us(refusals, kind);
        const int left_ms = now_us < due ? (int)((due - now_us + 999) / 1000) : 0;

        if (kind->count > 0 && (ms < 0 || left_ms < ms)) {
            ms = left_ms;
        }
    }
    return ms;
}
