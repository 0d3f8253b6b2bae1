/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* TPMT_PUBLIC of an endorsement key: what passes can be given a credential, or is no point of
 * its curve. */
#include "attest/credential.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t random[KS_CREDENTIAL_RANDOM_LEN] = {1};
    static const uint8_t name[KS_AK_NAME_LEN] = {0, 0x0b};
    struct ks_ek_public ek;
    struct ks_buf id_object;
    struct ks_buf encrypted;

    if (ks_ek_public_parse(ks_bytes_of(data, size), &ek) != KS_OK) {
        return 0;
    }
    const struct ks_credential_spec spec = {
        .ak_name = KS_BYTES(name),
        .secret = KS_LITERAL("secret"),
        .random = KS_BYTES(random),
    };
    ks_buf_init(&id_object, KS_CREDENTIAL_ID_OBJECT_MAX);
    ks_buf_init(&encrypted, KS_CREDENTIAL_SECRET_BLOB_MAX);
    const bool ok = ks_credential_make(&ek, &spec, &id_object, &encrypted) == KS_OK;
    KS_ASSERT(ok == (id_object.len > 0) && ok == (encrypted.len > 0));
    ks_buf_done(&id_object);
    ks_buf_done(&encrypted);
    return 0;
}
