/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/buffered.h"

#include <inttypes.h>
#include <math.h>

#include "crypto/digest.h"
#include "fl/internal.h"

#define MAGIC       "ketseal.fl-buffer/1\n"
#define ARRIVAL_LEN (2 * KS_FL_HASH_LEN + 8)

struct ks_fl_buffer {
    struct ks_fl_buffer_params params;
    uint64_t version;
    size_t count;
    struct ks_fl_arrival *arrivals;
};

uint32_t ks_fl_staleness_weight(enum ks_fl_staleness by, uint32_t staleness)
{
    const double unit = 1 << KS_FL_STALENESS_BITS;
    double weight = unit;

    if (by == KS_FL_STALENESS_ROOT) {
        weight = unit / sqrt(1 + (double)staleness);
    } else if (by == KS_FL_STALENESS_INVERSE) {
        weight = unit / (1 + (double)staleness);
    }
    weight = floor(weight + 0.5);
    return weight < 1 ? 1 : (uint32_t)weight;
}

static enum ks_err check_params(const struct ks_fl_buffer_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->size >= 1 && params->size <= KS_FL_BUFFER_MAX, KS_ERR_LIMIT,
             "buffer: of %u updates, 1 to %d", params->size, KS_FL_BUFFER_MAX);
    KS_CHECK((unsigned)params->by < KS_FL_STALENESSES, KS_ERR_USAGE,
             "buffer: no such weight for staleness");
    KS_CHECK(params->staleness_max <= KS_FL_STALENESS_MAX, KS_ERR_LIMIT,
             "buffer: a staleness of %u, at most %d", params->staleness_max,
             KS_FL_STALENESS_MAX);
out:
    return err;
}

enum ks_err ks_fl_buffer_new(const struct ks_fl_buffer_params *params,
                             struct ks_fl_buffer **out_buffer)
{
    enum ks_err err = KS_OK;
    struct ks_fl_buffer *buffer = NULL;

    KS_TRY(check_params(params));
    buffer = ks_calloc(1, sizeof *buffer);
    KS_CHECK(buffer != NULL, KS_ERR_NOMEM, "buffer: out of memory");
    buffer->params = *params;
    buffer->arrivals = ks_calloc(params->size, sizeof *buffer->arrivals);
    KS_CHECK(buffer->arrivals != NULL, KS_ERR_NOMEM, "buffer: out of memory");
    *out_buffer = buffer;
    buffer = NULL; /* transferred */
out:
    ks_fl_buffer_free(buffer);
    return err;
}

void ks_fl_buffer_free(struct ks_fl_buffer *buffer)
{
    if (buffer != NULL) {
        ks_free(buffer->arrivals);
        ks_free(buffer);
    }
}

const struct ks_fl_buffer_params *ks_fl_buffer_params(const struct ks_fl_buffer *buffer)
{
    return &buffer->params;
}

uint64_t ks_fl_buffer_version(const struct ks_fl_buffer *buffer)
{
    return buffer->version;
}

uint64_t ks_fl_buffer_divisor(const struct ks_fl_buffer *buffer)
{
    return (uint64_t)buffer->params.size << KS_FL_STALENESS_BITS;
}

static const struct ks_fl_arrival *find(const struct ks_fl_buffer *buffer,
                                        const uint8_t client[KS_FL_HASH_LEN])
{
    for (size_t i = 0; i < buffer->count; i++) {
        if (ks_bytes_equal(KS_BYTES(buffer->arrivals[i].member.client),
                           ks_bytes_of(client, KS_FL_HASH_LEN))) {
            return &buffer->arrivals[i];
        }
    }
    return NULL;
}

/* Whether an update from VERSION can still count, and what it then weighs. */
static enum ks_err weigh(const struct ks_fl_buffer *buffer, uint64_t version,
                         uint32_t *out_weight)
{
    enum ks_err err = KS_OK;

    KS_CHECK(version <= buffer->version, KS_ERR_DENIED,
             "buffer: an update from version %" PRIu64 "; the newest is %" PRIu64, version,
             buffer->version);
    KS_CHECK(buffer->version - version <= buffer->params.staleness_max, KS_ERR_DENIED,
             "buffer: an update from version %" PRIu64 "; %" PRIu64 " is the newest and %u "
             "behind it the oldest that counts",
             version, buffer->version, buffer->params.staleness_max);
    *out_weight =
        ks_fl_staleness_weight(buffer->params.by, (uint32_t)(buffer->version - version));
out:
    return err;
}

enum ks_err ks_fl_buffer_accept(struct ks_fl_buffer *buffer,
                                const uint8_t client[KS_FL_HASH_LEN],
                                const uint8_t update[KS_FL_HASH_LEN], uint64_t version,
                                struct ks_fl_member *out_member, bool *out_again)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_arrival *before = find(buffer, client);
    struct ks_fl_arrival arrival = {.version = version};

    ks_copy(arrival.member.client, client, KS_FL_HASH_LEN);
    ks_copy(arrival.member.update, update, KS_FL_HASH_LEN);
    if (before != NULL) {
        KS_CHECK(ks_bytes_equal(KS_BYTES(before->member.update),
                                ks_bytes_of(update, KS_FL_HASH_LEN)) &&
                     before->version == version,
                 KS_ERR_CONFLICT, "buffer: this client has another update in it");
        *out_member = before->member;
        *out_again = true;
        goto out;
    }
    KS_CHECK(buffer->count < buffer->params.size, KS_ERR_CONFLICT,
             "buffer: full, its version is being made");
    KS_TRY(weigh(buffer, version, &arrival.member.weight));
    buffer->arrivals[buffer->count] = arrival;
    buffer->count++;
    *out_member = arrival.member;
    *out_again = false;
out:
    return err;
}

size_t ks_fl_buffer_count(const struct ks_fl_buffer *buffer)
{
    return buffer->count;
}

bool ks_fl_buffer_is_full(const struct ks_fl_buffer *buffer)
{
    return buffer->count == buffer->params.size;
}

const struct ks_fl_arrival *ks_fl_buffer_arrival(const struct ks_fl_buffer *buffer,
                                                 size_t index)
{
    KS_ASSERT(index < buffer->count);
    return &buffer->arrivals[index];
}

enum ks_err ks_fl_buffer_flush(struct ks_fl_buffer *buffer)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_fl_buffer_is_full(buffer), KS_ERR_CONFLICT,
             "buffer: %zu of %u updates are no version", buffer->count, buffer->params.size);
    buffer->count = 0;
    buffer->version++;
out:
    return err;
}

/* --- the membership: docs/formats/fl-buffer.md -------------------------------------------- */

void ks_fl_buffer_write(const struct ks_fl_buffer *buffer, struct ks_buf *out)
{
    const size_t start = out->len;

    ks_buf_put_text(out, MAGIC);
    ks_buf_put(out, KS_BYTES(buffer->params.session));
    ks_buf_put_u32(out, buffer->params.size);
    ks_buf_put_u8(out, (uint8_t)buffer->params.by);
    ks_buf_put_u32(out, buffer->params.staleness_max);
    ks_buf_put_u64(out, buffer->version);
    ks_buf_put_u32(out, (uint32_t)buffer->count);
    for (size_t i = 0; i < buffer->count; i++) {
        ks_buf_put(out, KS_BYTES(buffer->arrivals[i].member.client));
        ks_buf_put(out, KS_BYTES(buffer->arrivals[i].member.update));
        ks_buf_put_u64(out, buffer->arrivals[i].version);
    }
    ks_sha256_put_end(out, start);
}

static enum ks_err read_arrivals(struct ks_reader *reader, uint32_t count,
                                 struct ks_fl_buffer *buffer)
{
    enum ks_err err = KS_OK;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t client[KS_FL_HASH_LEN];
        uint8_t update[KS_FL_HASH_LEN];
        uint64_t version = 0;
        struct ks_fl_member member = {0};
        bool again = false;

        KS_TRY(ks_read_copy(reader, client, sizeof client));
        KS_TRY(ks_read_copy(reader, update, sizeof update));
        KS_TRY(ks_read_u64(reader, &version));
        err = ks_fl_buffer_accept(buffer, client, update, version, &member, &again);
        KS_CHECK(err == KS_OK && !again, KS_ERR_FORMAT,
                 "buffer: update %u cannot have been accepted", i);
    }
out:
    return err;
}

enum ks_err ks_fl_buffer_read(struct ks_bytes bytes, struct ks_fl_buffer **out_buffer)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "buffer");
    struct ks_fl_buffer_params params = {0};
    struct ks_fl_buffer *buffer = NULL;
    struct ks_bytes hash = {0};
    uint8_t by = 0;
    uint64_t version = 0;
    uint32_t count = 0;

    KS_TRY(ks_fl_read_magic(&reader, MAGIC));
    KS_TRY(ks_read_copy(&reader, params.session, sizeof params.session));
    KS_TRY(ks_read_u32(&reader, &params.size));
    KS_TRY(ks_read_u8(&reader, &by));
    KS_TRY(ks_read_u32(&reader, &params.staleness_max));
    KS_TRY(ks_read_u64(&reader, &version));
    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(by < KS_FL_STALENESSES, KS_ERR_FORMAT, "buffer: no such weight for staleness");
    params.by = (enum ks_fl_staleness)by;
    KS_CHECK(reader.rest.len == (uint64_t)count * ARRIVAL_LEN + KS_FL_HASH_LEN, KS_ERR_FORMAT,
             "buffer: not of the length that its head says");
    KS_TRY(ks_fl_buffer_new(&params, &buffer));
    buffer->version = version;
    KS_TRY(read_arrivals(&reader, count, buffer));
    KS_TRY(ks_read_bytes(&reader, KS_FL_HASH_LEN, &hash));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_fail_prefix(ks_sha256_check_end(bytes), "buffer"));
    *out_buffer = buffer;
    buffer = NULL; /* transferred */
out:
    ks_fl_buffer_free(buffer);
    return err;
}
