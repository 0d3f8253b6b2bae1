/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* How many samples devices have said they have: what a selection by samples goes by. */

#include <stdio.h>

#include "enclave/rounds_state.h"

#define KNOWN_STEP 64

/* Where DEVICE is in SESSION's table, or would be. */
static size_t place_of(const struct ks_rounds_session *session, struct ks_bytes device)
{
    size_t low = 0;
    size_t high = session->known_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (ks_bytes_compare(ks_bytes_text(session->known[middle].device), device) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct ks_rounds_known *find_known(const struct ks_rounds_session *session,
                                          struct ks_bytes device)
{
    const size_t place = place_of(session, device);

    return place < session->known_count && ks_bytes_is(device, session->known[place].device)
               ? &session->known[place]
               : NULL;
}

static enum ks_err insert_known(struct ks_rounds_session *session, struct ks_bytes device,
                                uint32_t samples)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_known *more = session->known;
    size_t place = 0;

    if (session->known_count == session->known_max) {
        more = ks_realloc(session->known, session->known_max + KNOWN_STEP, sizeof *more);
        KS_CHECK(more != NULL, KS_ERR_NOMEM, "samples of devices");
        session->known = more;
        session->known_max += KNOWN_STEP;
    }
    place = place_of(session, device);
    for (size_t i = session->known_count; i > place; i--) {
        session->known[i] = session->known[i - 1];
    }
    session->known_count++;
    session->known[place] = (struct ks_rounds_known){.samples = samples};
    (void)snprintf(session->known[place].device, sizeof session->known[place].device, "%.*s",
                   (int)device.len, (const char *)device.data);
out:
    return err;
}

enum ks_err ks_rounds_know(const struct ks_rounds *rounds, struct ks_rounds_session *session,
                           struct ks_bytes device, uint32_t samples)
{
    struct ks_rounds_known *known = find_known(session, device);
    size_t all = 0;

    if (!session->order.plan.weighted || device.len == 0) {
        return KS_OK;
    }
    if (known != NULL) {
        known->samples = samples;
        return KS_OK;
    }
    for (size_t i = 0; i < rounds->session_count; i++) {
        all += rounds->sessions[i]->known_count;
    }
    return all < KS_ROUNDS_KNOWN_MAX ? insert_known(session, device, samples) : KS_OK;
}

void ks_rounds_weigh(const struct ks_rounds_session *session,
                     struct ks_fl_candidate *candidates, size_t count)
{
    const uint32_t most = (uint32_t)session->order.plan.samples_max;
    uint64_t sum = 0;
    size_t known_count = 0;
    uint32_t other = 1;

    for (size_t i = 0; i < count; i++) {
        const struct ks_rounds_known *known =
            session->order.plan.weighted ? find_known(session, candidates[i].name) : NULL;

        candidates[i].samples = known == NULL           ? 0
                                : known->samples < most ? known->samples
                                                        : most;
        sum += candidates[i].samples;
        known_count += known != NULL;
    }
    if (known_count > 0) {
        other = (uint32_t)(sum / known_count); /* at most the largest of them */
    }
    for (size_t i = 0; i < count; i++) {
        candidates[i].samples = candidates[i].samples == 0 ? other : candidates[i].samples;
    }
}

const char *ks_rounds_reason(const struct ks_rounds_session *session)
{
    const struct ks_round_summary *last =
        session->kept_count > 0 ? &session->kept[session->kept_count - 1] : NULL;

    switch (session->state) {
    case KS_SESSION_FINISHED:
        return session->last == session->order.plan.rounds ? "all rounds are completed"
                                                           : "it gained no more";
    case KS_SESSION_FAILED:
        KS_ASSERT(last != NULL);
        return ks_fl_failure_words(last->failure);
    case KS_SESSION_STOPPED:
        return ks_fl_failure_words(KS_FL_FAILURE_STOPPED);
    default:
        return "none";
    }
}
