/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The request for one-time keys and its answer, each under one fixed key: only what that key
 * signed is accepted, so what passes was written by us. */
#include "record/job.h"

#include "fixed_key.h"

#define SEED_FIRST 0x11 /* as the device of tests/unit/record_fixture.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ks_verify_key *key; /* lives as long as the program */
    static const uint8_t asked[32] = {1, 2, 3};
    const struct ks_bytes document = ks_bytes_of(data, size);
    struct ks_keys_request request;
    struct ks_keys_answer answer;
    struct ks_buf kem_public;
    struct ks_buf device;
    uint8_t digest[32];

    if (key == NULL) {
        key = fixed_key(KS_SIG_MLDSA65, SEED_FIRST);
    }
    ks_buf_init(&kem_public, KS_KEM_PUBLIC_LEN);
    ks_buf_init(&device, KS_DEVICE_ID_MAX);
    if (ks_keys_request_read(document, key, &kem_public, &device, &request, digest) == KS_OK) {
        KS_ASSERT(request.count >= 1 && request.count <= KS_KEYS_PER_REQUEST_MAX);
        KS_ASSERT(request.kem_public.len == KS_KEM_PUBLIC_LEN);
        KS_ASSERT(ks_text_is_name(request.device, KS_DEVICE_ID_MAX));
    }
    if (ks_keys_answer_read(document, key, asked, &answer) == KS_OK) {
        KS_ASSERT(answer.count >= 1 && answer.count <= KS_KEYS_PER_REQUEST_MAX);
    }
    ks_buf_done(&kem_public);
    ks_buf_done(&device);
    return 0;
}
