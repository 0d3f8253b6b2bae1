/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal.yaml: defaults, paths, limits, and one clear sentence for what is wrong. */
#include "expect.h"

#include "base/sys.h"
#include "server/config.h"

static char folder[64];
static char path[128];

static enum ks_err load(const char *text, struct ks_config **out_config)
{
    assert_int_equal(ks_file_write(path, ks_bytes_text(text), 0600), KS_OK);
    return ks_config_load(path, out_config);
}

#define SITE "site:\n  origin: lab.example/ketseal\n  listen: 127.0.0.1:8443\n  state: state\n"
#define TLS  "tls:\n  root: root.pem\n  certificate: /etc/site.pem\n  key: keys/site.key\n"

static void test_least(void **state)
{
    struct ks_config *config = NULL;
    char wanted[160];
    char address[64];
    uint16_t port = 0;

    (void)state;
    assert_int_equal(load(SITE TLS, &config), KS_OK);
    assert_string_equal(config->site.origin, "lab.example/ketseal");
    (void)snprintf(wanted, sizeof wanted, "%s/state", folder);
    assert_string_equal(config->site.state, wanted); /* relative to the file's own folder */
    (void)snprintf(wanted, sizeof wanted, "%s/keys/site.key", folder);
    assert_string_equal(config->tls.key, wanted);
    assert_string_equal(config->tls.certificate, "/etc/site.pem");
    assert_null(config->tls.crl);
    assert_null(config->tls.groups);
    assert_null(config->tpm);
    assert_true(config->workers.count >= 1 && config->workers.threads == 1);
    assert_true(config->workers.memory_mib == 1024 && config->workers.seconds == 300);
    assert_true(config->http.loops == 1 && config->http.connections == 1024);
    assert_int_equal(ks_config_listen(config, address, &port), KS_OK);
    assert_string_equal(address, "127.0.0.1");
    assert_int_equal(port, 8443);
    ks_config_free(config);
}

static void test_all(void **state)
{
    struct ks_config *config = NULL;

    (void)state;
    assert_int_equal(load(SITE TLS "  crl: list.pem\n  groups: MLKEM768\ntpm: /dev/tpmrm0\n"
                                   "workers:\n  count: 3\n  threads: 2\n  memory_mib: 64\n"
                                   "  seconds: 7\nhttp:\n  loops: 2\n  connections: 9\n",
                          &config),
                     KS_OK);
    assert_non_null(strstr(config->tls.crl, "/list.pem"));
    assert_string_equal(config->tls.groups, "MLKEM768");
    assert_string_equal(config->tpm, "/dev/tpmrm0");
    assert_true(config->workers.count == 3 && config->workers.threads == 2);
    assert_true(config->workers.memory_mib == 64 && config->workers.seconds == 7);
    assert_true(config->http.loops == 2 && config->http.connections == 9);
    ks_config_free(config);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        enum ks_err err;
        const char *reason;
    } cases[] = {
        {"", KS_ERR_FORMAT, ""},
        {"site: [\n", KS_ERR_FORMAT, ""},
        {"just text\n", KS_ERR_FORMAT, ""},
        {SITE, KS_ERR_FORMAT, "tls"},
        {TLS, KS_ERR_FORMAT, "site"},
        {SITE TLS "unknown: 1\n", KS_ERR_FORMAT, "unknown"},
        {SITE "  surprise: 1\n" TLS, KS_ERR_FORMAT, "surprise"},
        {SITE TLS "workers:\n  count: 257\n", KS_ERR_LIMIT, "workers.count"},
        {SITE TLS "workers:\n  count: -1\n", KS_ERR_FORMAT, "-1"},
        {SITE TLS "workers:\n  count: many\n", KS_ERR_FORMAT, "many"},
        {SITE TLS "workers:\n  threads: 257\n", KS_ERR_LIMIT, "workers.threads"},
        {SITE TLS "workers:\n  memory_mib: 99999999999\n", KS_ERR_FORMAT, ""},
        {SITE TLS "http:\n  loops: 65\n", KS_ERR_LIMIT, "http.loops"},
        {SITE TLS "tpm: hardware\n", KS_ERR_FORMAT, "tpm"},
        {"site:\n  origin: \"\"\n  listen: 127.0.0.1:1\n  state: s\n" TLS, KS_ERR_FORMAT, ""},
        {"site:\n  origin: o\n  listen: nowhere\n  state: s\n" TLS, KS_ERR_FORMAT,
         "site.listen"},
        {"site:\n  origin: o\n  listen: \":80\"\n  state: s\n" TLS, KS_ERR_FORMAT,
         "site.listen"},
        {"site:\n  origin: o\n  listen: h:65536\n  state: s\n" TLS, KS_ERR_LIMIT, "port"},
        {"site:\n  origin: o\n  listen: \"h: 80\"\n  state: s\n" TLS, KS_ERR_FORMAT, "port"},
        {"site:\n  origin: o\n  listen: h:080\n  state: s\n" TLS, KS_ERR_FORMAT, "port"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_config *config = NULL;
        const enum ks_err err = load(cases[i].text, &config);

        if ((err != cases[i].err && err != KS_ERR_FORMAT) || err == KS_OK) {
            fail_msg("case %zu: %d %s", i, (int)err, ks_err_detail());
        }
        assert_null(config);
        if (strstr(ks_err_detail(), cases[i].reason) == NULL ||
            strstr(ks_err_detail(), path) == NULL) {
            fail_msg("case %zu: '%s' lacks '%s' or the file", i, ks_err_detail(),
                     cases[i].reason);
        }
    }
}

static void test_addresses(void **state)
{
    static const struct {
        const char *listen;
        const char *address;
        unsigned port;
    } cases[] = {
        {"\"[::1]:8443\"", "::1", 8443},
        {"0.0.0.0:0", "0.0.0.0", 0},
        {"localhost:65535", "localhost", 65535},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_config *config = NULL;
        char text[512];
        char address[64];
        uint16_t port = 1;

        (void)snprintf(text, sizeof text, "site:\n  origin: o\n  listen: %s\n  state: s\n" TLS,
                       cases[i].listen);
        assert_int_equal(load(text, &config), KS_OK);
        assert_int_equal(ks_config_listen(config, address, &port), KS_OK);
        assert_string_equal(address, cases[i].address);
        assert_int_equal(port, cases[i].port);
        ks_config_free(config);
    }
}

static void test_files(void **state)
{
    struct ks_config *config = NULL;
    struct ks_buf text;
    char missing[160];

    (void)state;
    (void)snprintf(missing, sizeof missing, "%s/missing.yaml", folder);
    assert_int_equal(ks_config_load(missing, &config), KS_ERR_NOT_FOUND);
    ks_buf_init(&text, KS_CONFIG_BYTES_MAX + 1);
    ks_buf_put_text(&text, SITE TLS "# ");
    while (text.len <= KS_CONFIG_BYTES_MAX) {
        ks_buf_put_u8(&text, '.');
    }
    assert_int_equal(ks_file_write(path, ks_buf_view(&text), 0600), KS_OK);
    assert_int_equal(ks_config_load(path, &config), KS_ERR_LIMIT);
    ks_buf_done(&text);
    assert_null(config);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", "/tmp/ketseal-config-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/ketseal.yaml", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),   cmocka_unit_test(test_all),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
