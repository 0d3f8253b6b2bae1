/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/state.h"

#include "crypto/digest.h"
#include "fl/rules_state.h"

#define MAGIC          "ketseal.fl-state/1\n"
#define HAS_AGGREGATE  1
#define HAS_SERVER     2
#define HEAD_LEN       (sizeof MAGIC - 1 + KS_FL_SESSION_LEN + 8 + 4 + 1)
#define SERVER_MIN_LEN (20 + 1 + 4 + 4 * 8 + 4 + 8 + KS_FL_HASH_LEN)

uint64_t ks_fl_state_bytes(size_t params, bool aggregate, enum ks_fl_server_rule rule)
{
    const uint64_t vectors = 1u + ks_fl_server_has_first(rule) + ks_fl_server_has_second(rule);
    const uint64_t vector = (uint64_t)params * sizeof(float);

    return HEAD_LEN + (aggregate ? vector : 0) +
           (rule == KS_FL_FEDAVG ? 0 : SERVER_MIN_LEN + vectors * vector) + KS_FL_HASH_LEN;
}

void ks_fl_state_write(const struct ks_fl_state *state, struct ks_buf *out)
{
    const size_t start = out->len;

    KS_ASSERT(state->aggregate != NULL || state->server != NULL);
    ks_buf_put_text(out, MAGIC);
    ks_buf_put(out, KS_BYTES(state->session));
    ks_buf_put_u64(out, state->round);
    ks_buf_put_u32(out, (uint32_t)state->params);
    ks_buf_put_u8(out, (uint8_t)((state->aggregate != NULL ? HAS_AGGREGATE : 0) |
                                 (state->server != NULL ? HAS_SERVER : 0)));
    ks_fl_put_vector(state->aggregate, state->params, out);
    if (state->server != NULL) {
        KS_ASSERT(ks_fl_server_params(state->server)->params == state->params);
        ks_fl_server_write(state->server, out);
    }
    ks_sha256_put_end(out, start);
}

/* The server's file is all between what comes before and the hash. */
static enum ks_err read_server(struct ks_reader *reader, struct ks_fl_state *state)
{
    enum ks_err err = KS_OK;
    struct ks_bytes file = {0};

    KS_CHECK(reader->rest.len >= KS_FL_HASH_LEN, KS_ERR_FORMAT, "state: it is cut short");
    KS_TRY(ks_read_bytes(reader, reader->rest.len - KS_FL_HASH_LEN, &file));
    KS_TRY(ks_fl_server_read(file, &state->server));
    KS_CHECK(ks_fl_server_params(state->server)->rule != KS_FL_FEDAVG &&
                 ks_fl_server_params(state->server)->params == state->params,
             KS_ERR_FORMAT, "state: its server has nothing to remember, or other numbers");
out:
    return err;
}

enum ks_err ks_fl_state_read(struct ks_bytes bytes, size_t params,
                             struct ks_fl_state *out_state)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "state");
    struct ks_fl_state state = {.params = params};
    struct ks_bytes hash = {0};
    uint32_t count = 0;
    uint8_t has = 0;

    KS_TRY(ks_fl_read_magic(&reader, MAGIC));
    KS_TRY(ks_read_copy(&reader, state.session, sizeof state.session));
    KS_TRY(ks_read_u64(&reader, &state.round));
    KS_TRY(ks_read_u32(&reader, &count));
    KS_TRY(ks_read_u8(&reader, &has));
    KS_CHECK(params >= 1 && count == params, KS_ERR_FORMAT, "state: %u numbers, not %zu", count,
             params);
    KS_CHECK(has >= 1 && has <= (HAS_AGGREGATE | HAS_SERVER), KS_ERR_FORMAT, "state: parts %u",
             has);
    if ((has & HAS_AGGREGATE) != 0) {
        KS_CHECK(reader.rest.len >= params * sizeof *state.aggregate + KS_FL_HASH_LEN,
                 KS_ERR_FORMAT, "state: it is cut short");
        state.aggregate = ks_calloc_huge(params, sizeof *state.aggregate);
        KS_CHECK(state.aggregate != NULL, KS_ERR_NOMEM, "state: %zu numbers", params);
        KS_TRY(ks_fl_read_vector(&reader, params, state.aggregate));
    }
    KS_TRY((has & HAS_SERVER) != 0 ? read_server(&reader, &state) : KS_OK);
    KS_TRY(ks_read_bytes(&reader, KS_FL_HASH_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_fail_prefix(ks_sha256_check_end(bytes), "state"));
    *out_state = state;
    state = (struct ks_fl_state){0}; /* transferred */
out:
    ks_fl_state_done(&state);
    return err;
}

void ks_fl_state_done(struct ks_fl_state *state)
{
    ks_free(state->aggregate);
    ks_fl_server_free(state->server);
    state->aggregate = NULL;
    state->server = NULL;
}
