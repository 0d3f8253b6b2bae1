/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Updates sealed to a round, checkpoints sealed outside the enclave, files of global models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/tensors.h"
#include "crypto/digest.h"
#include "fl/model.h"
#include "fl/seal.h"

static const struct ks_fl_subject subject = {
    .session = {1}, .round = 2, .parent = {3}, .shape = {4}, .params = 5};
static const uint8_t ciphertext[1088] = {9};

static void key_of(const struct ks_fl_subject *about, const char *client,
                   struct ks_bytes kem_ciphertext, uint8_t out_key[KS_AEAD_KEY_LEN])
{
    struct ks_secret shared = {.data = {7, 8}, .len = 32};

    assert_int_equal(
        ks_fl_seal_key(&shared, kem_ciphertext, about, ks_bytes_text(client), out_key), KS_OK);
}

/* By the primitives of RFC 5869 as they stand in docs/formats/fl-sealed.md. */
static void test_key_is_the_format(void **state)
{
    const struct ks_bytes salt_parts[] = {KS_LITERAL("ketseal/fl-seal-salt/1\n"),
                                          KS_BYTES(ciphertext)};
    struct ks_secret shared = {.data = {7, 8}, .len = 32};
    struct ks_buf info;
    uint8_t hash[32];
    uint8_t salt[32];
    uint8_t want[32];
    uint8_t key[32];

    (void)state;
    ks_buf_init(&info, 256);
    ks_buf_put_text(&info, "ketseal/fl-seal-key/1\n");
    ks_fl_update_context(&subject, hash);
    ks_buf_put(&info, KS_BYTES(hash));
    ks_fl_client_id(KS_LITERAL("edge_01"), hash);
    ks_buf_put(&info, KS_BYTES(hash));
    ks_sha256_parts(salt_parts, 2, salt);
    assert_int_equal(ks_hkdf_sha256(ks_secret_view(&shared), KS_BYTES(salt), ks_buf_view(&info),
                                    want, sizeof want),
                     KS_OK);
    key_of(&subject, "edge_01", KS_BYTES(ciphertext), key);
    assert_memory_equal(key, want, sizeof want);
    ks_buf_done(&info);
}

static void test_keys_differ(void **state)
{
    struct ks_fl_subject other[4] = {subject, subject, subject, subject};
    static const uint8_t other_ciphertext[1088] = {8};
    uint8_t keys[7][KS_AEAD_KEY_LEN];

    (void)state;
    other[0].round++;
    other[1].parent[0]++;
    other[2].session[0]++;
    other[3].shape[0]++;
    key_of(&subject, "edge_01", KS_BYTES(ciphertext), keys[0]);
    key_of(&subject, "edge_02", KS_BYTES(ciphertext), keys[1]);
    key_of(&subject, "edge_01", KS_BYTES(other_ciphertext), keys[2]);
    for (size_t i = 0; i < 4; i++) {
        key_of(&other[i], "edge_01", KS_BYTES(ciphertext), keys[3 + i]);
    }
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(keys[i], keys[j], sizeof keys[i]);
        }
    }
}

static void test_sealed_update(void **state)
{
    static const uint8_t key[KS_AEAD_KEY_LEN] = {1};
    static const uint8_t other_key[KS_AEAD_KEY_LEN] = {2};
    static const uint8_t nonce[KS_AEAD_NONCE_LEN] = {3};
    const struct ks_bytes update = KS_LITERAL("what was learnt");
    struct ks_bytes said = {0};
    struct ks_buf sealed;
    struct ks_buf kept;
    struct ks_buf open;

    (void)state;
    ks_buf_init(&sealed, 4096);
    ks_buf_init(&kept, 4096);
    ks_buf_init(&open, 4096);
    assert_int_equal(ks_fl_seal(key, ciphertext, update, &sealed), KS_OK);
    assert_int_equal(sealed.len, update.len + KS_FL_SEALED_OVERHEAD);
    assert_int_equal(
        ks_fl_sealed_ciphertext(ks_bytes_of(sealed.data, KS_FL_SEALED_HEAD_LEN), &said), KS_OK);
    assert_true(ks_bytes_equal(said, KS_BYTES(ciphertext)));
    assert_int_equal(ks_fl_sealed_ciphertext(ks_buf_view(&sealed), &said), KS_ERR_FORMAT);
    assert_int_equal(
        ks_fl_sealed_ciphertext(ks_bytes_of(sealed.data, KS_FL_SEALED_HEAD_LEN - 1), &said),
        KS_ERR_FORMAT);
    assert_int_equal(ks_fl_unseal(other_key, ks_buf_view(&sealed), &open), KS_ERR_VERIFY);
    assert_int_equal(ks_fl_unseal(key, ks_buf_view(&sealed), &open), KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&open), update));
    ks_buf_clear(&open);
    assert_int_equal(ks_fl_checkpoint_seal(key, nonce, update, &kept), KS_OK);
    assert_int_equal(kept.len, update.len + KS_FL_CHECKPOINT_OVERHEAD);
    assert_int_equal(ks_fl_checkpoint_unseal(other_key, ks_buf_view(&kept), &open),
                     KS_ERR_VERIFY);
    assert_int_equal(ks_fl_checkpoint_unseal(key, ks_buf_view(&kept), &open), KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&open), update));
    ks_buf_clear(&open);
    /* neither is the other */
    assert_int_equal(ks_fl_unseal(key, ks_buf_view(&kept), &open), KS_ERR_FORMAT);
    assert_int_equal(ks_fl_checkpoint_unseal(key, ks_buf_view(&sealed), &open), KS_ERR_FORMAT);
    for (size_t i = 0; i < sealed.len; i++) {
        const bool of_key = i >= 20 && i < KS_FL_SEALED_HEAD_LEN; /* these give another key */

        sealed.data[i] ^= 1;
        assert_true(of_key || ks_fl_unseal(key, ks_buf_view(&sealed), &open) != KS_OK);
        assert_int_not_equal(ks_fl_unseal(key, ks_bytes_of(sealed.data, i), &open), KS_OK);
        sealed.data[i] ^= 1;
    }
    for (size_t i = 0; i < kept.len; i++) {
        kept.data[i] ^= 1;
        assert_int_not_equal(ks_fl_checkpoint_unseal(key, ks_buf_view(&kept), &open), KS_OK);
        assert_int_not_equal(ks_fl_checkpoint_unseal(key, ks_bytes_of(kept.data, i), &open),
                             KS_OK);
        kept.data[i] ^= 1;
    }
    assert_int_equal(open.len, 0);
    ks_buf_done(&sealed);
    ks_buf_done(&kept);
    ks_buf_done(&open);
}

/* --- models ------------------------------------------------------------------------------- */

static const float weights[6] = {1, 2, 3, 4, 5, 6};
static const float biases[2] = {-1, 0.5f};

static void write_file(enum ks_dtype dtype, const float *first, uint64_t side,
                       struct ks_buf *out)
{
    const struct ks_tensor tensors[] = {
        {.name = KS_LITERAL("fc.weight"),
         .dtype = KS_DTYPE_F32,
         .dims = 2,
         .shape = {side, 6 / side},
         .data = ks_tensor_data(first, 6)},
        {.name = KS_LITERAL("fc.bias"),
         .dtype = dtype,
         .dims = 1,
         .shape = {2},
         .data = dtype == KS_DTYPE_F32 ? ks_tensor_data(biases, 2) : KS_LITERAL("\0\0\0\0")},
    };
    const struct ks_tensor_meta meta = {KS_LITERAL("ketseal.card"), KS_LITERAL("{}")};

    ks_buf_init(out, 4096);
    ks_tensors_write(tensors, 2, &meta, 1, out);
    assert_int_equal(ks_buf_check(out), KS_OK);
}

static void test_model_file(void **state)
{
    /* of a table by hand: lp16 name, sides */
    static const char table[] = "ketseal/fl-shape/1\n"
                                "\0\x09"
                                "fc.weight\x02"
                                "\0\0\0\0\0\0\0\x02"
                                "\0\0\0\0\0\0\0\x03"
                                "\0\x07"
                                "fc.bias\x01"
                                "\0\0\0\0\0\0\0\x02";
    struct ks_fl_model model;
    struct ks_fl_model again;
    struct ks_buf file;
    struct ks_buf fresh;
    uint8_t hash[32];
    float values[8];

    (void)state;
    write_file(KS_DTYPE_F32, weights, 2, &file);
    ks_buf_init(&fresh, 4096);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 8, &model), KS_OK);
    assert_int_equal(model.params, 8);
    ks_sha256(ks_bytes_of(table, sizeof table - 1), hash);
    assert_memory_equal(model.shape, hash, sizeof hash);
    ks_sha256(ks_buf_view(&file), hash);
    assert_memory_equal(model.hash, hash, sizeof hash);
    ks_fl_model_values(&model, values);
    assert_memory_equal(values, weights, sizeof weights);
    assert_memory_equal(values + 6, biases, sizeof biases);
    ks_fl_model_write(&model, values, &fresh);
    assert_true(ks_bytes_equal(ks_buf_view(&fresh), ks_buf_view(&file)));
    values[0] = 9;
    ks_buf_clear(&fresh);
    ks_fl_model_write(&model, values, &fresh);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&fresh), 8, &again), KS_OK);
    assert_memory_equal(again.shape, model.shape, sizeof model.shape);
    assert_memory_not_equal(again.hash, model.hash, sizeof model.hash);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 7, &model), KS_ERR_LIMIT);
    ks_buf_done(&file);
    write_file(KS_DTYPE_F32, weights, 3, &file);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 8, &again), KS_OK);
    assert_memory_not_equal(again.shape, model.shape, sizeof model.shape);
    ks_buf_done(&file);
    ks_buf_done(&fresh);
}

static void test_model_refused(void **state)
{
    float broken[6] = {1, 2, NAN, 4, 5, 6};
    struct ks_fl_model model;
    struct ks_buf file;

    (void)state;
    write_file(KS_DTYPE_F16, weights, 2, &file);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 8, &model), KS_ERR_FORMAT);
    assert_non_null(strstr(ks_err_detail(), "'fc.bias' is of F16"));
    ks_buf_done(&file);
    write_file(KS_DTYPE_F32, broken, 2, &file);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 8, &model), KS_ERR_FORMAT);
    broken[2] = INFINITY;
    ks_buf_done(&file);
    write_file(KS_DTYPE_F32, broken, 2, &file);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 8, &model), KS_ERR_FORMAT);
    for (size_t i = 0; i < file.len; i++) {
        assert_int_not_equal(ks_fl_model_read(ks_bytes_of(file.data, i), 8, &model), KS_OK);
    }
    ks_buf_clear(&file);
    ks_tensors_write(NULL, 0, NULL, 0, &file);
    assert_int_equal(ks_fl_model_read(ks_buf_view(&file), 8, &model), KS_ERR_FORMAT);
    ks_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_is_the_format), cmocka_unit_test(test_keys_differ),
        cmocka_unit_test(test_sealed_update),     cmocka_unit_test(test_model_file),
        cmocka_unit_test(test_model_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
