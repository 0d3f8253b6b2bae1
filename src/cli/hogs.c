/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/hogs.h"

#include <pthread.h>
#include <stdatomic.h>

#define LINE 64 /* bytes of a cache line */

struct hog {
    struct ks_hogs *all;
    uint8_t *memory;
    pthread_t thread;
    bool running;
};

struct ks_hogs {
    atomic_bool stop;
    size_t memory;
    unsigned count;
    struct hog hogs[KS_HOGS_MAX];
};

static void *run(void *context)
{
    struct hog *hog = context;
    uint8_t value = 0;

    while (!atomic_load_explicit(&hog->all->stop, memory_order_relaxed)) {
        value++;
        for (size_t i = 0; i < hog->all->memory; i += LINE) {
            hog->memory[i] = (uint8_t)(hog->memory[i] + value);
        }
    }
    return NULL;
}

enum ks_err ks_hogs_start(unsigned count, size_t memory, struct ks_hogs **out_hogs)
{
    enum ks_err err = KS_OK;
    struct ks_hogs *hogs = ks_calloc(1, sizeof *hogs);

    KS_CHECK(hogs != NULL, KS_ERR_NOMEM, "hogs");
    KS_CHECK(count >= 1 && count <= KS_HOGS_MAX && memory > 0, KS_ERR_USAGE,
             "hogs: 1 to %d, with some memory each", KS_HOGS_MAX);
    hogs->memory = memory;
    for (unsigned i = 0; i < count; i++) {
        struct hog *hog = &hogs->hogs[hogs->count++];

        hog->all = hogs;
        hog->memory = ks_calloc(memory, 1);
        KS_CHECK(hog->memory != NULL, KS_ERR_NOMEM, "%zu bytes for a hog", memory);
        KS_CHECK(pthread_create(&hog->thread, NULL, run, hog) == 0, KS_ERR_NOMEM,
                 "a thread for a hog");
        hog->running = true;
    }
    *out_hogs = hogs;
    hogs = NULL; /* transferred */
out:
    ks_hogs_stop(hogs);
    return err;
}

void ks_hogs_stop(struct ks_hogs *hogs)
{
    if (hogs == NULL) {
        return;
    }
    atomic_store(&hogs->stop, true);
    for (unsigned i = 0; i < hogs->count; i++) {
        if (hogs->hogs[i].running) {
            (void)pthread_join(hogs->hogs[i].thread, NULL);
        }
        ks_free(hogs->hogs[i].memory);
    }
    ks_free(hogs);
}
