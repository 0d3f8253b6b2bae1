/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The numbers that RFC 8785's appendix B refers to: a sequence of doubles, fixed ones, then
 * consecutive ones, then those that a chain of SHA-256 gives. A line is a number's bits in
 * hexadecimal, a comma and its canonical text. Of the first lines the SHA-256 is published: one
 * wrong digit in any of them and it is another one. */
#include "unit/expect.h"

#include <inttypes.h>
#include <math.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "unit/vector_files.h"

#define LINES  100000
#define SERIES 2000 /* consecutive doubles, from the smallest normal one on */

struct sequence {
    struct ks_reader fixed;
    unsigned serial;
    uint8_t block[KS_SHA256_LEN];
    unsigned left; /* doubles of the block that are not used yet, from its end */
};

/* Eight bytes, the first one the lowest. */
static uint64_t little_endian(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (unsigned i = 8; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

static double from_bits(uint64_t bits)
{
    double value = 0;

    ks_copy(&value, &bits, sizeof value);
    return value;
}

static uint64_t next_bits(struct sequence *sequence)
{
    uint64_t bits = 0;

    if (sequence->fixed.rest.len > 0) {
        struct ks_bytes line = {0};
        uint8_t bytes[8];

        assert_int_equal(ks_read_line(&sequence->fixed, &line), KS_OK);
        assert_int_equal(ks_hex_decode(line, bytes, sizeof bytes), KS_OK);
        for (unsigned i = 0; i < 8; i++) {
            bits = bits << 8 | bytes[i];
        }
        return bits;
    }
    if (sequence->serial < SERIES) {
        return UINT64_C(0x0010000000000000) + sequence->serial++;
    }
    do { /* zeros and what is not finite are left out */
        if (sequence->left == 0) {
            ks_sha256(KS_BYTES(sequence->block), sequence->block);
            sequence->left = sizeof sequence->block / 8;
        }
        bits = little_endian(sequence->block + sizeof sequence->block - 8 * sequence->left--);
    } while (from_bits(bits) == 0 || !isfinite(from_bits(bits)));
    return bits;
}

static void test_sequence(void **state)
{
    static const struct {
        unsigned lines;
        const char *sha256;
    } known[] = {
        {1000, "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"},
        {10000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"},
        {LINES, "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"},
    };
    struct sequence sequence = {0};
    struct ks_buf fixed;
    struct ks_buf lines;
    unsigned reached = 0;

    (void)state;
    ks_buf_init(&lines, (size_t)LINES * 64);
    vector_read("json", "es6-numbers.txt", &fixed);
    sequence.fixed = ks_reader_of(ks_buf_view(&fixed), "es6-numbers.txt");
    for (unsigned line = 1; line <= LINES; line++) {
        const uint64_t bits = next_bits(&sequence);
        char text[KS_DOUBLE_TEXT_MAX];

        ks_buf_put_format(&lines, "%" PRIx64 ",", bits);
        ks_buf_put(&lines, ks_bytes_of(text, ks_double_text(from_bits(bits), text)));
        ks_buf_put_text(&lines, "\n");
        if (line == known[reached].lines) {
            uint8_t digest[KS_SHA256_LEN];
            char hex[2 * KS_SHA256_LEN + 1];

            assert_int_equal(ks_buf_check(&lines), KS_OK);
            ks_sha256(ks_buf_view(&lines), digest);
            ks_hex_encode(KS_BYTES(digest), hex);
            assert_string_equal(hex, known[reached].sha256);
            reached++;
        }
    }
    assert_int_equal(reached, sizeof known / sizeof known[0]);
    ks_buf_done(&fixed);
    ks_buf_done(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequence)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
