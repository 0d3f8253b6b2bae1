/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flsim_state.h"

#include <math.h>

#include "crypto/digest.h"

#define MAGIC       "ketseal.fl-simulation/1\n"
#define MEMBER_LEN  (4 + 4 + 8 + 2 * KS_FL_HASH_LEN + 3 * 8 + 2 * 8)
#define HEAD_MAX    512
#define FLIGHTS_MAX ((size_t)1 << 21)
#define SUM_MAX     ((uint64_t)72 * KS_FL_MEMBERS_MAX + 4096) /* beside the numbers */

static uint64_t sum_max(size_t params)
{
    return SUM_MAX + 8 * (uint64_t)params;
}

static uint64_t honest_max(size_t params)
{
    return 4 + KS_FLSIM_HONEST * sizeof(double) * (uint64_t)params;
}

uint64_t ks_flsim_state_max(size_t clients, size_t params)
{
    return HEAD_MAX + FLIGHTS_MAX + KS_FL_ROUND_BYTES_MAX + 2 * sum_max(params) +
           honest_max(params) + (MEMBER_LEN + 4) * (uint64_t)clients;
}

enum ks_err ks_flsim_state_init(struct ks_flsim_state *state, size_t clients, size_t params)
{
    *state = (struct ks_flsim_state){.clients = clients};
    ks_buf_init(&state->round, KS_FL_ROUND_BYTES_MAX);
    ks_buf_init(&state->sum, sum_max(params));
    ks_buf_init(&state->controls, sum_max(params));
    ks_buf_init(&state->honest, honest_max(params));
    ks_buf_init(&state->flights, FLIGHTS_MAX);
    state->members = ks_calloc(clients, sizeof *state->members);
    state->turns = ks_calloc(clients, sizeof *state->turns);
    if (state->members == NULL || state->turns == NULL) {
        ks_flsim_state_done(state);
        return ks_fail(KS_ERR_NOMEM, "%zu clients", clients);
    }
    return KS_OK;
}

void ks_flsim_state_done(struct ks_flsim_state *state)
{
    ks_wipe(state->secret, sizeof state->secret);
    ks_buf_done(&state->round);
    ks_buf_done(&state->sum);
    ks_buf_done(&state->controls);
    ks_buf_done(&state->honest);
    ks_buf_done(&state->flights);
    ks_free(state->members);
    ks_free(state->turns);
    *state = (struct ks_flsim_state){0};
}

/* --- writing ------------------------------------------------------------------------------ */

static void put_member(const struct ks_flsim_member *member, struct ks_buf *out)
{
    KS_ASSERT(isfinite(member->norm) && isfinite(member->loss));
    ks_buf_put_u32(out, member->client);
    ks_buf_put_u32(out, member->samples);
    ks_buf_put_u64(out, member->version);
    ks_buf_put(out, KS_BYTES(member->update));
    ks_buf_put(out, KS_BYTES(member->sealed));
    ks_buf_put_u64(out, member->length);
    ks_buf_put_u64(out, member->steps);
    ks_buf_put_u64(out, member->at_us);
    ks_buf_put_double(out, member->norm);
    ks_buf_put_double(out, member->loss);
}

void ks_flsim_state_write(const struct ks_flsim_state *state, struct ks_buf *out)
{
    const size_t start = out->len;

    ks_buf_put_text(out, MAGIC);
    ks_buf_put(out, KS_BYTES(state->plan));
    ks_buf_put(out, KS_BYTES(state->secret));
    ks_buf_put_u64(out, state->ended);
    ks_buf_put_u64(out, state->records_len);
    ks_buf_put(out, KS_BYTES(state->server));
    ks_buf_put(out, KS_BYTES(state->previous));
    ks_buf_put_u64(out, state->began_us);
    ks_buf_put_u32(out, state->refused);
    ks_buf_put_u32(out, state->left);
    ks_buf_put_lp32(out, ks_buf_view(&state->round));
    ks_buf_put_lp32(out, ks_buf_view(&state->sum));
    ks_buf_put_lp32(out, ks_buf_view(&state->controls));
    ks_buf_put_lp32(out, ks_buf_view(&state->honest));
    ks_buf_put_lp32(out, ks_buf_view(&state->flights));
    ks_buf_put_u32(out, (uint32_t)state->members_count);
    for (size_t i = 0; i < state->members_count; i++) {
        put_member(&state->members[i], out);
    }
    ks_buf_put_u32(out, (uint32_t)state->clients);
    for (size_t i = 0; i < state->clients; i++) {
        ks_buf_put_u32(out, state->turns[i]);
    }
    ks_sha256_put_end(out, start);
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err read_part(struct ks_reader *reader, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_bytes part = {0};

    KS_TRY(ks_read_lp32(reader, out->max, &part));
    ks_buf_clear(out);
    ks_buf_put(out, part);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static enum ks_err read_member(struct ks_reader *reader, size_t clients,
                               struct ks_flsim_member *member)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_read_u32(reader, &member->client));
    KS_TRY(ks_read_u32(reader, &member->samples));
    KS_TRY(ks_read_u64(reader, &member->version));
    KS_TRY(ks_read_copy(reader, member->update, sizeof member->update));
    KS_TRY(ks_read_copy(reader, member->sealed, sizeof member->sealed));
    KS_TRY(ks_read_u64(reader, &member->length));
    KS_TRY(ks_read_u64(reader, &member->steps));
    KS_TRY(ks_read_u64(reader, &member->at_us));
    KS_TRY(ks_read_double(reader, &member->norm));
    KS_TRY(ks_read_double(reader, &member->loss));
    KS_CHECK(member->client < clients && member->samples >= 1 && isfinite(member->norm) &&
                 isfinite(member->loss),
             KS_ERR_FORMAT, "simulation: a member that cannot be");
out:
    return err;
}

static enum ks_err read_members(struct ks_reader *reader, struct ks_flsim_state *state)
{
    enum ks_err err = KS_OK;
    uint32_t count = 0;

    KS_TRY(ks_read_u32(reader, &count));
    KS_CHECK(count <= state->clients, KS_ERR_LIMIT, "simulation: %u members of %zu clients",
             count, state->clients);
    for (uint32_t i = 0; i < count; i++) {
        KS_TRY(read_member(reader, state->clients, &state->members[i]));
    }
    state->members_count = count;
    KS_TRY(ks_read_u32(reader, &count));
    KS_CHECK(count == state->clients, KS_ERR_FORMAT, "simulation: of %u clients, not %zu",
             count, state->clients);
    for (uint32_t i = 0; i < count; i++) {
        KS_TRY(ks_read_u32(reader, &state->turns[i]));
    }
out:
    return err;
}

enum ks_err ks_flsim_state_read(struct ks_bytes bytes, struct ks_flsim_state *state)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "simulation");
    struct ks_bytes magic = {0};

    KS_TRY(ks_sha256_check_end(bytes));
    reader.rest.len -= KS_SHA256_LEN;
    KS_TRY(ks_read_bytes(&reader, sizeof MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, MAGIC), KS_ERR_FORMAT, "simulation: not a state of one");
    KS_TRY(ks_read_copy(&reader, state->plan, sizeof state->plan));
    KS_TRY(ks_read_copy(&reader, state->secret, sizeof state->secret));
    KS_TRY(ks_read_u64(&reader, &state->ended));
    KS_TRY(ks_read_u64(&reader, &state->records_len));
    KS_TRY(ks_read_copy(&reader, state->server, sizeof state->server));
    KS_TRY(ks_read_copy(&reader, state->previous, sizeof state->previous));
    KS_TRY(ks_read_u64(&reader, &state->began_us));
    KS_TRY(ks_read_u32(&reader, &state->refused));
    KS_TRY(ks_read_u32(&reader, &state->left));
    KS_TRY(read_part(&reader, &state->round));
    KS_TRY(read_part(&reader, &state->sum));
    KS_TRY(read_part(&reader, &state->controls));
    KS_TRY(read_part(&reader, &state->honest));
    KS_TRY(read_part(&reader, &state->flights));
    KS_TRY(read_members(&reader, state));
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}
