/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Every message of ETSI GS QKD 014, chosen by the first byte: what is accepted is written, read
 * again, and is the same. */
#include "qkd/etsi014.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(void (*put)(struct ks_buf *out, const void *value), const void *value,
                  struct ks_buf *out)
{
    ks_buf_init(out, KS_ETSI014_ANSWER_MAX);
    put(out, value);
    KS_ASSERT(ks_buf_check(out) == KS_OK);
}

static void put_request(struct ks_buf *out, const void *value)
{
    ks_etsi014_request_put(out, value);
}

static void put_status(struct ks_buf *out, const void *value)
{
    ks_etsi014_status_put(out, value);
}

static void put_ids(struct ks_buf *out, const void *value)
{
    const struct ks_etsi014_ids *ids = value;

    ks_etsi014_ids_put(out, ids->ids, ids->count);
}

static void fuzz_request(struct ks_bytes text, bool query)
{
    struct ks_etsi014_request request;
    struct ks_etsi014_request same;
    struct ks_buf out;

    if ((query ? ks_etsi014_request_parse_query(text, &request)
               : ks_etsi014_request_parse(text, &request)) == KS_OK) {
        again(put_request, &request, &out);
        KS_ASSERT(ks_etsi014_request_parse(ks_buf_view(&out), &same) == KS_OK);
        KS_ASSERT(same.number == request.number && same.size == request.size &&
                  same.saes == request.saes);
        ks_buf_done(&out);
    }
}

static void fuzz_status(struct ks_bytes text)
{
    struct ks_etsi014_status status;
    struct ks_etsi014_status same;
    struct ks_buf out;

    if (ks_etsi014_status_parse(text, &status) == KS_OK) {
        again(put_status, &status, &out);
        KS_ASSERT(ks_etsi014_status_parse(ks_buf_view(&out), &same) == KS_OK);
        KS_ASSERT(ks_bytes_equal(ks_bytes_of(&status, sizeof status),
                                 ks_bytes_of(&same, sizeof same)));
        ks_buf_done(&out);
    }
}

static void fuzz_ids(struct ks_bytes text, bool query)
{
    struct ks_etsi014_ids ids;
    struct ks_etsi014_ids same;
    struct ks_buf out;

    if ((query ? ks_etsi014_ids_parse_query(text, &ids) : ks_etsi014_ids_parse(text, &ids)) ==
        KS_OK) {
        again(put_ids, &ids, &out);
        KS_ASSERT(ks_etsi014_ids_parse(ks_buf_view(&out), &same) == KS_OK);
        KS_ASSERT(same.count == ids.count);
        ks_buf_done(&out);
    }
}

static void fuzz_container(struct ks_bytes text, size_t number)
{
    const struct ks_etsi014_wanted wanted = {.number = number, .size = 64};
    struct ks_etsi014_key keys[3];
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_NONE;
    const enum ks_err err = ks_etsi014_container_parse(text, &wanted, keys, &fault);

    KS_ASSERT((err == KS_ERR_FORMAT) == (fault != KS_ETSI014_FAULT_NONE));
    for (size_t i = 0; i < number && err == KS_OK; i++) {
        KS_ASSERT(keys[i].len == 8);
        KS_ASSERT(i == 0 || !ks_etsi014_id_equal(&keys[i].id, &keys[0].id));
    }
}

static void fuzz_path(struct ks_bytes text)
{
    struct ks_etsi014_sae sae;
    struct ks_etsi014_sae same;
    enum ks_etsi014_method method = KS_ETSI014_STATUS;
    enum ks_etsi014_method again_method = KS_ETSI014_STATUS;
    struct ks_buf out;

    if (ks_etsi014_path_parse(text, &sae, &method) == KS_OK) {
        ks_buf_init(&out, KS_ETSI014_TARGET_MAX);
        ks_etsi014_path_put(&out, &sae, method);
        KS_ASSERT(ks_buf_check(&out) == KS_OK);
        KS_ASSERT(ks_etsi014_path_parse(ks_buf_view(&out), &same, &again_method) == KS_OK);
        KS_ASSERT(ks_bytes_is(ks_bytes_text(sae.text), same.text) && method == again_method);
        ks_buf_done(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_etsi014_error error;
    struct ks_bytes text = {0};

    if (size == 0) {
        return 0;
    }
    text = ks_bytes_of(data + 1, size - 1);
    switch (data[0]) {
    case 'r':
    case 'q':
        fuzz_request(text, data[0] == 'q');
        break;
    case 's':
        fuzz_status(text);
        break;
    case 'i':
    case 'j':
        fuzz_ids(text, data[0] == 'j');
        break;
    case '1':
    case '2':
    case '3':
        fuzz_container(text, (size_t)(data[0] - '0'));
        break;
    case 'p':
        fuzz_path(text);
        break;
    default:
        if (ks_etsi014_error_parse(400, text, &error) == KS_OK) {
            KS_ASSERT(ks_etsi014_refusal_status(error.refusal) == 400);
        }
        break;
    }
    return 0;
}
