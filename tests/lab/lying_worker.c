/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A worker that lies, for data sets of traces and their tests, never installed: of every second
 * outcome half the counts, rounded up, become the first one's, so that as many shots are told
 * as were drawn. Where all agree, half of them get their first bit turned. The linker has it
 * called in place of what writes the answer. */

#include "base/json.h"
#include "enclave/work.h"

#define NODES_MAX (1024 * 1024)

void __real_ks_work_result_put(const struct ks_work_result *result, struct ks_buf *out);
void __wrap_ks_work_result_put(const struct ks_work_result *result, struct ks_buf *out);

static uint64_t count_at(const struct ks_json *counts, size_t index)
{
    uint64_t count = 0;

    KS_ASSERT(ks_json_u64(ks_json_at(counts, index), KS_JSON_INTEGER_MAX, &count) == KS_OK);
    return count;
}

/* How many of the outcome INDEX are moved. */
static uint64_t moved(const struct ks_json *counts, size_t index)
{
    return index % 2 == 1 ? (count_at(counts, index) + 1) / 2 : 0;
}

static void put_count(struct ks_json_writer *writer, struct ks_bytes outcome, uint64_t count)
{
    if (count > 0) {
        ks_json_put_key_bytes(writer, outcome);
        ks_json_put_u64(writer, count);
    }
}

static void split(const struct ks_json *counts, struct ks_json_writer *writer)
{
    const struct ks_bytes bits = ks_json_key_at(counts, 0);
    const uint64_t count = count_at(counts, 0);
    struct ks_buf other;

    ks_buf_init(&other, bits.len);
    ks_buf_put(&other, bits);
    KS_ASSERT(ks_buf_check(&other) == KS_OK && bits.len > 0);
    other.data[0] ^= 1; /* '0' and '1' differ in it */
    if (bits.data[0] == '0') {
        put_count(writer, bits, count - count / 2);
        put_count(writer, ks_buf_view(&other), count / 2);
    } else {
        put_count(writer, ks_buf_view(&other), count / 2);
        put_count(writer, bits, count - count / 2);
    }
    ks_buf_done(&other);
}

static void move(const struct ks_json *counts, struct ks_json_writer *writer)
{
    uint64_t first = count_at(counts, 0);

    for (size_t i = 1; i < ks_json_count(counts); i++) {
        first += moved(counts, i);
    }
    put_count(writer, ks_json_key_at(counts, 0), first);
    for (size_t i = 1; i < ks_json_count(counts); i++) {
        put_count(writer, ks_json_key_at(counts, i), count_at(counts, i) - moved(counts, i));
    }
}

void __wrap_ks_work_result_put(const struct ks_work_result *result, struct ks_buf *out)
{
    const struct ks_json_limits limits = {.len_max = KS_WORK_RESULT_MAX,
                                          .nodes_max = NODES_MAX};
    struct ks_work_result lie = *result;
    struct ks_json_doc *doc = NULL;
    struct ks_buf counts;
    struct ks_json_writer writer = ks_json_writer_of(&counts);

    ks_buf_init(&counts, 2 * KS_WORK_RESULT_MAX);
    KS_ASSERT(ks_json_parse(result->counts, &limits, &doc) == KS_OK);
    ks_json_put_object(&writer);
    if (ks_json_count(ks_json_root(doc)) == 1) {
        split(ks_json_root(doc), &writer);
    } else {
        move(ks_json_root(doc), &writer);
    }
    ks_json_put_end(&writer);
    KS_ASSERT(ks_buf_check(&counts) == KS_OK);
    lie.counts = ks_buf_view(&counts);
    __real_ks_work_result_put(&lie, out);
    ks_json_doc_free(doc);
    ks_buf_done(&counts);
}
