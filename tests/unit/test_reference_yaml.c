/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The reference policy as an operator writes it: into the canonical JSON of the format page,
 * written here by hand; and what is refused, each with a word that helps. */
#include "expect.h"

#include "base/sys.h"
#include "config/reference.h"

#define ZEROS_8 "00000000"
#define ZEROS   ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8
#define ONE                                                                                    \
    "1" /* and 63 zeros: */ "0000000" ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8
#define HEAD   "name: a\ntpms: [simulated]\n"
#define SMALL  HEAD "required_pcrs: [14]\n"
#define LAUNCH "programs:\n  - {name: ketseal, digest: " ONE "}\n"

static char path[64];

static int make_path(void **state)
{
    int fd = -1;

    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/test_reference_yaml.XXXXXX");
    fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static enum ks_err load(const char *text, struct ks_buf *out)
{
    assert_int_equal(ks_file_write(path, ks_bytes_text(text), 0600), KS_OK);
    return ks_reference_load(path, out);
}

static void expect_json(const char *yaml, const char *want)
{
    struct ks_buf json;

    ks_buf_init(&json, KS_REFERENCE_MAX);
    if (load(yaml, &json) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    expect_text(ks_buf_view(&json), want);
    ks_buf_done(&json);
}

static void test_smallest(void **state)
{
    (void)state;
    expect_json(SMALL LAUNCH,
                "{\"clock\":{\"resets_ahead_max\":0,\"restarts_ahead_max\":0},"
                "\"firmware_min\":\"0000000000000000\",\"name\":\"a\",\"pcrs\":[],"
                "\"programs\":[{\"digest\":\"" ONE "\",\"name\":\"ketseal\"}],"
                "\"required_pcrs\":[14],\"schema\":\"ketseal.reference/1\","
                "\"tpms\":[\"simulated\"]}");
}

/* Every field, in another order than that of the JSON, and types by name and by number. */
static void test_all_fields(void **state)
{
    (void)state;
    expect_json(
        "programs:\n  - {name: ketseal, digest: " ONE "}\n"
        "  - {name: firmware.bin, digest: " ZEROS "}\n"
        "violations_allowed: true\n"
        "files:\n  - {path: /usr/bin/b, digest: " ONE "}\n"
        "  - {path: /usr/bin/a, alg: sha1, digest: " ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8
        "}\n"
        "boot_events:\n  - {pcr: 0, type: \"0x80000008\", digest: " ZEROS "}\n"
        "  - {pcr: 0, type: EV_S_CRTM_VERSION, digest: " ONE "}\n"
        "  - {pcr: 0, type: \"0x12345678\", digest: " ONE "}\n"
        "pcrs:\n  - {pcr: 7, values: [" ONE ", " ZEROS "]}\n"
        "firmware_min: \"2024012500120000\"\nrestarts_ahead_max: 7\nresets_ahead_max: 1000000\n"
        "required_pcrs: [14, 0, 10, 7, 7]\ntpms: [simulated, hardware]\nname: gateway-3\n",
        "{\"boot_events\":["
        "{\"digest\":\"" ONE "\",\"pcr\":0,\"type\":\"EV_S_CRTM_VERSION\"},"
        "{\"digest\":\"" ONE "\",\"pcr\":0,\"type\":\"0x12345678\"},"
        "{\"digest\":\"" ZEROS "\",\"pcr\":0,\"type\":\"EV_EFI_PLATFORM_FIRMWARE_BLOB\"}],"
        "\"clock\":{\"resets_ahead_max\":1000000,\"restarts_ahead_max\":7},"
        "\"files\":[{\"alg\":\"sha1\",\"digest\":\"" ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8 ZEROS_8
        "\",\"path\":\"/usr/bin/a\"},"
        "{\"alg\":\"sha256\",\"digest\":\"" ONE "\",\"path\":\"/usr/bin/b\"}],"
        "\"firmware_min\":\"2024012500120000\",\"name\":\"gateway-3\","
        "\"pcrs\":[{\"pcr\":7,\"values\":[\"" ZEROS "\",\"" ONE "\"]}],"
        "\"programs\":[{\"digest\":\"" ZEROS "\",\"name\":\"firmware.bin\"},"
        "{\"digest\":\"" ONE "\",\"name\":\"ketseal\"}],"
        "\"required_pcrs\":[0,7,10,14],\"schema\":\"ketseal.reference/1\","
        "\"tpms\":[\"hardware\",\"simulated\"],\"violations_allowed\":true}");
}

static const struct {
    const char *text;
    const char *says;
} refused[] = {
    {"", "it is empty"},
    {"name: a\n", "Missing required mapping field"},
    {SMALL LAUNCH "colour: red\n", "Unexpected key: colour"},
    {SMALL LAUNCH "name: b\n", "Mapping field already seen: name"},
    {"name: a b\ntpms: [simulated]\nrequired_pcrs: [14]\n" LAUNCH, "name: letters, digits"},
    {"name: a\ntpms: [emulated]\nrequired_pcrs: [14]\n" LAUNCH,
     "tpms: 'hardware' or 'simulated', not 'emulated'"},
    {"name: a\ntpms: []\nrequired_pcrs: [14]\n" LAUNCH, "tpms"},
    {HEAD "required_pcrs: [24]\n" LAUNCH, "required_pcrs: 0 to 23, not 24"},
    {HEAD "required_pcrs: []\n" LAUNCH, "required_pcrs"},
    {HEAD "required_pcrs: [-1]\n" LAUNCH, "required_pcrs"},
    {HEAD "required_pcrs: [x]\n" LAUNCH, "required_pcrs"},
    {SMALL, "PCR 14 is required, but nothing says what it may be"},
    {HEAD "required_pcrs: [0]\n", "PCR 0 is required, but nothing says what it may be"},
    {HEAD "required_pcrs: [0]\npcrs: [{pcr: 0, values: [" ONE "]}]\n" LAUNCH,
     "'programs' is never applied"},
    {SMALL LAUNCH "pcrs: [{pcr: 3, values: [" ONE "]}]\n",
     "PCR 3 has golden values, but is not required"},
    {SMALL "pcrs: [{pcr: 14, values: [" ONE "]}, {pcr: 14, values: [" ZEROS "]}]\n",
     "pcrs: PCR 14 twice"},
    {SMALL "pcrs: [{pcr: 24, values: [" ONE "]}]\n", "pcrs: 0 to 23, not 24"},
    {SMALL "pcrs: [{pcr: 14, values: [" ONE ", " ONE "]}]\n", "twice"},
    {SMALL "pcrs: [{pcr: 14, values: []}]\n", "values"},
    {SMALL "pcrs: [{pcr: 14, values: [00]}]\n", "pcrs 1: digest"},
    {SMALL "pcrs: [{pcr: 14}]\n", "Missing required mapping field: values"},
    {SMALL LAUNCH "boot_events: [{pcr: 0, type: EV_NO_SUCH, digest: " ONE "}]\n",
     "boot_events 1: unknown event type 'EV_NO_SUCH'"},
    {SMALL LAUNCH "boot_events: [{pcr: 0, type: \"0x0000000G\", digest: " ONE "}]\n",
     "boot_events 1"},
    {SMALL LAUNCH "boot_events: [{pcr: 0, type: EV_NO_ACTION, digest: " ONE "}]\n",
     "EV_NO_ACTION is never measured"},
    {SMALL LAUNCH "boot_events: [{pcr: 0, type: EV_POST_CODE, digest: " ONE "}]\n",
     "is never applied: PCR 0 is not required"},
    {SMALL LAUNCH "boot_events: [{pcr: 4294967295, type: EV_POST_CODE, digest: " ONE "}]\n",
     "'pcr'"},
    {SMALL LAUNCH "boot_events: [{pcr: 4294967296, type: EV_POST_CODE, digest: " ONE "}]\n",
     "pcr"},
    {SMALL LAUNCH "files: [{path: /a, digest: " ONE "}]\n", "'files' is never applied"},
    {HEAD "required_pcrs: [10]\nfiles: [{path: /a, digest: " ONE "}, {path: /a, digest: " ONE
          "}]\n",
     "twice"},
    {HEAD "required_pcrs: [10]\nfiles: [{path: /a, digest: 0}]\n", "files 1: digest"},
    {HEAD "required_pcrs: [10]\nfiles: [{path: /a, digest: " ONE "0}]\n", "files 1: digest"},
    {HEAD "required_pcrs: [10]\nfiles: [{path: /a, digest: " ONE ONE "00}]\n",
     "files 1: digest: 65 bytes"},
    {HEAD "required_pcrs: [10]\nfiles: [{path: /a, digest: " ONE ", alg: \"s a\"}]\n", "'alg'"},
    {SMALL LAUNCH "violations_allowed: true\n", "violations_allowed"},
    {SMALL "programs: [{name: \"a b\", digest: " ONE "}]\n", "programs"},
    {SMALL "programs: [{name: a, digest: " ONE "}, {name: a, digest: " ONE "}]\n", "twice"},
    {SMALL "programs: [{name: a, digest: A" ZEROS_8 "}]\n", "programs 1: digest"},
    {SMALL LAUNCH "firmware_min: 12\n", "firmware_min: 16 hexadecimal digits"},
    {SMALL LAUNCH "firmware_min: \"000000000000000g\"\n",
     "firmware_min: 16 hexadecimal digits"},
    {SMALL LAUNCH "resets_ahead_max: 1000001\n", "resets_ahead_max"},
    {SMALL LAUNCH "restarts_ahead_max: -1\n", "restarts_ahead_max"},
    {SMALL LAUNCH "resets_ahead_max: many\n", "resets_ahead_max"},
    {"{", "libyaml"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_buf json;
        enum ks_err err = KS_OK;

        ks_buf_init(&json, KS_REFERENCE_MAX);
        err = load(refused[i].text, &json);
        if (err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) {
            fail_msg("case %zu: %s\n%s", i, ks_err_name(err), refused[i].text);
        }
        expect_failure(err, err, path);
        expect_failure(err, err, refused[i].says);
        ks_buf_done(&json);
    }
}

static void test_not_a_file(void **state)
{
    (void)state;
    struct ks_buf json;

    ks_buf_init(&json, KS_REFERENCE_MAX);
    expect_failure(ks_reference_load("/nonexistent.yaml", &json), KS_ERR_NOT_FOUND,
                   "/nonexistent.yaml");
    expect_failure(ks_reference_load("/tmp", &json), KS_ERR_IO, "/tmp");
    ks_buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_a_file),
    };

    return cmocka_run_group_tests_name("reference_yaml", tests, make_path, remove_path);
}
