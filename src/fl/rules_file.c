/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The state of a server rule: docs/formats/fl-server.md. Writer and reader, one beside the
 * other. */

#include "crypto/digest.h"
#include "fl/rules_state.h"

#define MAGIC "ketseal.fl-server/1\n"

_Static_assert(KS_FL_PARAMS_MAX < UINT32_MAX, "a file counts parameters in 32 bits");

void ks_fl_server_write(const struct ks_fl_server *server, struct ks_buf *out)
{
    const size_t start = out->len;
    const struct ks_fl_server_params *params = &server->params;

    ks_buf_put_text(out, MAGIC);
    ks_buf_put_u8(out, (uint8_t)params->rule);
    ks_buf_put_u32(out, (uint32_t)params->params);
    ks_buf_put_double(out, params->rate);
    ks_buf_put_double(out, params->beta1);
    ks_buf_put_double(out, params->beta2);
    ks_buf_put_double(out, params->tau);
    ks_buf_put_u32(out, params->clients);
    ks_buf_put_u64(out, server->steps);
    ks_fl_put_vector(server->model, params->params, out);
    ks_fl_put_vector(server->first, params->params, out);
    ks_fl_put_vector(server->second, params->params, out);
    ks_sha256_put_end(out, start);
}

static enum ks_err read_head(struct ks_reader *reader, struct ks_fl_server_params *params,
                             uint64_t *steps)
{
    enum ks_err err = KS_OK;
    uint8_t rule = 0;
    uint32_t count = 0;

    KS_TRY(ks_fl_read_magic(reader, MAGIC));
    KS_TRY(ks_read_u8(reader, &rule));
    KS_TRY(ks_read_u32(reader, &count));
    KS_TRY(ks_read_double(reader, &params->rate));
    KS_TRY(ks_read_double(reader, &params->beta1));
    KS_TRY(ks_read_double(reader, &params->beta2));
    KS_TRY(ks_read_double(reader, &params->tau));
    KS_TRY(ks_read_u32(reader, &params->clients));
    KS_TRY(ks_read_u64(reader, steps));
    params->rule = (enum ks_fl_server_rule)rule;
    params->params = count;
    err = ks_fl_server_check_params(params);
    if (err == KS_ERR_USAGE) {
        err = KS_ERR_FORMAT; /* the file's, not the caller's */
    }
out:
    return err;
}

/* A second moment is never below 0. */
static enum ks_err check_second(const struct ks_fl_server *server)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; server->second != NULL && i < server->params.params; i++) {
        KS_CHECK(server->second[i] >= 0, KS_ERR_FORMAT, "server: a second moment below 0");
    }
out:
    return err;
}

enum ks_err ks_fl_server_read(struct ks_bytes bytes, struct ks_fl_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "server");
    struct ks_fl_server *server = NULL;
    struct ks_fl_server_params params = {0};
    uint64_t steps = 0;
    uint64_t vectors = 0;
    struct ks_bytes hash = {0};

    KS_TRY(read_head(&reader, &params, &steps));
    vectors = 1u + ks_fl_server_has_first(params.rule) + ks_fl_server_has_second(params.rule);
    KS_CHECK(reader.rest.len == vectors * params.params * sizeof(float) + KS_FL_HASH_LEN,
             KS_ERR_FORMAT, "server: not of the length that its head says");
    KS_TRY(ks_fl_server_alloc(&params, &server));
    server->steps = steps;
    KS_TRY(ks_fl_read_vector(&reader, params.params, server->model));
    KS_TRY(ks_fl_read_vector(&reader, params.params, server->first));
    KS_TRY(ks_fl_read_vector(&reader, params.params, server->second));
    KS_TRY(check_second(server));
    KS_TRY(ks_read_bytes(&reader, KS_FL_HASH_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_fail_prefix(ks_sha256_check_end(bytes), "server"));
    *out_server = server;
    server = NULL; /* transferred */
out:
    ks_fl_server_free(server);
    return err;
}
