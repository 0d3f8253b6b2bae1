/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Arithmetic of src/qkd against slow and obvious forms of the same: libm, bit by bit products,
 * the Toeplitz matrix written out, RFC 8439's block. */

#include <math.h>

#include "qkd/auth.h"
#include "qkd/random.h"
#include "qkd/real.h"
#include "qkd/toeplitz.h"
#include "unit/expect.h"

static struct ks_qkd_stream stream_of(uint8_t seed)
{
    const uint8_t bytes[KS_QKD_KEY_LEN] = {seed};
    const struct ks_qkd_key key = ks_qkd_key_of(bytes);
    struct ks_qkd_stream stream;

    ks_qkd_stream_init(&stream, &key, KS_QKD_USE_CHANNEL);
    return stream;
}

/* RFC 8439 §A.1, test vectors 1 and 2: key and nonce 0, where our arrangement of the counter is
 * the RFC's. */
static void test_chacha(void **state)
{
    (void)state;
    static const uint32_t zero[] = {0xade0b876, 0x903df1a0, 0xe56a5d40, 0x28bd8653};
    static const uint32_t one[] = {0xbee7079f, 0x7a385155, 0x7c97ba98, 0x0d082d73};
    const struct ks_qkd_key key = {{0}};
    const uint64_t counters[KS_QKD_LANES] = {0, 1, UINT64_MAX, 0, 1};
    uint32_t want[KS_QKD_LANES][KS_QKD_WORDS];

    ks_qkd_blocks_portable(&key, (enum ks_qkd_use)0, counters, want);
    assert_memory_equal(want[0], zero, sizeof zero);
    assert_memory_equal(want[1], one, sizeof one);
    assert_memory_equal(want[3], want[0], sizeof want[0]);
    assert_memory_equal(want[4], want[1], sizeof want[1]);
    assert_memory_not_equal(want[2], want[0], sizeof want[0]);
    for (const struct ks_qkd_blocks_choice *choice = ks_qkd_blocks_choices;
         choice->name != NULL; choice++) {
        uint32_t words[KS_QKD_LANES][KS_QKD_WORDS];

        if (choice->usable()) {
            choice->blocks(&key, (enum ks_qkd_use)0, counters, words);
            assert_memory_equal(words, want, sizeof want);
        }
    }
}

static void test_streams(void **state)
{
    (void)state;
    struct ks_qkd_stream stream = stream_of(1);
    unsigned counts[7] = {0};
    double sum = 0.0;

    for (unsigned i = 0; i < 70000; i++) {
        counts[ks_qkd_stream_below(&stream, 7)]++;
    }
    for (unsigned i = 0; i < 7; i++) {
        assert_true(counts[i] > 9500 && counts[i] < 10500); /* 5 sigma are 463 */
    }
    for (unsigned i = 0; i < 100000; i++) {
        const double unit = ks_qkd_stream_unit(&stream);

        assert_true(unit > 0.0 && unit <= 1.0);
        sum += unit;
    }
    assert_true(fabs(sum / 100000 - 0.5) < 0.005);
}

static double relative(double a, double b)
{
    return fabs(a - b) / fabs(b);
}

static void test_reals(void **state)
{
    (void)state;
    struct ks_qkd_stream stream = stream_of(2);

    assert_true(ks_real_ln(1.0) == 0.0 && ks_real_exp(0.0) == 1.0);
    for (unsigned i = 0; i < 200000; i++) {
        const double unit = ks_qkd_stream_unit(&stream);
        const double wide = ldexp(unit, (int)ks_qkd_stream_below(&stream, 1000) - 500);
        const double x = (unit - 0.5) * 1200.0;
        const double small = (unit - 0.5) * ldexp(1.0, -(int)ks_qkd_stream_below(&stream, 60));

        if (wide != 1.0) {
            assert_true(relative(ks_real_ln(wide), log(wide)) < 4e-16);
        }
        assert_true(relative(ks_real_exp(x), exp(x)) < 8e-16);
        if (small > -0.45 && small != 0.0) {
            assert_true(relative(ks_real_ln1p(small), log1p(small)) < 8e-16);
            assert_true(relative(ks_real_expm1(small), expm1(small)) < 8e-16);
        }
    }
    assert_true(ks_real_entropy(0.0) == 0.0 && ks_real_entropy(1.0) == 0.0);
    assert_true(fabs(ks_real_entropy(0.5) - 1.0) < 1e-15);
    assert_true(fabs(ks_real_entropy(0.11) - 0.49991595888) < 1e-9);
}

/* --- products ----------------------------------------------------------------------------- */

static bool bit(const uint64_t *words, size_t i)
{
    return (words[i / 64] >> (i % 64) & 1) != 0;
}

static void naive_product(const uint64_t *a, const uint64_t *b, size_t count, uint64_t *out)
{
    for (size_t i = 0; i < 2 * count; i++) {
        out[i] = 0;
    }
    for (size_t i = 0; i < 64 * count; i++) {
        for (size_t k = 0; k < 64 * count && bit(a, i); k++) {
            out[(i + k) / 64] ^= (uint64_t)bit(b, k) << ((i + k) % 64);
        }
    }
}

#define PRODUCT_MAX 70

static void random_words(struct ks_qkd_stream *stream, uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        words[i] = ks_qkd_stream_u64(stream);
    }
}

static void check_products(const struct ks_gf2 *gf2)
{
    struct ks_qkd_stream stream = stream_of(3);

    for (size_t count = 1; count <= PRODUCT_MAX; count++) {
        const size_t size = ks_gf2_size(count);
        uint64_t a[PRODUCT_MAX + KS_GF2_SHORT_MAX];
        uint64_t b[PRODUCT_MAX + KS_GF2_SHORT_MAX];
        uint64_t want[2 * (PRODUCT_MAX + KS_GF2_SHORT_MAX)];
        uint64_t got[2 * (PRODUCT_MAX + KS_GF2_SHORT_MAX)];
        uint64_t scratch[4 * (PRODUCT_MAX + KS_GF2_SHORT_MAX)];

        assert_true(size >= count && size <= count + KS_GF2_SHORT_MAX);
        random_words(&stream, a, size);
        random_words(&stream, b, size);
        naive_product(a, b, size, want);
        ks_gf2_multiply(gf2, a, b, size, got, scratch);
        assert_memory_equal(got, want, 2 * size * sizeof *got);
    }
}

/* Shift and add, reducing at each step. */
static struct ks_gf128 naive_field(struct ks_gf128 a, struct ks_gf128 b)
{
    struct ks_gf128 sum = {{0, 0}};

    for (int i = 127; i >= 0; i--) {
        const uint64_t over = sum.words[1] >> 63;

        sum.words[1] = sum.words[1] << 1 | sum.words[0] >> 63;
        sum.words[0] = sum.words[0] << 1 ^ over * 0x87;
        if (bit(b.words, (size_t)i)) {
            sum.words[0] ^= a.words[0];
            sum.words[1] ^= a.words[1];
        }
    }
    return sum;
}

static void check_field(const struct ks_gf2 *gf2)
{
    struct ks_qkd_stream stream = stream_of(4);

    for (unsigned i = 0; i < 2000; i++) {
        struct ks_gf128 a;
        struct ks_gf128 b;
        uint8_t bytes[16];

        random_words(&stream, a.words, 2);
        random_words(&stream, b.words, 2);
        if (i == 0) {
            a.words[0] = a.words[1] = b.words[0] = b.words[1] = UINT64_MAX;
        }
        const struct ks_gf128 got = ks_gf128_multiply(gf2, a, b);
        const struct ks_gf128 want = naive_field(a, b);

        assert_memory_equal(got.words, want.words, sizeof got.words);
        ks_gf128_bytes(a, bytes);
        const struct ks_gf128 back = ks_gf128_of(bytes);

        assert_memory_equal(back.words, a.words, sizeof a.words);
    }
}

#define TOEPLITZ_MAX 3000

static void check_toeplitz(const struct ks_gf2 *gf2, size_t source_bits, size_t target_bits)
{
    struct ks_qkd_stream stream = stream_of((uint8_t)source_bits);
    uint64_t source[TOEPLITZ_MAX / 64 + 1];
    uint64_t seed[2 * (TOEPLITZ_MAX / 64 + 1)];
    uint64_t got[TOEPLITZ_MAX / 64 + 1] = {0};
    uint64_t want[TOEPLITZ_MAX / 64 + 1] = {0};

    /* Bits behind the last one are random: they must not matter. */
    random_words(&stream, source, sizeof source / sizeof source[0]);
    random_words(&stream, seed, sizeof seed / sizeof seed[0]);
    for (size_t i = 0; i < target_bits; i++) {
        bool sum = false;

        for (size_t k = 0; k < source_bits; k++) {
            sum ^= bit(seed, i + source_bits - 1 - k) && bit(source, k);
        }
        want[i / 64] |= (uint64_t)sum << (i % 64);
    }
    assert_int_equal(ks_toeplitz(gf2, source, source_bits, seed, got, target_bits), KS_OK);
    assert_memory_equal(got, want, sizeof want);
}

static void test_kernels(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {
        {1, 1},    {1, 64},     {64, 1},    {63, 65},  {64, 64},    {65, 63},
        {1000, 1}, {1000, 300}, {300, 999}, {1025, 7}, {2999, 700}, {TOEPLITZ_MAX - 1, 2990}};

    for (const struct ks_gf2_choice *choice = ks_gf2_choices; choice->gf2 != NULL; choice++) {
        if (!choice->usable()) {
            print_message("no '%s' on this CPU\n", choice->gf2->name);
            continue;
        }
        check_products(choice->gf2);
        check_field(choice->gf2);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            check_toeplitz(choice->gf2, sizes[i][0], sizes[i][1]);
        }
    }
    const struct ks_gf2 *gf2 = NULL;

    assert_int_equal(ks_gf2_find(NULL, &gf2), KS_OK);
    assert_int_equal(ks_gf2_find("portable", &gf2), KS_OK);
    assert_int_equal(ks_gf2_find("abacus", &gf2), KS_ERR_NOT_FOUND);
}

/* --- authentication ----------------------------------------------------------------------- */

static void hash_of(const char *const *messages, size_t count, uint8_t out_value[16])
{
    static const uint8_t key[KS_AUTH_KEY_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const struct ks_gf2 *gf2 = NULL;
    struct ks_auth_hash hash;

    assert_int_equal(ks_gf2_find("portable", &gf2), KS_OK);
    ks_auth_hash_init(&hash, gf2, key);
    for (size_t i = 0; i < count; i++) {
        ks_auth_hash_put(&hash, ks_bytes_text(messages[i]));
    }
    ks_auth_hash_value(&hash, out_value);
    ks_auth_hash_done(&hash);
}

static void test_hash(void **state)
{
    (void)state;
    static const char *const sequences[][3] = {
        {"", NULL, NULL},
        {"", "", NULL},
        {"a", NULL, NULL},
        {"a", "b", NULL},
        {"ab", NULL, NULL},
        {"b", "a", NULL},
        {"a", "b", ""},
        {"", "a", "b"},
        {"aaaaaaaaaaaaaaaa", "a", NULL},
        {"aaaaaaaaaaaaaaaaa", NULL, NULL},
        {"aaaaaaaaaaaaaaaa", "", "a"},
    };
    enum { COUNT = sizeof sequences / sizeof sequences[0] };
    uint8_t values[COUNT][16];

    for (size_t i = 0; i < COUNT; i++) {
        size_t count = 0;

        while (count < 3 && sequences[i][count] != NULL) {
            count++;
        }
        hash_of(sequences[i], count, values[i]);
        for (size_t k = 0; k < i; k++) {
            assert_memory_not_equal(values[i], values[k], sizeof values[i]);
        }
    }
}

static void test_pool(void **state)
{
    (void)state;
    static const uint8_t secret[48] = {1, 2, 3, [16] = 4, [32] = 5};
    static const uint8_t value[16] = {0xff};
    uint8_t tag[16];
    struct ks_auth_pool pool;

    ks_auth_pool_init(&pool);
    assert_int_equal(ks_auth_pool_hide(&pool, 0, value, tag), KS_ERR_DENIED);
    assert_int_equal(ks_auth_pool_put(&pool, KS_BYTES(secret)), KS_OK);
    assert_int_equal(ks_auth_pool_pads(&pool), 3);
    assert_int_equal(ks_auth_pool_hide(&pool, 1, value, tag), KS_OK);
    assert_int_equal(tag[0], 0xff ^ 4);
    assert_int_equal(ks_auth_pool_pads(&pool), 1);
    assert_int_equal(ks_auth_pool_hide(&pool, 0, value, tag), KS_ERR_DENIED); /* skipped */
    assert_int_equal(ks_auth_pool_hide(&pool, 1, value, tag), KS_ERR_DENIED); /* used */
    assert_int_equal(ks_auth_pool_hide(&pool, 3, value, tag), KS_ERR_DENIED); /* not there */
    assert_int_equal(ks_auth_pool_put(&pool, ks_bytes_of(secret, 16)), KS_OK);
    assert_int_equal(ks_auth_pool_hide(&pool, 3, value, tag), KS_OK);
    assert_int_equal(tag[0], 0xff ^ 1);
    assert_int_equal(ks_auth_pool_pads(&pool), 0);
    uint8_t *many = ks_calloc(KS_AUTH_POOL_MAX, 1);

    assert_non_null(many);
    assert_int_equal(ks_auth_pool_put(&pool, ks_bytes_of(many, KS_AUTH_POOL_MAX)), KS_OK);
    assert_int_equal(ks_auth_pool_put(&pool, KS_BYTES(secret)), KS_ERR_LIMIT);
    ks_free(many);
    ks_auth_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chacha), cmocka_unit_test(test_streams),
        cmocka_unit_test(test_reals),  cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_hash),   cmocka_unit_test(test_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
