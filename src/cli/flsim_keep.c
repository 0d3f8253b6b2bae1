/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a session leaves in its folder, and takes from there. The state names all else, and is
 * replaced last; what it does not name was not acknowledged. */

#include <stdio.h>

#include "cli/flsim_work.h"
#include "crypto/digest.h"

#define COMMIT_US 10000000 /* of training that a crash may cost */

/* --- slots -------------------------------------------------------------------------------- */

static enum ks_err save(const struct ks_flsim *sim, const char *name, struct ks_buf *bytes)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_buf_check(bytes));
    KS_TRY(sim->spec.fs->write(sim->spec.fs->context, name, ks_buf_view(bytes)));
out:
    return err;
}

/* COUNT numbers and the hash of their bytes. */
static enum ks_err save_numbers(struct ks_flsim *sim, const char *name, const float *values,
                                size_t count)
{
    ks_buf_clear(&sim->scratch);
    ks_buf_put(&sim->scratch, ks_bytes_of(values, count * sizeof *values));
    ks_sha256_put_end(&sim->scratch, 0);
    return save(sim, name, &sim->scratch);
}

static enum ks_err load_numbers(struct ks_flsim *sim, const char *name, float *values,
                                size_t count)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;

    ks_buf_clear(&sim->scratch);
    KS_TRY(ks_fs_load(sim->spec.fs, name, sim->scratch.max, &sim->scratch));
    KS_TRY(ks_sha256_check_end(ks_buf_view(&sim->scratch)));
    reader = ks_reader_of(ks_buf_view(&sim->scratch), name);
    reader.rest.len -= KS_SHA256_LEN;
    KS_TRY(ks_read_copy(&reader, values, count * sizeof *values));
    KS_TRY(ks_read_end(&reader));
out:
    return ks_fail_prefix(err, "%s", name);
}

static void memory_name(size_t client, uint32_t turn, char name[KS_FLSIM_NAME])
{
    (void)snprintf(name, KS_FLSIM_NAME, "client-%zu-%u", client, turn % 2);
}

enum ks_err ks_flsim_memory_load(struct ks_flsim *sim, size_t client)
{
    const size_t count = ks_flsim_memories(sim->plan) * sim->params;
    char name[KS_FLSIM_NAME];

    if (sim->state.turns[client] == 0) {
        ks_zero(sim->memory, count * sizeof *sim->memory);
        return KS_OK;
    }
    memory_name(client, sim->state.turns[client], name);
    return load_numbers(sim, name, sim->memory, count);
}

enum ks_err ks_flsim_memory_save(struct ks_flsim *sim, size_t client)
{
    enum ks_err err = KS_OK;
    char name[KS_FLSIM_NAME];

    memory_name(client, sim->state.turns[client] + 1, name);
    KS_TRY(save_numbers(sim, name, sim->memory, ks_flsim_memories(sim->plan) * sim->params));
    sim->state.turns[client]++;
out:
    return err;
}

/* Slots for all versions that are not too old, and for the one that comes next. */
static void version_name(const struct ks_flsim *sim, uint64_t version, char name[KS_FLSIM_NAME])
{
    const uint64_t slots = (uint64_t)sim->plan->buffer.staleness_max + 2;

    (void)snprintf(name, KS_FLSIM_NAME, "version-%llu", (unsigned long long)(version % slots));
}

enum ks_err ks_flsim_version_load(struct ks_flsim *sim, uint64_t version, float *out_model)
{
    char name[KS_FLSIM_NAME];

    version_name(sim, version, name);
    return load_numbers(sim, name, out_model, sim->params);
}

enum ks_err ks_flsim_server_save(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const unsigned slot = (unsigned)(sim->state.ended % 2);
    char name[KS_FLSIM_NAME];

    ks_buf_clear(&sim->scratch);
    ks_fl_server_write(sim->server, &sim->scratch);
    (void)snprintf(name, sizeof name, "server-%u", slot);
    KS_TRY(save(sim, name, &sim->scratch));
    ks_sha256(ks_buf_view(&sim->scratch), sim->state.server);
    if (sim->center != NULL) {
        (void)snprintf(name, sizeof name, "center-%u", slot);
        KS_TRY(save_numbers(sim, name, sim->center, sim->params));
    }
    if (ks_flsim_is_async(sim->plan)) {
        version_name(sim, sim->state.ended, name);
        KS_TRY(save_numbers(sim, name, ks_fl_server_model(sim->server), sim->params));
    }
out:
    return err;
}

/* --- the state ---------------------------------------------------------------------------- */

/* What is in memory as the bytes that stand for it. */
static enum ks_err gather(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_state *state = &sim->state;

    ks_buf_clear(&state->round);
    ks_buf_clear(&state->sum);
    ks_buf_clear(&state->controls);
    ks_buf_clear(&state->honest);
    ks_buf_clear(&state->flights);
    if (ks_flsim_is_async(sim->plan)) {
        ks_flsim_flights_put(sim, &state->flights);
    }
    if (sim->round != NULL) {
        ks_fl_round_write(sim->round, &state->round);
    } else if (sim->buffer != NULL) {
        ks_fl_buffer_write(sim->buffer, &state->round);
    }
    if (state->began_us > 0 && sim->sum != NULL) {
        ks_fl_accumulator_write(sim->sum, &state->sum);
    }
    if (state->began_us > 0 && sim->controls != NULL) {
        ks_fl_accumulator_write(sim->controls, &state->controls);
    }
    if (state->began_us > 0 && sim->honest != NULL) {
        ks_buf_put_u32(&state->honest, (uint32_t)sim->honest_count);
        ks_buf_put(&state->honest, ks_bytes_of(sim->honest, KS_FLSIM_HONEST * sim->params *
                                                                sizeof *sim->honest));
    }
    KS_TRY(ks_buf_check(&state->round));
    KS_TRY(ks_buf_check(&state->sum));
    KS_TRY(ks_buf_check(&state->controls));
    KS_TRY(ks_buf_check(&state->honest));
    KS_TRY(ks_buf_check(&state->flights));
out:
    return err;
}

enum ks_err ks_flsim_commit(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_fs *fs = sim->spec.fs;

    KS_TRY(gather(sim));
    ks_buf_clear(&sim->scratch);
    ks_flsim_state_write(&sim->state, &sim->scratch);
    KS_TRY(ks_buf_check(&sim->scratch));
    KS_TRY(fs->sync_dir(fs->context)); /* names before that which names them */
    KS_TRY(ks_fs_replace(fs, KS_FLSIM_STATE, ks_buf_view(&sim->scratch)));
    sim->uncommitted = 0;
    sim->committed_us = ks_clock_monotonic_us();
out:
    return err;
}

enum ks_err ks_flsim_commit_some(struct ks_flsim *sim)
{
    return sim->uncommitted >= sim->plan->commit_every ||
                   ks_clock_monotonic_us() - sim->committed_us > COMMIT_US
               ? ks_flsim_commit(sim)
               : KS_OK;
}

/* --- going on ----------------------------------------------------------------------------- */

static enum ks_err load_server(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const unsigned slot = (unsigned)(sim->state.ended % 2);
    struct ks_fl_server *server = NULL;
    uint8_t hash[KS_SHA256_LEN];
    char name[KS_FLSIM_NAME];

    (void)snprintf(name, sizeof name, "server-%u", slot);
    ks_buf_clear(&sim->scratch);
    KS_TRY(ks_fs_load(sim->spec.fs, name, sim->scratch.max, &sim->scratch));
    ks_sha256(ks_buf_view(&sim->scratch), hash);
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(sim->state.server)), KS_ERR_VERIFY,
             "%s is not what the state names", name);
    KS_TRY(ks_fl_server_read(ks_buf_view(&sim->scratch), &server));
    KS_CHECK(ks_fl_server_params(server)->params == sim->params, KS_ERR_VERIFY,
             "%s has another size", name);
    ks_fl_server_free(sim->server);
    sim->server = server;
    if (sim->center != NULL) {
        (void)snprintf(name, sizeof name, "center-%u", slot);
        KS_TRY(load_numbers(sim, name, sim->center, sim->params));
    }
out:
    return err;
}

/* The sum that BYTES stand for, in place of *SUM. */
static enum ks_err load_sum(const struct ks_flsim *sim, const struct ks_buf *bytes,
                            struct ks_fl_accumulator **sum)
{
    enum ks_err err = KS_OK;
    struct ks_fl_accumulator *loaded = NULL;

    KS_CHECK((bytes->len > 0) == (*sum != NULL), KS_ERR_VERIFY,
             "a sum that the plan has no use for, or none");
    if (*sum != NULL) {
        KS_TRY(ks_fl_accumulator_read(ks_buf_view(bytes), sim->plan->wanted, &loaded));
        KS_CHECK(ks_fl_accumulator_params(loaded)->params == sim->params, KS_ERR_VERIFY,
                 "a sum of another size");
        ks_fl_accumulator_free(*sum);
        *sum = loaded;
        loaded = NULL; /* transferred */
    }
out:
    ks_fl_accumulator_free(loaded);
    return err;
}

static enum ks_err load_honest(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader =
        ks_reader_of(ks_buf_view(&sim->state.honest), "the honest changes");
    uint32_t count = 0;

    if (sim->honest != NULL) {
        KS_TRY(ks_read_u32(&reader, &count));
        KS_TRY(ks_read_copy(&reader, sim->honest,
                            KS_FLSIM_HONEST * sim->params * sizeof *sim->honest));
        sim->honest_count = count;
    }
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

static struct ks_fl_subject subject_of(const struct ks_flsim *sim)
{
    return sim->round != NULL ? ks_fl_round_params(sim->round)->subject : ks_flsim_subject(sim);
}

/* The open round's sums, or rows, as they were when the state was made. */
static enum ks_err load_open(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_subject subject = subject_of(sim);

    KS_TRY(ks_flsim_gather_begin(sim, &subject));
    KS_TRY(load_sum(sim, &sim->state.sum, &sim->sum));
    KS_TRY(load_sum(sim, &sim->state.controls, &sim->controls));
    KS_TRY(load_honest(sim));
    for (size_t i = 0; i < sim->state.members_count; i++) {
        sim->uploaded += sim->state.members[i].length;
        KS_TRY(ks_flsim_keeps_rows(sim->plan) ? ks_flsim_replay(sim, i) : KS_OK);
    }
out:
    return err;
}

enum ks_err ks_flsim_load(struct ks_flsim *sim)
{
    enum ks_err err = KS_OK;
    uint8_t plan[KS_SHA256_LEN];

    ks_sha256(sim->plan->text, plan);
    KS_TRY(ks_flsim_state_read(ks_buf_view(&sim->scratch), &sim->state));
    KS_CHECK(ks_bytes_equal(KS_BYTES(plan), KS_BYTES(sim->state.plan)), KS_ERR_CONFLICT,
             "the state is of another simulation: other flags, or other data");
    KS_TRY(load_server(sim));
    KS_TRY(ks_flsim_write_model(sim));
    if (sim->state.round.len > 0 && ks_flsim_is_async(sim->plan)) {
        KS_TRY(ks_fl_buffer_read(ks_buf_view(&sim->state.round), &sim->buffer));
        KS_TRY(ks_flsim_flights_read(sim, ks_buf_view(&sim->state.flights)));
    } else if (sim->state.round.len > 0) {
        KS_TRY(ks_fl_round_read(ks_buf_view(&sim->state.round), &sim->round));
    }
    KS_TRY(sim->state.began_us > 0 ? load_open(sim) : KS_OK);
out:
    return ks_fail_prefix(err, "state folder");
}
