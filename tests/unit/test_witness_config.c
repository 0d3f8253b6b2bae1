/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The configuration of a witness: what it comes to, and what is refused by name. */
#include "unit/expect.h"

#include "base/sys.h"
#include "witness/config.h"

#define SELF  "witness: {name: w.example/1, listen: '127.0.0.1:0', state: s}\n"
#define KEYS  "keys: {ed25519: a.key}\n"
#define LOGS  "logs: [{keys: ['%s']}]\n"
#define OTHER "logs: [{origin: other.example/log, keys: ['%s', '%s']}]\n"

/* A vkey of type 0x01 under NAME. */
static void make_vkey(const char *name, uint8_t first, char vkey[256])
{
    struct ks_sign_key *key = NULL;
    uint8_t seed[32];
    struct ks_buf text;

    memset(seed, first, sizeof seed);
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed), &key), KS_OK);
    const struct ks_note_signer signer = {ks_bytes_text(name), KS_NOTE_ED25519, key};

    ks_buf_init(&text, 255);
    assert_int_equal(ks_note_signer_vkey(&signer, &text), KS_OK);
    ks_copy(vkey, text.data, text.len);
    vkey[text.len] = '\0';
    ks_buf_done(&text);
    ks_sign_key_free(key);
}

static enum ks_err load(const char *text, struct ks_witness_config **out_config)
{
    char path[64];
    int fd = 0;
    enum ks_err err = KS_OK;

    (void)snprintf(path, sizeof path, "/tmp/ketseal-test-witness-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    err = ks_witness_config_load(path, out_config);
    (void)unlink(path);
    return err;
}

static void test_what_it_comes_to(void **state)
{
    struct ks_witness_config *config = NULL;
    struct ks_witness_logs logs;
    char one[256];
    char two[256];
    char text[2048];

    (void)state;
    make_vkey("log.example/a", 1, one);
    make_vkey("log.example/a", 2, two);
    (void)snprintf(text, sizeof text, SELF KEYS LOGS, one);
    assert_int_equal(load(text, &config), KS_OK);
    assert_string_equal(config->keys.ed25519, "/tmp/a.key");
    assert_string_equal(config->witness.state, "/tmp/s");
    assert_null(config->witness.prefix);
    assert_int_equal(ks_witness_config_logs(config, &logs), KS_OK);
    assert_int_equal(logs.count, 1);
    expect_text(logs.logs[0].origin, "log.example/a"); /* of its key */
    ks_witness_logs_done(&logs);
    ks_witness_config_free(config);

    (void)snprintf(text, sizeof text, SELF KEYS OTHER, one, two);
    assert_int_equal(load(text, &config), KS_OK);
    assert_int_equal(ks_witness_config_logs(config, &logs), KS_OK);
    assert_int_equal(logs.logs[0].key_count, 2);
    expect_text(logs.logs[0].origin, "other.example/log");
    ks_witness_logs_done(&logs);
    ks_witness_config_free(config);
}

static void test_example(void **state)
{
    struct ks_witness_config *config = NULL;
    struct ks_witness_logs logs;

    (void)state;
    assert_int_equal(ks_witness_config_load(source_path("examples/witness.yaml"), &config),
                     KS_OK);
    assert_int_equal(ks_witness_config_logs(config, &logs), KS_OK);
    expect_text(logs.logs[0].origin, "example.net/someone");
    ks_witness_logs_done(&logs);
    ks_witness_config_free(config);
}

static const struct {
    const char *text; /* with one %s for a vkey */
    const char *says;
} bad[] = {
    {KEYS LOGS, "witness"},
    {SELF LOGS, "keys"},
    {SELF KEYS "# %s\n", "logs"},
    {SELF "keys: {}\n" LOGS, "ed25519, mldsa44 or both"},
    {SELF KEYS "logs: []\n# %s\n", "logs"},
    {SELF KEYS "logs: [{origin: a}]\n# %s\n", "keys"},
    {SELF KEYS "logs: [{keys: []}]\n# %s\n", "keys"},
    {SELF KEYS LOGS "more: 1\n", "more"},
    {"witness: {name: 'a b', listen: '127.0.0.1:0', state: s}\n" KEYS LOGS, "witness.name"},
    {"witness: {name: a+b, listen: '127.0.0.1:0', state: s}\n" KEYS LOGS, "witness.name"},
    {"witness: {name: a, listen: '127.0.0.1', state: s}\n" KEYS LOGS, "witness.listen"},
    {"witness: {name: a, listen: '127.0.0.1:0', prefix: a, state: s}\n" KEYS LOGS,
     "witness.prefix"},
    {"witness: {name: a, listen: '127.0.0.1:0', prefix: '/', state: s}\n" KEYS LOGS,
     "witness.prefix"},
    {"witness: {name: a, listen: '127.0.0.1:0', prefix: /a/, state: s}\n" KEYS LOGS,
     "witness.prefix"},
    {"witness: {name: a, listen: '127.0.0.1:0', prefix: '/a?b', state: s}\n" KEYS LOGS,
     "witness.prefix"},
    {"witness: {name: a, listen: '127.0.0.1:0'}\n" KEYS LOGS, "state"},
};

static void test_refused(void **state)
{
    char vkey[256];
    char text[2048];

    (void)state;
    make_vkey("log.example/a", 1, vkey);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ks_witness_config *config = NULL;
        const char *at = strstr(bad[i].text, "%s");

        assert_non_null(at);
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - bad[i].text), bad[i].text,
                       vkey, at + 2);
        expect_failure(load(text, &config), KS_ERR_FORMAT, bad[i].says);
    }
}

static void test_bad_keys(void **state)
{
    static const char *const vkeys[] = {"a", "a+b", "log+00000000+AAAA"};

    (void)state;
    for (size_t i = 0; i < sizeof vkeys / sizeof vkeys[0]; i++) {
        struct ks_witness_config *config = NULL;
        struct ks_witness_logs logs;
        char text[512];

        (void)snprintf(text, sizeof text, SELF KEYS LOGS, vkeys[i]);
        assert_int_equal(load(text, &config), KS_OK);
        expect_failure(ks_witness_config_logs(config, &logs), KS_ERR_FORMAT,
                       "logs: log 1, key 1");
        ks_witness_logs_done(&logs);
        ks_witness_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),
        cmocka_unit_test(test_what_it_comes_to),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bad_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
