/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The configuration of a key manager: the examples, the defaults, and what is refused by name.
 */
#include "unit/expect.h"

#include "base/sys.h"
#include "kme/config.h"

#define REST                                                                                   \
    "tls: {root: r.pem, certificate: c.pem, key: k.pem}\n"                                     \
    "link: {peer: kme-b, role: alice, listen: '127.0.0.1:0', root: r.pem, certificate: "       \
    "c.pem, "                                                                                  \
    "key: k.pem"
#define KME "kme: {id: kme-a, listen: '127.0.0.1:0', state: s}\n"

static void write_config(const char *text, char path[64])
{
    int fd = 0;

    (void)snprintf(path, 64, "/tmp/ketseal-test-kme-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static enum ks_err load(const char *text, struct ks_kme_config **out_config)
{
    char path[64];
    enum ks_err err = KS_OK;

    write_config(text, path);
    err = ks_kme_config_load(path, out_config);
    (void)unlink(path);
    return err;
}

static void test_examples(void **state)
{
    (void)state;
    struct ks_kme_config *a = NULL;
    struct ks_kme_config *b = NULL;

    assert_int_equal(ks_kme_config_load(source_path("examples/kme-a.yaml"), &a), KS_OK);
    assert_int_equal(ks_kme_config_load(source_path("examples/kme-b.yaml"), &b), KS_OK);
    assert_true(ks_kme_config_alice(a) && !ks_kme_config_alice(b));
    assert_string_equal(a->kme.id, b->link.peer);
    assert_string_equal(b->kme.id, a->link.peer);
    assert_true(a->link.listen != NULL && b->link.connect != NULL);
    assert_int_equal(ks_kme_config_profile(a), KS_TLS_POST_QUANTUM);
    assert_true(ks_kme_config_params(a).protocol.pulses ==
                ks_kme_config_params(b).protocol.pulses);
    ks_kme_config_free(a);
    ks_kme_config_free(b);
}

static void test_defaults(void **state)
{
    (void)state;
    struct ks_kme_config *config = NULL;
    struct ks_etsi014_status status;
    struct ks_link_params params;

    assert_int_equal(load(KME REST ", eve: intercept}\n", &config), KS_OK);
    status = ks_kme_config_status(config);
    assert_string_equal(status.source_kme.text, "kme-a");
    assert_string_equal(status.target_kme.text, "kme-b");
    assert_true(status.key_size == 256 && status.min_key_size == 64);
    assert_true(status.max_key_size == 1024 && status.max_key_per_request == 128);
    assert_true(status.max_key_count == 10000 && status.max_sae_id_count == 8);
    assert_true(config->keys.hold_hours == 24 && config->http.loops == 1);
    assert_false(ks_kme_config_ignores_optional(config));
    params = ks_kme_config_params(config);
    assert_int_equal(params.fibre.eve, KS_LINK_EVE_INTERCEPT);
    assert_true(params.fibre.eve_share == 1);
    ks_kme_config_free(config);
    assert_int_equal(load(KME REST ", eve: pns, eve_share: 0.25, distance_km: 7.5}\n"
                                   "keys: {optional: ignore, size: 128}\n",
                          &config),
                     KS_OK);
    params = ks_kme_config_params(config);
    assert_true(params.fibre.eve == KS_LINK_EVE_PNS && params.fibre.eve_share == 0.25);
    assert_true(params.fibre.distance_km == 7.5);
    assert_true(ks_kme_config_ignores_optional(config) && config->keys.size == 128);
    ks_kme_config_free(config);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *words;
    } wrong[] = {
        {REST "}\n", "kme"},
        {"kme: {id: 'caf\xc3\xa9', listen: '127.0.0.1:0', state: s}\n" REST "}\n", "kme.id"},
        {"kme: {id: a, listen: 'localhost', state: s}\n" REST "}\n", "kme.listen"},
        {KME REST ", connect: '127.0.0.1:1'}\n", "link: either listen or connect"},
        {KME REST ", eve: mallory}\n", "link.eve"},
        {KME REST ", eve: pns, eve_share: 1.5}\n", "link"},
        {KME REST ", colour: red}\n", "colour"},
        {KME REST "}\nkeys: {size: 100}\n", "multiples of 8"},
        {KME REST "}\nkeys: {size: 32}\n", "64 <= size_min"},
        {KME REST "}\nkeys: {size_max: 8192}\n", "64 <= size_min"},
        {KME REST "}\nkeys: {per_request: 129}\n", "keys.per_request"},
        {KME REST "}\nkeys: {stored_max: 100001}\n", "keys.stored_max"},
        {KME REST "}\nkeys: {size: 2048, size_max: 2048, stored_max: 100000}\n",
         "keys.stored_max"},
        {KME REST "}\nkeys: {hold_hours: 9000}\n", "keys.hold_hours"},
        {KME REST "}\nkeys: {saes_max: 9}\n", "keys.saes_max"},
        {KME REST "}\nkeys: {optional: no}\n", "keys.optional"},
        {KME REST "}\nadmin: {listen: '0.0.0.0:1'}\n", "a loopback address"},
        {KME REST "}\nhttp: {loops: 65}\n", "http.loops"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ks_kme_config *config = NULL;
        const enum ks_err err = load(wrong[i].text, &config);

        if (err == KS_OK || strstr(ks_err_detail(), wrong[i].words) == NULL) {
            fail_msg("%s: %s", wrong[i].text, ks_err_detail());
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
