/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "oracle/rank_threads.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                        \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            abort();                                                                           \
        }                                                                                      \
    } while (0)

struct post {
    const void *data;
    size_t bytes;
    uint32_t partner;
    bool waiting; /* until the partner has taken it */
};

struct hub {
    uint32_t count;
    uint64_t break_at;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t arrived;
    uint64_t generation;
    uint64_t *merged[2]; /* of even and odd generations */
    size_t caps[2];
    struct post posts[KS_RANKS_MAX];
    void (*task)(void *context, const struct ks_ranks *ranks);
    void *context;
};

struct end {
    struct hub *hub;
    uint32_t rank;
    uint64_t calls;
    pthread_t thread;
};

static enum ks_err count_call(struct end *end)
{
    end->calls++;
    return end->hub->break_at != 0 && end->calls >= end->hub->break_at
               ? ks_fail(KS_ERR_IO, "the transport is broken")
               : KS_OK;
}

static enum ks_err merge(void *context, uint64_t *words, size_t count)
{
    struct end *end = context;
    struct hub *hub = end->hub;
    const enum ks_err err = count_call(end);

    if (err != KS_OK) {
        return err;
    }
    MUST(pthread_mutex_lock(&hub->lock) == 0);
    const uint64_t generation = hub->generation;
    const unsigned side = generation % 2;

    if (hub->arrived == 0) {
        if (hub->caps[side] < count) {
            free(hub->merged[side]);
            hub->merged[side] = malloc(count * sizeof **hub->merged);
            MUST(hub->merged[side] != NULL);
            hub->caps[side] = count;
        }
        memset(hub->merged[side], 0, count * sizeof **hub->merged);
    }
    for (size_t i = 0; i < count; i++) {
        hub->merged[side][i] |= words[i];
    }
    if (++hub->arrived == hub->count) {
        hub->arrived = 0;
        hub->generation++;
        MUST(pthread_cond_broadcast(&hub->changed) == 0);
    }
    while (hub->generation == generation) {
        MUST(pthread_cond_wait(&hub->changed, &hub->lock) == 0);
    }
    memcpy(words, hub->merged[side], count * sizeof *words);
    MUST(pthread_mutex_unlock(&hub->lock) == 0);
    return KS_OK;
}

static enum ks_err exchange(void *context, uint32_t partner, const void *send, void *receive,
                            size_t bytes)
{
    struct end *end = context;
    struct hub *hub = end->hub;
    struct post *mine = &hub->posts[end->rank];
    struct post *theirs = &hub->posts[partner];
    const enum ks_err err = count_call(end);

    MUST(bytes <= KS_EXCHANGE_MAX && partner < hub->count && partner != end->rank);
    if (err != KS_OK) {
        return err;
    }
    MUST(pthread_mutex_lock(&hub->lock) == 0);
    *mine = (struct post){.data = send, .bytes = bytes, .partner = partner, .waiting = true};
    MUST(pthread_cond_broadcast(&hub->changed) == 0);
    while (!theirs->waiting || theirs->partner != end->rank) {
        MUST(pthread_cond_wait(&hub->changed, &hub->lock) == 0);
    }
    MUST(theirs->bytes == bytes);
    memcpy(receive, theirs->data, bytes);
    theirs->waiting = false;
    MUST(pthread_cond_broadcast(&hub->changed) == 0);
    while (mine->waiting) {
        MUST(pthread_cond_wait(&hub->changed, &hub->lock) == 0);
    }
    MUST(pthread_mutex_unlock(&hub->lock) == 0);
    return KS_OK;
}

static void *run_end(void *argument)
{
    struct end *end = argument;
    const struct ks_ranks ranks = {
        .rank = end->rank,
        .count = end->hub->count,
        .context = end,
        .exchange = exchange,
        .merge = merge,
    };

    end->hub->task(end->hub->context, &ranks);
    return NULL;
}

void rank_threads_run(uint32_t count, uint64_t break_at,
                      void (*task)(void *context, const struct ks_ranks *ranks), void *context)
{
    struct hub *hub = calloc(1, sizeof *hub);
    struct end *ends = calloc(count, sizeof *ends);

    MUST(hub != NULL && ends != NULL && count >= 1 && count <= KS_RANKS_MAX);
    hub->count = count;
    hub->break_at = break_at;
    hub->task = task;
    hub->context = context;
    MUST(pthread_mutex_init(&hub->lock, NULL) == 0);
    MUST(pthread_cond_init(&hub->changed, NULL) == 0);
    for (uint32_t i = 0; i < count; i++) {
        ends[i].hub = hub;
        ends[i].rank = i;
        MUST(i == 0 || pthread_create(&ends[i].thread, NULL, run_end, &ends[i]) == 0);
    }
    (void)run_end(&ends[0]);
    for (uint32_t i = 1; i < count; i++) {
        MUST(pthread_join(ends[i].thread, NULL) == 0);
    }
    MUST(pthread_cond_destroy(&hub->changed) == 0);
    MUST(pthread_mutex_destroy(&hub->lock) == 0);
    free(hub->merged[0]);
    free(hub->merged[1]);
    free(hub);
    free(ends);
}
