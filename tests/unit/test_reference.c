/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The reference policy: one text for one value, and every member that can be wrong. */
#include "expect.h"

#include "attest/reference.h"
#include "attest/tcglog.h"

#define Z8       "00000000"
#define Z32      Z8 Z8 Z8 Z8 Z8 Z8 Z8 Z8
#define A32      "a" Z8 Z8 Z8 Z8 Z8 Z8 Z8 "0000000"
#define CLOCK    "\"clock\":{\"resets_ahead_max\":2,\"restarts_ahead_max\":3},"
#define FIRMWARE "\"firmware_min\":\"2019102300163636\","
#define NAME     "\"name\":\"lab\","
#define TAIL     "\"schema\":\"ketseal.reference/1\",\"tpms\":[\"simulated\"]}"
#define PCRS     "\"pcrs\":[{\"pcr\":7,\"values\":[\"" Z32 "\",\"" A32 "\"]}],"
#define EVENTS                                                                                 \
    "\"boot_events\":[{\"digest\":\"" A32 "\",\"pcr\":0,\"type\":\"EV_SEPARATOR\"},"           \
    "{\"digest\":\"" A32 "\",\"pcr\":4,\"type\":\"0x12345678\"},"                              \
    "{\"digest\":\"" Z32 "\",\"pcr\":14,\"type\":\"EV_IPL\"}],"
#define FILES                                                                                  \
    "\"files\":[{\"alg\":\"sha1\",\"digest\":\"00\",\"path\":\"/bin/true\"},"                  \
    "{\"alg\":\"sha256\",\"digest\":\"" A32 "\",\"path\":\"/bin/true\"}],"
#define PROGRAMS                                                                               \
    "\"programs\":[{\"digest\":\"" A32 "\",\"name\":\"ketseal-enclave\"},"                     \
    "{\"digest\":\"" Z32 "\",\"name\":\"ketseal-worker\"}],"
#define WHOLE                                                                                  \
    "{" EVENTS CLOCK FILES FIRMWARE NAME PCRS PROGRAMS                                         \
    "\"required_pcrs\":[0,4,7,10,14],\"schema\":\"ketseal.reference/1\","                      \
    "\"tpms\":[\"hardware\",\"simulated\"],\"violations_allowed\":false}"
#define SMALL "{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7]," TAIL

static void test_written_as_read(void **state)
{
    static const char *const texts[] = {
        WHOLE,
        SMALL,
        "{\"boot_events\":[]," CLOCK FIRMWARE NAME "\"pcrs\":[],\"required_pcrs\":[0]," TAIL,
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ks_reference *reference = NULL;
        struct ks_buf out;

        if (ks_reference_parse(ks_bytes_text(texts[i]), &reference) != KS_OK) {
            fail_msg("%zu: %s", i, ks_err_detail());
        }
        ks_buf_init(&out, KS_REFERENCE_MAX);
        ks_reference_write(reference, &out);
        assert_int_equal(ks_buf_check(&out), KS_OK);
        expect_text(ks_buf_view(&out), texts[i]);
        ks_buf_done(&out);
        ks_reference_free(reference);
    }
}

static void test_answers(void **state)
{
    static const uint8_t zeros[KS_PCR_DIGEST_LEN];
    static const uint8_t a[KS_PCR_DIGEST_LEN] = {0xa0};
    static const uint8_t b[KS_PCR_DIGEST_LEN] = {0xb0};
    struct ks_reference *reference = NULL;
    struct ks_reference_event event = {.pcr = 4, .type = 0x12345678, .digest = {0xa0}};

    (void)state;
    assert_int_equal(ks_reference_parse(KS_LITERAL(WHOLE), &reference), KS_OK);
    assert_string_equal(reference->name, "lab");
    assert_int_equal(reference->firmware_min, 0x2019102300163636);
    assert_int_equal(reference->resets_ahead_max, 2);
    assert_int_equal(reference->restarts_ahead_max, 3);
    assert_int_equal(reference->required_pcrs, 1 << 0 | 1 << 4 | 1 << 7 | 1 << 10 | 1 << 14);
    assert_int_equal(reference->tpms, KS_TPM_SET_HARDWARE | KS_TPM_SET_SIMULATED);
    static const enum ks_reference_rule rules[] = {
        [0] = KS_RULE_EVENTS, [4] = KS_RULE_EVENTS,    [7] = KS_RULE_GOLDEN,
        [10] = KS_RULE_FILES, [14] = KS_RULE_PROGRAMS, [23] = KS_RULE_NONE};
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        assert_int_equal(ks_reference_rule(reference, pcr), rules[pcr]);
    }
    assert_true(ks_reference_golden(reference, 7, zeros));
    assert_true(ks_reference_golden(reference, 7, a));
    assert_false(ks_reference_golden(reference, 7, b));
    assert_false(ks_reference_golden(reference, 0, zeros));
    assert_true(ks_reference_allows_event(reference, &event));
    event.pcr = 0;
    assert_false(ks_reference_allows_event(reference, &event));
    event.type = KS_TCG_EV_SEPARATOR;
    assert_true(ks_reference_allows_event(reference, &event));
    event.digest[31] = 1;
    assert_false(ks_reference_allows_event(reference, &event));
    assert_true(ks_reference_allows_file(reference, KS_LITERAL("/bin/true"),
                                         KS_LITERAL("sha256"), KS_BYTES(a)));
    assert_true(ks_reference_allows_file(reference, KS_LITERAL("/bin/true"), KS_LITERAL("sha1"),
                                         KS_LITERAL("\0")));
    assert_false(ks_reference_allows_file(reference, KS_LITERAL("/bin/true"),
                                          KS_LITERAL("sha256"), KS_BYTES(b)));
    assert_false(ks_reference_allows_file(reference, KS_LITERAL("/bin/tru"),
                                          KS_LITERAL("sha256"), KS_BYTES(a)));
    assert_true(ks_reference_allows_program(reference, "ketseal-enclave", a));
    assert_false(ks_reference_allows_program(reference, "ketseal-enclave", zeros));
    assert_false(ks_reference_allows_program(reference, "ketseal-worker", a));
    ks_reference_free(reference);
}

static const struct {
    const char *text;
    enum ks_err err;
    const char *reason;
} refused[] = {
    {"", KS_ERR_FORMAT, "reference"},
    {"[]", KS_ERR_FORMAT, "not an object"},
    {"{}", KS_ERR_FORMAT, "'schema'"},
    {SMALL " ", KS_ERR_FORMAT, "canonical"},
    {"{" CLOCK FIRMWARE "\"more\":1," NAME PCRS "\"required_pcrs\":[7]," TAIL, KS_ERR_FORMAT,
     "more"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7],\"schema\":\"x\",\"tpms\":"
     "[\"simulated\"]}",
     KS_ERR_FORMAT, "'schema'"},
    {"{" CLOCK FIRMWARE "\"name\":\"a b\"," PCRS "\"required_pcrs\":[7]," TAIL, KS_ERR_FORMAT,
     "'name'"},
    {"{" CLOCK "\"firmware_min\":\"20191023\"," NAME PCRS "\"required_pcrs\":[7]," TAIL,
     KS_ERR_FORMAT, "'firmware_min'"},
    {"{" FIRMWARE NAME PCRS "\"required_pcrs\":[7]," TAIL, KS_ERR_FORMAT, "'clock'"},
    {"{\"clock\":{\"resets_ahead_max\":1000001,\"restarts_ahead_max\":3}," FIRMWARE NAME PCRS
     "\"required_pcrs\":[7]," TAIL,
     KS_ERR_FORMAT, "'resets_ahead_max'"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[]," TAIL, KS_ERR_FORMAT,
     "'required_pcrs'"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7,7]," TAIL, KS_ERR_FORMAT,
     "7 twice or out of order"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[24]," TAIL, KS_ERR_FORMAT,
     "'required_pcrs'"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7,8]," TAIL, KS_ERR_FORMAT,
     "PCR 8 is required, but nothing says"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7,10]," TAIL, KS_ERR_FORMAT,
     "PCR 10 is required, but nothing says"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[8]," TAIL, KS_ERR_FORMAT,
     "PCR 7 has golden values, but is not required"},
    {"{" CLOCK FIRMWARE NAME "\"pcrs\":[{\"pcr\":7,\"values\":[]}],\"required_pcrs\":[7]," TAIL,
     KS_ERR_LIMIT, "'values'"},
    {"{" CLOCK FIRMWARE NAME "\"pcrs\":[{\"pcr\":7,\"values\":[\"" Z32 "\",\"" Z32
     "\"]}],\"required_pcrs\":[7]," TAIL,
     KS_ERR_FORMAT, "'pcrs' 0: 'values' 1: twice"},
    {"{" CLOCK FIRMWARE NAME "\"pcrs\":[\"7\"],\"required_pcrs\":[7]," TAIL, KS_ERR_FORMAT,
     "'pcrs' 0: not an object"},
    {"{" CLOCK FIRMWARE NAME "\"pcrs\":[{\"pcr\":7,\"values\":[\"" Z32
     "\"]},{\"pcr\":7,\"values\":[\"" A32 "\"]}],\"required_pcrs\":[7]," TAIL,
     KS_ERR_FORMAT, "'pcrs' 1: twice"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7],\"schema\":\"ketseal.reference/1\""
     ",\"tpms\":[]}",
     KS_ERR_FORMAT, "'tpms' is empty"},
    {"{" CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[7],\"schema\":\"ketseal.reference/1\""
     ",\"tpms\":[\"simulated\",\"hardware\"]}",
     KS_ERR_FORMAT, "in this order"},
    {"{" CLOCK FILES FIRMWARE NAME PCRS "\"required_pcrs\":[7,10]," TAIL, KS_ERR_FORMAT,
     "'violations_allowed' goes with 'files'"},
    {"{" CLOCK FILES FIRMWARE NAME PCRS "\"required_pcrs\":[7],\"schema\":\"ketseal."
     "reference/1\",\"tpms\":[\"simulated\"],\"violations_allowed\":true}",
     KS_ERR_FORMAT, "'files' is never applied"},
    {"{" CLOCK FIRMWARE NAME PCRS PROGRAMS "\"required_pcrs\":[7]," TAIL, KS_ERR_FORMAT,
     "'programs' is never applied"},
    {"{" EVENTS CLOCK FIRMWARE NAME PCRS "\"required_pcrs\":[0,7]," TAIL, KS_ERR_FORMAT,
     "'boot_events' 1 is never applied: PCR 4"},
    {"{\"boot_events\":[{\"digest\":\"" Z32
     "\",\"pcr\":0,\"type\":\"EV_NO_ACTION\"}]," CLOCK FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[0]," TAIL,
     KS_ERR_FORMAT, "'boot_events' 0: 'type': EV_NO_ACTION"},
    {"{\"boot_events\":[{\"digest\":\"" Z32
     "\",\"pcr\":0,\"type\":\"0x0000000d\"}]," CLOCK FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[0]," TAIL,
     KS_ERR_FORMAT, "has a name, EV_IPL"},
    {"{\"boot_events\":[{\"digest\":\"" Z32
     "\",\"pcr\":0,\"type\":\"EV_X\"}]," CLOCK FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[0]," TAIL,
     KS_ERR_FORMAT, "unknown event type 'EV_X'"},
    {"{\"boot_events\":[{\"digest\":\"" A32 "\",\"pcr\":0,\"type\":\"EV_IPL\"},{\"digest\":"
     "\"" Z32 "\",\"pcr\":0,\"type\":\"EV_IPL\"}]," CLOCK FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[0]," TAIL,
     KS_ERR_FORMAT, "'boot_events' 1: twice or out of order"},
    {"{" CLOCK "\"files\":[{\"alg\":\"sha256\",\"digest\":\"0\",\"path\":\"x\"}]," FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[10],\"schema\":\"ketseal.reference/1\",\"tpms\":"
     "[\"simulated\"],\"violations_allowed\":true}",
     KS_ERR_FORMAT, "'files' 0: 'digest'"},
    {"{" CLOCK "\"files\":[{\"alg\":\"sha256\",\"digest\":\"00\",\"path\":\"\"}]," FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[10],\"schema\":\"ketseal.reference/1\",\"tpms\":"
     "[\"simulated\"],\"violations_allowed\":true}",
     KS_ERR_FORMAT, "'files' 0: 'path'"},
    {"{" CLOCK "\"files\":[{\"alg\":\"sha256\",\"digest\":\"00\",\"path\":\"x\"},"
     "{\"alg\":\"sha256\",\"digest\":\"00\",\"path\":\"x\"}]," FIRMWARE NAME
     "\"pcrs\":[],\"required_pcrs\":[10],\"schema\":\"ketseal.reference/1\",\"tpms\":"
     "[\"simulated\"],\"violations_allowed\":true}",
     KS_ERR_FORMAT, "'files' 1: twice"},
    {"{" CLOCK FIRMWARE NAME "\"pcrs\":[],\"programs\":[{\"digest\":\"" Z32
     "\",\"name\":\"a b\"}],\"required_pcrs\":[14]," TAIL,
     KS_ERR_FORMAT, "'programs' 0: event name"},
};

static void test_what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_reference *reference = NULL;

        expect_failure(ks_reference_parse(ks_bytes_text(refused[i].text), &reference),
                       refused[i].err, refused[i].reason);
        assert_null(reference);
    }
}

static void test_limits(void **state)
{
    struct ks_reference *reference = NULL;
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, 2 * KS_REFERENCE_MAX);
    ks_buf_put_text(&text, "{" CLOCK "\"files\":[");
    for (unsigned i = 0; i <= KS_REFERENCE_FILES_MAX; i++) {
        ks_buf_put_format(&text, "%s{\"alg\":\"sha256\",\"digest\":\"00\",\"path\":\"%05u\"}",
                          i > 0 ? "," : "", i);
    }
    const size_t before = text.len;
    ks_buf_put_text(&text, "]," FIRMWARE NAME "\"pcrs\":[],\"required_pcrs\":[10],"
                           "\"schema\":\"ketseal.reference/1\",\"tpms\":[\"simulated\"],"
                           "\"violations_allowed\":true}");
    assert_int_equal(ks_buf_check(&text), KS_OK);
    expect_failure(ks_reference_parse(ks_buf_view(&text), &reference), KS_ERR_LIMIT,
                   "'files': 32769, limit 32768");
    /* One less. */
    struct ks_buf fewer;
    ks_buf_init(&fewer, 2 * KS_REFERENCE_MAX);
    ks_buf_put(&fewer, ks_bytes_of(text.data, before - strlen(",{\"alg\":\"sha256\",\"digest\":"
                                                              "\"00\",\"path\":\"00000\"}")));
    ks_buf_put(&fewer, ks_bytes_of(text.data + before, text.len - before));
    if (ks_reference_parse(ks_buf_view(&fewer), &reference) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_int_equal(reference->file_count, KS_REFERENCE_FILES_MAX);
    assert_true(ks_reference_allows_file(reference, KS_LITERAL("31999"), KS_LITERAL("sha256"),
                                         KS_LITERAL("\0")));
    ks_reference_free(reference);
    ks_buf_done(&fewer);
    ks_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_as_read),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
