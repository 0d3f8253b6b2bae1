/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/state.h"

#include "enclave/keys.h"

static struct ks_epoch_reached reached_now(const struct ks_enclave_state *state)
{
    struct ks_epoch_reached reached = {.keys = state->keys_sealed};

    ks_copy(reached.policy, state->policy, sizeof reached.policy);
    if (state->journal != NULL) {
        reached.journal = *ks_journal_reached(state->journal);
    }
    if (state->heads != NULL) {
        reached.head = *ks_head_log_last(state->heads);
    }
    if (state->registry != NULL) {
        reached.devices = *ks_registry_reached(state->registry);
    }
    if (state->rounds != NULL) {
        reached.rounds = *ks_rounds_reached(state->rounds);
    }
    return reached;
}

static enum ks_err write_epoch(struct ks_enclave_state *state)
{
    const struct ks_epoch_reached reached = reached_now(state);

    return ks_epoch_write(state->epoch, &reached);
}

bool ks_enclave_state_moved(const struct ks_enclave_state *state)
{
    const struct ks_epoch_reached reached = reached_now(state);

    return !ks_epoch_is(state->epoch, &reached);
}

enum ks_err ks_enclave_state_count(struct ks_enclave_state *state)
{
    return ks_enclave_state_moved(state) ? write_epoch(state) : KS_OK;
}

/* What is being opened. */
struct opening {
    const struct ks_fs *fs;
    const struct ks_vault *vault;
    const struct ks_state_spec *spec;
    struct ks_seeds *seeds;
    struct ks_keys_found found;
    struct ks_bytes master; /* of journal, heads, epoch */
};

/* KS_OK for ERR where it is to be accepted, once; remembers why. */
static enum ks_err forgive(const struct opening *opening, struct ks_enclave_state *state,
                           enum ks_err err)
{
    if (err != KS_ERR_VERIFY || !opening->spec->accept_rollback) {
        return err;
    }
    if (state->forgiven[0] == '\0') {
        ks_copy(state->forgiven, ks_err_detail(), sizeof state->forgiven);
    }
    return KS_OK;
}

/* New keys are durable only after the epoch of them is: keys without one are older than their
 * epoch. */
static enum ks_err make_keys(const struct opening *opening, struct ks_enclave_state *state)
{
    enum ks_err err = KS_OK;

    state->keys_sealed = 1;
    KS_TRY(write_epoch(state));
    KS_TRY(ks_keys_store(opening->fs, opening->vault, opening->seeds, state->keys_sealed));
out:
    return err;
}

static enum ks_err open_epoch(struct opening *opening, struct ks_enclave_state *state)
{
    enum ks_err err = KS_OK;
    const struct ks_epoch_options options = {
        .start = state->opened == KS_STATE_MADE     ? KS_EPOCH_NEW
                 : state->opened == KS_STATE_SEALED ? KS_EPOCH_UNSEALED
                                                    : KS_EPOCH_SEALED,
        .forgive = opening->spec->accept_rollback,
    };
    uint64_t sealed = 0;

    KS_TRY(ks_epoch_open(opening->fs, opening->vault, opening->master, &options,
                         state->forgiven, &state->epoch));
    ks_copy(state->policy_before, ks_epoch_reached(state->epoch)->policy,
            sizeof state->policy_before);
    sealed = ks_epoch_reached(state->epoch)->keys;
    if (state->keys_sealed < sealed) {
        err = ks_fail(KS_ERR_VERIFY,
                      "enclave keys: an older file was put back: sealed %llu times, %llu times "
                      "already" KS_ROLLBACK_REMEDY,
                      (unsigned long long)state->keys_sealed, (unsigned long long)sealed);
        KS_TRY(forgive(opening, state, err));
        state->keys_sealed = sealed;
        opening->found.again = true; /* into a file that is newer than that */
    }
out:
    return err;
}

static enum ks_err open_logs(const struct opening *opening, struct ks_enclave_state *state)
{
    enum ks_err err = KS_OK;
    const struct ks_epoch_reached reached = *ks_epoch_reached(state->epoch);

    err = ks_journal_open(opening->fs, opening->master, opening->spec->now_s, &reached.journal,
                          &state->journal);
    if (err == KS_ERR_VERIFY && opening->spec->accept_rollback) {
        (void)forgive(opening, state, err);
        err = ks_journal_open(opening->fs, opening->master, opening->spec->now_s, NULL,
                              &state->journal);
    }
    KS_TRY(err);
    err = ks_head_log_open(opening->fs, opening->master, &reached.head, &state->heads);
    if (err == KS_ERR_VERIFY && opening->spec->accept_rollback) {
        (void)forgive(opening, state, err);
        err = ks_head_log_open(opening->fs, opening->master, NULL, &state->heads);
    }
    KS_TRY(err);
    err = ks_registry_open(opening->fs, opening->master, opening->spec->now_s * 1000000,
                           &reached.devices, &state->registry);
    if (err == KS_ERR_VERIFY && opening->spec->accept_rollback) {
        (void)forgive(opening, state, err);
        err = ks_registry_open(opening->fs, opening->master, opening->spec->now_s * 1000000,
                               NULL, &state->registry);
    }
    KS_TRY(err);
    err = ks_rounds_open(opening->fs, opening->master, &reached.rounds, &state->rounds);
    if (err == KS_ERR_VERIFY && opening->spec->accept_rollback) {
        (void)forgive(opening, state, err);
        err = ks_rounds_open(opening->fs, opening->master, NULL, &state->rounds);
    }
    KS_TRY(err);
out:
    return err;
}

static enum ks_err open_all(struct opening *opening, struct ks_enclave_state *state)
{
    enum ks_err err = KS_OK;

    err = ks_keys_load(opening->fs, opening->vault, opening->spec->extra, opening->seeds,
                       &opening->found);
    if (err == KS_ERR_NOT_FOUND) {
        KS_TRY(ks_keys_make(opening->fs, opening->spec->extra, opening->seeds));
        state->opened = KS_STATE_MADE;
    } else {
        KS_TRY(err);
        state->keys_sealed = opening->found.sealed;
        state->opened = opening->found.sealed == 0 ? KS_STATE_SEALED
                        : opening->found.again     ? KS_STATE_RESEALED
                                                   : KS_STATE_AS_IT_WAS;
    }
    KS_TRY(open_epoch(opening, state));
    if (state->opened == KS_STATE_MADE) {
        KS_TRY(make_keys(opening, state));
    }
    KS_TRY(open_logs(opening, state));
    KS_TRY(write_epoch(state));
    if (opening->found.again) {
        KS_TRY(
            ks_keys_store(opening->fs, opening->vault, opening->seeds, state->keys_sealed + 1));
        state->keys_sealed++;
        KS_TRY(write_epoch(state));
    }
    KS_TRY(ks_keys_open(opening->seeds, &state->keys));
    KS_CHECK(!opening->spec->accept_rollback || state->forgiven[0] != '\0', KS_ERR_USAGE,
             "--insecure-accept-rollback: nothing was put back; start without it");
out:
    return err;
}

enum ks_err ks_enclave_state_open(const struct ks_fs *fs, const struct ks_vault *vault,
                                  const struct ks_state_spec *spec,
                                  struct ks_enclave_state *out_state)
{
    enum ks_err err = KS_OK;
    struct ks_secret_pages pages = {0};
    struct opening opening = {.fs = fs, .vault = vault, .spec = spec};
    struct ks_enclave_state state = {0};

    KS_TRY(ks_secret_pages_init(&pages, sizeof *opening.seeds));
    opening.seeds = pages.data;
    opening.master = KS_BYTES(opening.seeds->seed[KS_SEED_JOURNAL]);
    state.hidden_seeds = pages.hidden;
    ks_copy(state.policy, spec->policy, sizeof state.policy);
    KS_TRY(open_all(&opening, &state));
    *out_state = state;
    state = (struct ks_enclave_state){0}; /* transferred */
out:
    ks_secret_pages_done(&pages);
    ks_enclave_state_close(&state);
    return err;
}

void ks_enclave_state_close(struct ks_enclave_state *state)
{
    ks_epoch_close(state->epoch);
    ks_head_log_close(state->heads);
    ks_registry_close(state->registry);
    ks_rounds_close(state->rounds);
    ks_journal_close(state->journal);
    ks_enclave_keys_done(&state->keys);
    *state = (struct ks_enclave_state){0};
}
