/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/watch.h"

enum ks_err ks_watch_begin(struct ks_watch *watch, const struct ks_simulate_spec *spec)
{
    enum ks_err err = KS_OK;

    *watch = (struct ks_watch){.spec = *spec};
    if (spec->cancelled == NULL) {
        return KS_OK;
    }
    if (spec->pool == NULL) {
        KS_TRY(ks_pool_new(1, &watch->own_pool));
        watch->spec.pool = watch->own_pool;
    }
    ks_pool_watch(watch->spec.pool, spec->cancelled, spec->cancel_context);
out:
    return err;
}

void ks_watch_end(struct ks_watch *watch)
{
    if (watch->spec.cancelled != NULL && watch->spec.pool != NULL) {
        ks_pool_watch(watch->spec.pool, NULL, NULL);
    }
    ks_pool_free(watch->own_pool);
    watch->own_pool = NULL;
}

enum ks_err ks_watch_go_on(struct ks_pool *pool)
{
    return ks_pool_cancelled(pool) ? ks_fail(KS_ERR_CANCELLED, "cancelled") : KS_OK;
}
