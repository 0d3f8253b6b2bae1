/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Evidence as a file, of a device on a real swtpm (tests/vectors/evidence): it is judged as the
 * site did it, and no byte of it can be changed. */
#include "expect.h"

#include "crypto/digest.h"
#include "enrol_fixture.h"
#include "json_attack.h"
#include "record/exhibit.h"
#include "vector_files.h"

static struct {
    struct ks_buf evidence;
    struct ks_buf device;
    struct ks_reference *reference;
    struct ks_registered registered;
} vectors;

static int set_up(void **state)
{
    struct ks_buf text;

    (void)state;
    vector_read("evidence", "evidence.json", &vectors.evidence);
    vector_read("evidence", "device.json", &vectors.device);
    vector_read("evidence", "reference.json", &text);
    assert_int_equal(ks_reference_parse(ks_buf_view(&text), &vectors.reference), KS_OK);
    assert_int_equal(ks_registered_read(ks_buf_view(&vectors.device), &vectors.registered),
                     KS_OK);
    ks_buf_done(&text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_reference_free(vectors.reference);
    ks_buf_done(&vectors.evidence);
    ks_buf_done(&vectors.device);
    return 0;
}

static enum ks_err read_exhibit(struct ks_bytes document)
{
    struct ks_exhibit exhibit = {0};
    const enum ks_err err = ks_exhibit_read(document, &exhibit);

    assert_int_equal(err == KS_OK, exhibit.ak.data != NULL);
    ks_exhibit_done(&exhibit);
    return err;
}

static enum ks_err read_registered(struct ks_bytes text)
{
    struct ks_registered registered;

    return ks_registered_read(text, &registered);
}

/* As an auditor does it, who knows which device he asked and with which nonce. */
static enum ks_err judge(struct ks_bytes document)
{
    static const uint8_t nonce[KS_NONCE_LEN] = {[30] = 0x30, [31] = 0x39};
    enum ks_err err = KS_OK;
    struct ks_exhibit exhibit = {0};
    struct ks_appraisal appraisal;
    uint8_t ak[32];
    uint8_t extra[32];
    const struct ks_appraise_spec spec = {.extra_data = KS_BYTES(extra),
                                          .reference = vectors.reference};

    KS_TRY(ks_exhibit_read(document, &exhibit));
    ks_sha256(ks_buf_view(&exhibit.ak), ak);
    KS_CHECK(ks_bytes_equal(KS_BYTES(ak), KS_BYTES(vectors.registered.ak)), KS_ERR_VERIFY,
             "another key");
    KS_CHECK(ks_bytes_equal(KS_BYTES(nonce), KS_BYTES(exhibit.nonce)), KS_ERR_VERIFY,
             "another nonce");
    ks_exhibit_extra(&exhibit, exhibit.nonce, extra);
    KS_TRY(ks_platform_appraise(&exhibit.platform, ks_buf_view(&exhibit.ak),
                                vectors.registered.tpm, &spec, &appraisal));
out:
    ks_exhibit_done(&exhibit);
    return err;
}

static void test_real(void **state)
{
    struct ks_exhibit exhibit;
    struct ks_buf again;

    (void)state;
    assert_int_equal(judge(ks_buf_view(&vectors.evidence)), KS_OK);
    assert_int_equal(ks_exhibit_read(ks_buf_view(&vectors.evidence), &exhibit), KS_OK);
    ks_buf_init(&again, KS_EXHIBIT_BYTES_MAX);
    ks_exhibit_write(&exhibit, &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&vectors.evidence));
    assert_int_equal(exhibit.platform.pcr_mask, 0xffffff);
    assert_string_equal(vectors.registered.device, "edge-1");
    assert_int_equal(vectors.registered.tpm, KS_TPM_SET_SIMULATED);
    ks_exhibit_done(&exhibit);
    ks_buf_done(&again);
}

/* Nothing in it is unbound. */
static void test_every_byte(void **state)
{
    uint64_t seed = 0x657669646e6365;

    (void)state;
    print_message("seed %llx\n", (unsigned long long)seed);
    for (int pass = 0; pass < 3; pass++) {
        json_attack_bytes(ks_buf_view(&vectors.evidence), 0, vectors.evidence.len, &seed,
                          judge);
    }
    for (size_t len = 0; len < vectors.evidence.len; len += 37) {
        assert_int_equal(judge(ks_bytes_of(vectors.evidence.data, len)), KS_ERR_FORMAT);
    }
}

static void test_members(void **state)
{
    const struct json_attack exhibit = {.pattern = ks_buf_view(&vectors.evidence),
                                        .read = read_exhibit,
                                        .opaque = {"launch_log"},
                                        .nullable = "launch_log"};
    const struct json_attack registered = {.pattern = ks_buf_view(&vectors.device),
                                           .read = read_registered};

    (void)state;
    assert_true(json_attack_members(&exhibit) > 60);
    assert_true(json_attack_members(&registered) > 60);
}

static void test_refused(void **state)
{
    const struct {
        enum ks_err (*read)(struct ks_bytes document);
        const struct ks_buf *pattern;
        const char *name;
        const char *value;
        enum ks_err err;
        const char *says;
    } cases[] = {
        {read_exhibit, &vectors.evidence, "schema", "\"ketseal.evidence/2\"", KS_ERR_FORMAT,
         "expected ketseal.evidence/1"},
        {read_exhibit, &vectors.evidence, "nonce", "\"AA==\"", KS_ERR_FORMAT, "'nonce'"},
        {read_exhibit, &vectors.evidence, "channel", "\"AA==\"", KS_ERR_FORMAT, "'channel'"},
        {read_exhibit, &vectors.evidence, "pcr_mask", "0", KS_ERR_FORMAT, "'pcr_mask'"},
        {read_registered, &vectors.device, "schema", "\"ketseal.device/2\"", KS_ERR_FORMAT,
         "expected ketseal.device/1"},
        {read_registered, &vectors.device, "device", "\"edge 1\"", KS_ERR_FORMAT, "'device'"},
        {read_registered, &vectors.device, "tpm", "\"unknown\"", KS_ERR_FORMAT, "'tpm'"},
        {read_registered, &vectors.device, "ak", "\"00\"", KS_ERR_FORMAT, "'ak'"},
    };
    struct ks_buf changed;

    (void)state;
    ks_buf_init(&changed, KS_EXHIBIT_BYTES_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_attack_set(ks_buf_view(cases[i].pattern), cases[i].name, cases[i].value, &changed);
        expect_failure(cases[i].read(ks_buf_view(&changed)), cases[i].err, cases[i].says);
    }
    ks_buf_done(&changed);
}

/* What the buffers of an exhibit have room for, and not a byte more. */
static void test_limits(void **state)
{
    struct ks_exhibit exhibit;
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, KS_EXHIBIT_BYTES_MAX);
    for (size_t over = 0; over < 2; over++) {
        ks_exhibit_init(&exhibit);
        ks_platform_done(&exhibit.platform);
        enrol_fixture_platform(33, &exhibit.platform);
        ks_buf_init(&exhibit.ak, KS_AK_PUBLIC_MAX + 1);
        for (size_t i = 0; i < KS_AK_PUBLIC_MAX + over; i++) {
            ks_buf_put_u8(&exhibit.ak, 1);
        }
        ks_buf_clear(&text);
        ks_exhibit_write(&exhibit, &text);
        assert_int_equal(ks_buf_check(&text), KS_OK);
        assert_int_equal(read_exhibit(ks_buf_view(&text)), over == 0 ? KS_OK : KS_ERR_LIMIT);
        ks_exhibit_done(&exhibit);
    }
    ks_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real),    cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_members), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests_name("exhibit", tests, set_up, tear_down);
}
