/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Settings of a command in YAML: what is read from where, and what is refused, each with file,
 * line and key. */
#include "expect.h"

#include "base/sys.h"
#include "config/settings.h"

static const struct ks_settings_key keys[] = {
    {"rounds", false, false},
    {"device", true, false},
    {"first", false, true},
    {"data", true, true},
};
enum { ROUNDS, DEVICE, FIRST, DATA, KEYS };

static char path[64];

static int make_path(void **state)
{
    int fd = -1;

    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/test_settings.XXXXXX");
    fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static enum ks_err open_text(const char *text, struct ks_settings **out_settings)
{
    assert_int_equal(ks_file_write(path, ks_bytes_text(text), 0600), KS_OK);
    return ks_settings_open(path, keys, KEYS, out_settings);
}

static void expect_values(const struct ks_settings *settings, size_t key, unsigned line,
                          const char *first, const char *second)
{
    const char *const *values = NULL;
    const char *const want[] = {first, second};
    const size_t count = (first != NULL ? 1u : 0u) + (second != NULL ? 1u : 0u);

    assert_int_equal(ks_settings_values(settings, key, &values), count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(values[i], want[i]);
    }
    assert_int_equal(ks_settings_line(settings, key), line);
}

static void test_read(void **state)
{
    struct ks_settings *settings = NULL;

    (void)state;
    assert_int_equal(open_text("# first line\n"
                               "rounds: 10\n"
                               "device:\n"
                               "  - edge-1\n"
                               "  - 'edge 2'\n"
                               "\n"
                               "data: [/abs/a.csv, b.csv]\n",
                               &settings),
                     KS_OK);
    expect_values(settings, ROUNDS, 2, "10", NULL);
    expect_values(settings, DEVICE, 3, "edge-1", "edge 2");
    expect_values(settings, FIRST, 0, NULL, NULL);
    expect_values(settings, DATA, 7, "/abs/a.csv", "/tmp/b.csv");
    ks_settings_close(settings);
    assert_int_equal(open_text("{rounds: '', first: m}", &settings), KS_OK);
    expect_values(settings, ROUNDS, 0, "", NULL); /* in no line of its own */
    expect_values(settings, FIRST, 0, "/tmp/m", NULL);
    ks_settings_close(settings);
    ks_settings_close(NULL);
}

static const struct {
    const char *text;
    const char *error; /* behind the file's name */
} refused[] = {
    {"", ": it is empty"},
    {"# nothing\n", ": it is empty"},
    {"- a\n", ": Expecting MAPPING"},
    {"rounds\n", ": Expecting MAPPING"},
    {"rounds: 1\n\ncolour: red\n", ":3: Unexpected key: colour"},
    {"Rounds: 1\n", ":1: Unexpected key: Rounds"},
    {"rounds: 1\n\n\nrounds: 2\n", ":4: rounds: Mapping field already seen: rounds"},
    {"rounds: [1]\n", ":1: rounds: Expecting STRING"},
    {"rounds: {a: 1}\n", ":1: rounds: Expecting STRING"},
    {"device: edge-1\n", ":1: device: Expecting SEQUENCE"},
    {"device: [[a]]\n", ":1: device: Expecting STRING"},
    {"rounds: 1\ndevice: [a\n", ":2: device: libyaml: "},
    {"rounds: \"\\xzz\"\n", "libyaml: "},
    {"device: &a [*a]\n", "device: "},
};

static void test_refused(void **state)
{
    struct ks_settings *settings = NULL;
    char want[256];

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(open_text(refused[i].text, &settings), KS_ERR_FORMAT);
        (void)snprintf(want, sizeof want, "%s%s", refused[i].error[0] == ':' ? path : "",
                       refused[i].error);
        if (strstr(ks_err_detail(), want) == NULL) {
            fail_msg("%s: %s", refused[i].text, ks_err_detail());
        }
    }
    assert_null(settings);
    assert_int_equal(ks_settings_open("/nowhere/at.yaml", keys, KEYS, &settings),
                     KS_ERR_NOT_FOUND);
}

/* As many texts as a list may have, and one more; as long as a text may be, and longer. */
static void test_limits(void **state)
{
    struct ks_settings *settings = NULL;
    struct ks_buf text;
    const char *const *values = NULL;

    (void)state;
    ks_buf_init(&text, (size_t)4 * KS_SETTINGS_BYTES_MAX);
    for (unsigned more = 0; more <= 1; more++) {
        ks_buf_clear(&text);
        ks_buf_put_text(&text, "device: [");
        for (unsigned i = 0; i < KS_SETTINGS_VALUES_MAX + more; i++) {
            ks_buf_put_text(&text, "a, ");
        }
        ks_buf_put_text(&text, "]\n");
        ks_buf_put_u8(&text, 0);
        assert_int_equal(open_text((char *)text.data, &settings),
                         more == 0 ? KS_OK : KS_ERR_FORMAT);
        if (more == 0) {
            assert_int_equal(ks_settings_values(settings, DEVICE, &values),
                             KS_SETTINGS_VALUES_MAX);
            ks_settings_close(settings);
        }
        ks_buf_clear(&text);
        ks_buf_put_text(&text, "rounds: ");
        for (unsigned i = 0; i < KS_SETTINGS_TEXT_MAX + more; i++) {
            ks_buf_put_u8(&text, 'a');
        }
        ks_buf_put_u8(&text, 0);
        assert_int_equal(open_text((char *)text.data, &settings),
                         more == 0 ? KS_OK : KS_ERR_FORMAT);
        ks_settings_close(more == 0 ? settings : NULL);
    }
    ks_buf_clear(&text);
    for (unsigned i = 0; i <= KS_SETTINGS_BYTES_MAX; i++) {
        ks_buf_put_u8(&text, '\n');
    }
    ks_buf_put_u8(&text, 0);
    assert_int_equal(open_text((char *)text.data, &settings), KS_ERR_LIMIT);
    ks_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_refused, make_path, remove_path),
        cmocka_unit_test_setup_teardown(test_limits, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
