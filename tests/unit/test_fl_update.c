/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Updates and their encodings: errors against their stated bound, binary16 against its
 * definition over all 65,536 values, one form for each value, what is refused. */
#include "unit/expect.h"

#include <math.h>

#include "base/text.h"
#include "fl/update.h"
#include "oracle/naive_fl.h"

#define OK(call) assert_int_equal((call), KS_OK)
#define PARAMS   1000

static float values[PARAMS];
static float decoded[PARAMS];

static void fill(uint64_t seed, double scale)
{
    for (size_t j = 0; j < PARAMS; j++) {
        values[j] = (float)(scale * fl_normal(seed, j));
    }
}

static struct ks_buf encoded(const struct ks_fl_encode *encode, size_t count)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, 1 << 16);
    OK(ks_fl_encode(encode, values, count, &bytes));
    OK(ks_fl_encoded_check(encode->encoding, ks_buf_view(&bytes), count));
    assert_true(bytes.len <= ks_fl_encoded_bytes_max(encode, count));
    ks_fl_decode(encode->encoding, ks_buf_view(&bytes), count, decoded);
    return bytes;
}

/* --- binary16 ----------------------------------------------------------------------------- */

/* IEEE 754-2019 §3.4. */
static double half_by_definition(uint16_t half)
{
    const int exponent = half >> 10 & 0x1f;
    const int fraction = half & 0x3ff;
    const double magnitude =
        exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);

    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

static void halves_are_what_the_standard_says(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        const float value = ks_fl_half_value((uint16_t)half);

        if ((half & 0x7c00) == 0x7c00) {
            assert_true((half & 0x3ff) == 0 ? isinf(value) : isnan(value));
            continue;
        }
        assert_true((double)value == half_by_definition((uint16_t)half));
        assert_int_equal(ks_fl_half(value), half);
    }
    assert_int_equal(ks_fl_half(INFINITY), 0x7c00);
    assert_int_equal(ks_fl_half(-65520), 0xfc00);
    assert_int_equal(ks_fl_half(65519.99f), 0x7bff);
    assert_int_equal(ks_fl_half(NAN) & 0x7fff, 0x7e00);
}

/* Between two neighbours the nearer one, and in the middle the even one. */
static void halves_are_rounded_to_the_nearest(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x7bff; half++) {
        const float low = ks_fl_half_value((uint16_t)half);
        const float high = ks_fl_half_value((uint16_t)(half + 1));
        const float middle = (low + high) / 2;

        assert_int_equal(ks_fl_half(middle), half + half % 2);
        assert_int_equal(ks_fl_half(nextafterf(middle, 0)), half);
        assert_int_equal(ks_fl_half(nextafterf(middle, INFINITY)), half + 1);
        assert_int_equal(ks_fl_half(-middle), 0x8000 | (half + half % 2));
    }
}

/* --- encodings ---------------------------------------------------------------------------- */

static void encodings_lose_what_they_say(void **state)
{
    static const double scales[] = {1e-12, 1e-6, 0.01, 1, 900};

    (void)state;
    for (size_t s = 0; s < sizeof scales / sizeof scales[0]; s++) {
        struct ks_buf bytes;

        fill(s, scales[s]);
        bytes = encoded(&(struct ks_fl_encode){.encoding = KS_FL_F32}, PARAMS);
        assert_memory_equal(decoded, values, sizeof values);
        ks_buf_done(&bytes);
        bytes = encoded(&(struct ks_fl_encode){.encoding = KS_FL_F16}, PARAMS);
        for (size_t j = 0; j < PARAMS; j++) {
            assert_true(fabs((double)decoded[j] - (double)values[j]) <=
                        fmax(0x1p-11 * fabs((double)values[j]), 0x1p-25));
        }
        ks_buf_done(&bytes);
        for (unsigned stochastic = 0; stochastic < 2; stochastic++) {
            bytes = encoded(&(struct ks_fl_encode){.encoding = KS_FL_Q8,
                                                   .stochastic = stochastic == 1,
                                                   .seed = 5},
                            PARAMS);
            for (size_t at = 0; at < PARAMS; at += KS_FL_BLOCK) {
                const size_t end = at + KS_FL_BLOCK < PARAMS ? at + KS_FL_BLOCK : PARAMS;
                double most = 0;

                for (size_t j = at; j < end; j++) {
                    most = fmax(most, fabs((double)values[j]));
                }
                for (size_t j = at; j < end; j++) {
                    assert_true(fabs((double)decoded[j] - (double)values[j]) <=
                                1.00001 * most / 127 * (stochastic == 1 ? 1 : 0.5));
                }
            }
            ks_buf_done(&bytes);
        }
    }
}

static void stochastic_rounding_has_no_bias(void **state)
{
    static double sums[PARAMS];
    const unsigned runs = 400;

    (void)state;
    fill(3, 1);
    for (unsigned run = 0; run < runs; run++) {
        struct ks_buf bytes = encoded(
            &(struct ks_fl_encode){.encoding = KS_FL_Q8, .stochastic = true, .seed = run},
            PARAMS);

        for (size_t j = 0; j < PARAMS; j++) {
            sums[j] += (double)decoded[j] - (double)values[j];
        }
        ks_buf_done(&bytes);
    }
    for (size_t j = 0; j < PARAMS; j++) {
        /* Five standard deviations of a mean of errors below one scale, of at most 0.04. */
        assert_true(fabs(sums[j] / runs) < 5 * 0.04 / 2 / sqrt(runs));
    }
}

static int by_magnitude(const void *left, const void *right)
{
    const float a = fabsf(*(const float *)left);
    const float b = fabsf(*(const float *)right);

    return (a < b) - (a > b);
}

static void topk_keeps_the_largest(void **state)
{
    static const size_t keeps[] = {1, 2, 17, 500, 999, 1000};

    (void)state;
    for (size_t k = 0; k < sizeof keeps / sizeof keeps[0]; k++) {
        static float sorted[PARAMS];
        struct ks_buf bytes;
        size_t kept = 0;

        fill(k, 1);
        for (size_t j = 0; j < PARAMS; j += 7) {
            values[j] = j % 2 == 0 ? 0.75f : -0.75f; /* many equal ones */
        }
        for (size_t j = 3; j < PARAMS; j += 10) {
            values[j] = 0;
        }
        ks_copy(sorted, values, sizeof sorted);
        qsort(sorted, PARAMS, sizeof *sorted, by_magnitude);
        bytes =
            encoded(&(struct ks_fl_encode){.encoding = KS_FL_TOPK, .keep = keeps[k]}, PARAMS);
        for (size_t j = 0; j < PARAMS; j++) {
            const float least = fabsf(sorted[keeps[k] - 1]);

            assert_true(decoded[j] == values[j] || decoded[j] == 0);
            kept += decoded[j] != 0;
            if (fabsf(values[j]) > least) {
                assert_true(decoded[j] == values[j]);
            }
            assert_true(fabsf(decoded[j]) >= least || decoded[j] == 0);
        }
        {
            size_t want = 0;

            while (want < keeps[k] && sorted[want] != 0) {
                want++;
            }
            assert_int_equal(kept, want);
        }
        ks_buf_done(&bytes);
    }
}

/* What is lost is sent later: the sums of what was to be sent and of what was seen differ by
 * the residual alone. */
static void feedback_loses_nothing_in_the_long_run(void **state)
{
    static const struct ks_fl_encode encodes[] = {
        {.encoding = KS_FL_TOPK, .keep = 50},
        {.encoding = KS_FL_Q8},
        {.encoding = KS_FL_F16},
    };

    (void)state;
    for (size_t e = 0; e < sizeof encodes / sizeof encodes[0]; e++) {
        static float residual[PARAMS];
        static double sent[PARAMS];
        static double seen[PARAMS];

        ks_zero(residual, sizeof residual);
        ks_zero(sent, sizeof sent);
        ks_zero(seen, sizeof seen);
        for (unsigned round = 0; round < 60; round++) {
            struct ks_buf bytes;

            ks_buf_init(&bytes, 1 << 16);
            fill(round, 0.1);
            for (size_t j = 0; j < PARAMS; j++) {
                sent[j] += (double)values[j];
            }
            OK(ks_fl_encode_feedback(&encodes[e], values, residual, PARAMS, &bytes));
            ks_fl_decode(encodes[e].encoding, ks_buf_view(&bytes), PARAMS, decoded);
            assert_memory_equal(decoded, values, sizeof values);
            for (size_t j = 0; j < PARAMS; j++) {
                seen[j] += (double)decoded[j];
            }
            ks_buf_done(&bytes);
        }
        for (size_t j = 0; j < PARAMS; j++) {
            assert_true(fabs(sent[j] - seen[j] - (double)residual[j]) < 1e-5);
        }
    }
}

static void what_cannot_be_encoded_is_refused(void **state)
{
    struct ks_buf bytes;
    enum ks_fl_encoding encoding = KS_FL_F32;

    (void)state;
    ks_buf_init(&bytes, 1 << 16);
    fill(1, 1);
    values[77] = NAN;
    for (unsigned e = 0; e < KS_FL_ENCODINGS; e++) {
        expect_failure(
            ks_fl_encode(&(struct ks_fl_encode){.encoding = (enum ks_fl_encoding)e, .keep = 5},
                         values, PARAMS, &bytes),
            KS_ERR_FORMAT, "parameter 77 ");
    }
    values[77] = 65520;
    expect_failure(
        ks_fl_encode(&(struct ks_fl_encode){.encoding = KS_FL_F16}, values, PARAMS, &bytes),
        KS_ERR_LIMIT, "parameter 77 is beyond");
    expect_failure(
        ks_fl_encode(&(struct ks_fl_encode){.encoding = KS_FL_TOPK}, values, PARAMS, &bytes),
        KS_ERR_USAGE, "0 of 1000");
    expect_failure(
        ks_fl_encode(&(struct ks_fl_encode){.encoding = KS_FL_F32}, values, 0, &bytes),
        KS_ERR_LIMIT, "0 parameters");
    assert_int_equal(bytes.len, 0);
    ks_buf_done(&bytes);
    OK(ks_fl_encoding_of(KS_LITERAL("topk"), &encoding));
    assert_int_equal(encoding, KS_FL_TOPK);
    expect_failure(ks_fl_encoding_of(KS_LITERAL("zip"), &encoding), KS_ERR_USAGE, "'zip'");
}

/* Forms that say what another form says, or nothing. */
static void payloads_have_one_form(void **state)
{
    static const struct {
        enum ks_fl_encoding encoding;
        size_t count;
        const char *hex;
        const char *why;
    } cases[] = {
        {KS_FL_F32, 1, "7f800000", "not a finite"},
        {KS_FL_F32, 1, "ffc00000", "not a finite"},
        {KS_FL_F32, 2, "3f800000", "4 bytes for 2"},
        {KS_FL_F32, 1, "3f80000000", "5 bytes for 1"},
        {KS_FL_F16, 1, "7c00", "not a finite"},
        {KS_FL_F16, 1, "fe01", "not a finite"},
        {KS_FL_Q8, 2, "3f80000080ff", "code of parameter 0"},
        {KS_FL_Q8, 2, "3f8000000000", "scale for the zeros"},
        {KS_FL_Q8, 2, "000000000100", "no scale"},
        {KS_FL_Q8, 2, "bf8000000100", "scale of parameter 0"},
        {KS_FL_Q8, 2, "7f8000000100", "scale of parameter 0"},
        {KS_FL_Q8, 2, "7f0000000100", "scale of parameter 0"},
        {KS_FL_Q8, 2, "800000000000", "scale of parameter 0"},
        {KS_FL_TOPK, 3, "00000001", "4 bytes for 1"},
        {KS_FL_TOPK, 3, "00000001000000033f800000", "place 3"},
        {KS_FL_TOPK, 3,
         "000000020000000100000001"
         "3f8000003f800000",
         "place 1"},
        {KS_FL_TOPK, 3, "000000010000000200000000", "is 0"},
        {KS_FL_TOPK, 3, "000000010000000280000000", "is 0"},
        {KS_FL_TOPK, 3, "00000001000000027fc00000", "not finite"},
        {KS_FL_TOPK, 1, "0000000200000000000000013f8000003f800000", "for 2 of 1"},
        {KS_FL_ENCODINGS, 1, "", "no encoding 4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t payload[64];
        const size_t len = strlen(cases[i].hex) / 2;

        OK(ks_hex_decode(ks_bytes_text(cases[i].hex), payload, len));
        expect_failure(
            ks_fl_encoded_check(cases[i].encoding, ks_bytes_of(payload, len), cases[i].count),
            KS_ERR_FORMAT, cases[i].why);
    }
}

/* --- updates ------------------------------------------------------------------------------ */

static struct ks_fl_update update_of(struct ks_buf *payload, size_t count)
{
    struct ks_fl_update update = {
        .subject = {.session = {1, 2}, .round = 7, .parent = {3}, .shape = {4}},
        .samples = 600,
        .encoding = KS_FL_Q8,
    };

    fill(1, 1);
    *payload = encoded(&(struct ks_fl_encode){.encoding = KS_FL_Q8}, count);
    update.subject.params = (uint32_t)count;
    update.payload = ks_buf_view(payload);
    return update;
}

static void updates_are_read_as_written(void **state)
{
    struct ks_buf payload;
    struct ks_buf bytes;
    struct ks_buf again;
    const struct ks_fl_update update = update_of(&payload, PARAMS);
    struct ks_fl_update read = {0};

    (void)state;
    ks_buf_init(&bytes, 1 << 16);
    ks_buf_init(&again, 1 << 16);
    ks_fl_update_write(&update, &bytes);
    assert_true(bytes.len <= ks_fl_update_bytes_max(PARAMS));
    OK(ks_fl_update_read(ks_buf_view(&bytes), &read));
    ks_fl_update_write(&read, &again);
    assert_true(ks_bytes_equal(ks_buf_view(&bytes), ks_buf_view(&again)));
    assert_int_equal(read.samples, 600);
    OK(ks_fl_update_about(&read, &update.subject));
    ks_buf_done(&payload);
    ks_buf_done(&bytes);
    ks_buf_done(&again);
}

static void updates_for_something_else_are_refused(void **state)
{
    static const struct {
        size_t offset;
        const char *why;
    } cases[] = {
        {offsetof(struct ks_fl_subject, session), "another session"},
        {offsetof(struct ks_fl_subject, round), "for round 7"},
        {offsetof(struct ks_fl_subject, parent), "another parent"},
        {offsetof(struct ks_fl_subject, shape), "another shape"},
        {offsetof(struct ks_fl_subject, params), "number of parameters"},
    };
    struct ks_buf payload;
    const struct ks_fl_update update = update_of(&payload, PARAMS);
    uint8_t context[KS_FL_HASH_LEN];

    (void)state;
    ks_fl_update_context(&update.subject, context);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_fl_subject subject = update.subject;
        uint8_t other[KS_FL_HASH_LEN];

        ((uint8_t *)&subject)[cases[i].offset] ^= 1;
        expect_failure(ks_fl_update_about(&update, &subject), KS_ERR_CONFLICT, cases[i].why);
        ks_fl_update_context(&subject, other);
        assert_memory_not_equal(context, other, sizeof context);
    }
    ks_buf_done(&payload);
}

static void seeds_differ_by_purpose_client_and_round(void **state)
{
    const struct ks_bytes name = KS_LITERAL("edge-1");
    const uint64_t training = ks_fl_client_seed(KS_FL_DRAW_TRAINING, 1, name, 7);

    (void)state;
    /* By hand: the first 8 bytes of SHA-256(label, seed, round, name). */
    assert_true(training == UINT64_C(0xfe03fd63d7275fbd));
    assert_true(ks_fl_client_seed(KS_FL_DRAW_ROUNDING, 1, name, 7) ==
                UINT64_C(0x02d74fa5aac47c36));
    assert_true(training != ks_fl_client_seed(KS_FL_DRAW_TRAINING, 2, name, 7));
    assert_true(training != ks_fl_client_seed(KS_FL_DRAW_TRAINING, 1, name, 8));
    assert_true(training != ks_fl_client_seed(KS_FL_DRAW_TRAINING, 1, KS_LITERAL("edge-2"), 7));
}

/* Clients of one seed: the error of their mean falls with their number. */
static void rounding_of_clients_is_independent(void **state)
{
    static double sums[PARAMS];
    const unsigned clients = 64;
    double one = 0;
    double mean = 0;

    (void)state;
    fill(3, 1);
    for (unsigned client = 0; client < clients; client++) {
        struct ks_fl_encode encode = {.encoding = KS_FL_Q8, .stochastic = true};
        char name[16];

        (void)snprintf(name, sizeof name, "edge-%u", client);
        encode.seed = ks_fl_client_seed(KS_FL_DRAW_ROUNDING, 1, ks_bytes_text(name), 1);
        struct ks_buf bytes = encoded(&encode, PARAMS);

        for (size_t j = 0; j < PARAMS; j++) {
            const double error = (double)decoded[j] - (double)values[j];

            sums[j] += error;
            one += error * error / clients;
        }
        ks_buf_done(&bytes);
    }
    for (size_t j = 0; j < PARAMS; j++) {
        mean += sums[j] * sums[j] / clients / clients;
    }
    assert_true(mean < 1.5 * one / clients);
}

static void malformed_updates_are_refused(void **state)
{
    struct ks_buf payload;
    struct ks_buf bytes;
    struct ks_fl_update update = update_of(&payload, 300);
    struct ks_fl_update read = {0};

    (void)state;
    ks_buf_init(&bytes, 1 << 16);
    ks_fl_update_write(&update, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        assert_int_not_equal(ks_fl_update_read(ks_bytes_of(bytes.data, i), &read), KS_OK);
    }
    ks_buf_put_u8(&bytes, 0);
    assert_int_equal(ks_fl_update_read(ks_buf_view(&bytes), &read), KS_ERR_FORMAT);
    ks_buf_clear(&bytes);
    update.samples = 0;
    ks_fl_update_write(&update, &bytes);
    expect_failure(ks_fl_update_read(ks_buf_view(&bytes), &read), KS_ERR_LIMIT, "0 samples");
    ks_buf_clear(&bytes);
    update.samples = 1;
    update.subject.params = 299;
    ks_fl_update_write(&update, &bytes);
    expect_failure(ks_fl_update_read(ks_buf_view(&bytes), &read), KS_ERR_FORMAT,
                   "for 299 parameters");
    ks_buf_clear(&bytes);
    update.subject.params = 0;
    ks_fl_update_write(&update, &bytes);
    expect_failure(ks_fl_update_read(ks_buf_view(&bytes), &read), KS_ERR_LIMIT, "0 parameters");
    ks_buf_clear(&bytes);
    update.subject.params = 300;
    update.encoding = KS_FL_ENCODINGS;
    ks_fl_update_write(&update, &bytes);
    expect_failure(ks_fl_update_read(ks_buf_view(&bytes), &read), KS_ERR_FORMAT, "encoding 4");
    ks_buf_done(&payload);
    ks_buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_are_what_the_standard_says),
        cmocka_unit_test(halves_are_rounded_to_the_nearest),
        cmocka_unit_test(encodings_lose_what_they_say),
        cmocka_unit_test(stochastic_rounding_has_no_bias),
        cmocka_unit_test(seeds_differ_by_purpose_client_and_round),
        cmocka_unit_test(rounding_of_clients_is_independent),
        cmocka_unit_test(topk_keeps_the_largest),
        cmocka_unit_test(feedback_loses_nothing_in_the_long_run),
        cmocka_unit_test(what_cannot_be_encoded_is_refused),
        cmocka_unit_test(payloads_have_one_form),
        cmocka_unit_test(updates_are_read_as_written),
        cmocka_unit_test(updates_for_something_else_are_refused),
        cmocka_unit_test(malformed_updates_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
