/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "unit/expect.h"

#include "base/sys.h"
#include "config/yaml.h"
#include "crypto/sigalgs.h"
#include "server/config.h"

#define SITE "site:\n  origin: lab.example/ketseal\n  listen: 127.0.0.1:8443\n  state: state\n"
#define TLS  "tls:\n  root: root.pem\n  certificate: /etc/server.pem\n  key: server.key\n"

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/test_config.XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return 1;
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

static enum ks_err load(const char *text, struct ks_config **out_config)
{
    assert_int_equal(ks_file_write(path, ks_bytes_text(text), 0600), KS_OK);
    return ks_config_load(path, out_config);
}

static void expect_path(const char *got, const char *name)
{
    char wanted[128];

    (void)snprintf(wanted, sizeof wanted, "%s/%s", folder, name);
    assert_string_equal(got, wanted);
}

static void test_smallest(void **state)
{
    (void)state;
    struct ks_config *config = NULL;
    char address[64];
    uint16_t port = 0;

    assert_int_equal(load(SITE TLS, &config), KS_OK);
    assert_string_equal(config->site.origin, "lab.example/ketseal");
    expect_path(config->site.state, "state");
    expect_path(config->tls.root, "root.pem");
    expect_path(config->tls.key, "server.key");
    assert_string_equal(config->tls.certificate, "/etc/server.pem");
    assert_null(config->tls.crl);
    assert_null(config->tls.groups);
    assert_null(config->tpm);
    assert_true(config->workers.count >= 2 && config->workers.threads == 1);
    assert_true(config->workers.memory_mib == 1024 && config->workers.seconds == 300);
    assert_true(config->http.loops == 1 && config->http.connections == 1024);
    assert_null(config->enclave.update_authority);
    assert_null(config->enclave.update_authorisation);
    assert_int_equal(ks_config_seal_pcrs(config), 1 << 14);
    assert_int_equal(config->enclave.counter, 0x018b5e01);
    assert_int_equal(config->enclave.epoch_seconds, 60);
    assert_true(config->quote.window_ms == 0 && config->quote.refresh_seconds == 300);
    assert_int_equal(config->traces.keep, 100000);
    assert_int_equal(config->refusals.per_hour, 0);
    assert_true(config->fl.workers == 0 && config->fl.memory_mib == 4096);
    assert_true(config->fl.params == 4194304 && config->fl.upload_mib == 1024);
    assert_int_equal(ks_config_listen("site.listen", config->site.listen, address, &port),
                     KS_OK);
    assert_string_equal(address, "127.0.0.1");
    assert_int_equal(port, 8443);
    ks_config_free(config);
}

static void test_all_fields(void **state)
{
    (void)state;
    struct ks_config *config = NULL;

    assert_int_equal(load(SITE TLS
                          "  crl: crl.pem\n  groups: MLKEM1024\ntpm: /dev/tpmrm0\n"
                          "workers:\n  count: 256\n  threads: 256\n  memory_mib: 3\n"
                          "  seconds: 4\nhttp:\n  loops: 64\n  connections: 5\n"
                          "enclave:\n  seal_pcrs: [0, 7, 14]\n  counter: 0x01800007\n"
                          "  update_authority: authority.der\n"
                          "  update_authorisation: /var/update\n  epoch_seconds: 86400\n"
                          "quote:\n  window_ms: 10000\n  refresh_seconds: 9\n"
                          "traces:\n  keep: 7\n"
                          "refusals:\n  per_hour: 8\n"
                          "fl:\n  workers: 2\n  memory_mib: 5\n  params: 6\n"
                          "  upload_mib: 65536\n",
                          &config),
                     KS_OK);
    expect_path(config->tls.crl, "crl.pem");
    assert_string_equal(config->tls.groups, "MLKEM1024");
    assert_string_equal(config->tpm, "/dev/tpmrm0");
    assert_true(config->workers.count == 256 && config->workers.threads == 256);
    assert_true(config->workers.memory_mib == 3 && config->workers.seconds == 4);
    assert_true(config->http.loops == 64 && config->http.connections == 5);
    assert_int_equal(ks_config_seal_pcrs(config), 0x4081);
    assert_int_equal(config->enclave.counter, 0x01800007);
    expect_path(config->enclave.update_authority, "authority.der");
    assert_string_equal(config->enclave.update_authorisation, "/var/update");
    assert_int_equal(config->enclave.epoch_seconds, 86400);
    assert_true(config->quote.window_ms == 10000 && config->quote.refresh_seconds == 9);
    assert_int_equal(config->traces.keep, 7);
    assert_int_equal(config->refusals.per_hour, 8);
    assert_true(config->fl.workers == 2 && config->fl.memory_mib == 5);
    assert_true(config->fl.params == 6 && config->fl.upload_mib == 65536);
    ks_config_free(config);
}

#define ENROL "enrolment:\n  listen: 127.0.0.1:8444\n"
#define RULES "devices:\n  ek_roots: makers.pem\n  reference: reference.yaml\n"

static void test_enrolment(void **state)
{
    (void)state;
    struct ks_config *config = NULL;

    assert_int_equal(load(SITE TLS, &config), KS_OK);
    assert_null(config->enrolment.listen);
    assert_null(config->devices.ek_roots);
    assert_null(config->devices.simulated_ek_roots);
    assert_null(config->devices.reference);
    assert_true(config->devices.attest_every_s == 0 && config->devices.certificate_days == 365);
    assert_true(ks_config_accepts_issued(config));
    ks_config_free(config);
    assert_int_equal(load(SITE TLS ENROL RULES, &config), KS_OK);
    assert_string_equal(config->enrolment.listen, "127.0.0.1:8444");
    expect_path(config->devices.ek_roots, "makers.pem");
    expect_path(config->devices.reference, "reference.yaml");
    assert_false(ks_config_accepts_issued(config));
    ks_config_free(config);
    assert_int_equal(load(SITE TLS ENROL RULES "  issued: accept\n", &config), KS_OK);
    assert_true(ks_config_accepts_issued(config));
    ks_config_free(config);
    assert_int_equal(load(SITE TLS "devices:\n  issued: refuse\n  attest_every_s: 60\n"
                                   "  certificate_days: 36500\n"
                                   "  simulated_ek_roots: /etc/simulators.pem\n",
                          &config),
                     KS_OK);
    assert_false(ks_config_accepts_issued(config));
    assert_true(config->devices.attest_every_s == 60);
    assert_true(config->devices.certificate_days == 36500);
    assert_string_equal(config->devices.simulated_ek_roots, "/etc/simulators.pem");
    ks_config_free(config);
}

static void test_signature_algorithms(void **state)
{
    (void)state;
    struct ks_config *config = NULL;

    assert_int_equal(load(SITE TLS, &config), KS_OK);
    assert_null(config->tls.signature_algorithms);
    assert_int_equal(ks_config_key_algs(config),
                     KS_SIGALG_BIT(KS_SIG_MLDSA65) | KS_SIGALG_BIT(KS_SIG_MLDSA87));
    ks_config_free(config);
    assert_int_equal(
        load(SITE TLS "  signature_algorithms: slhdsa_sha2_128f:mldsa65\n", &config), KS_OK);
    assert_int_equal(ks_config_key_algs(config),
                     KS_SIGALG_BIT(KS_SIG_MLDSA65) | KS_SIGALG_BIT(KS_SIG_SLHDSA_SHA2_128F));
    ks_config_free(config);
}

/* The example of the manual, as it stands there. */
static void test_the_manuals_example(void **state)
{
    (void)state;
    struct ks_config *config = NULL;
    struct ks_buf manual;
    static const char begin[] = ".Bd -literal -offset indent\n";

    ks_buf_init(&manual, 65536);
    assert_int_equal(ks_file_read(source_path("docs/man/ketseal.yaml.5"), 65536, &manual),
                     KS_OK);
    ks_buf_put_u8(&manual, 0);
    char *example = strstr((char *)manual.data, begin);
    assert_non_null(example);
    example += sizeof begin - 1;
    char *end = strstr(example, "\n.Ed");
    assert_non_null(end);
    end[1] = '\0';
    assert_int_equal(load(example, &config), KS_OK);
    assert_int_equal(config->workers.count, 4);
    assert_int_equal(config->workers.memory_mib, 4096);
    ks_config_free(config);
    ks_buf_done(&manual);
}

/* Off unless a model is named, and then nobody is suspended unless that is asked for. */
static void test_detector(void **state)
{
    (void)state;
    struct ks_config *config = NULL;

    assert_int_equal(load(SITE TLS, &config), KS_OK);
    assert_null(config->detector.model);
    assert_int_equal(config->detector.suspend_after, 0);
    ks_config_free(config);
    assert_int_equal(load(SITE TLS "detector:\n  model: /m.forest\n", &config), KS_OK);
    assert_string_equal(config->detector.model, "/m.forest");
    assert_true(config->detector.suspend_after == 0 && config->detector.suspend_window_s == 0);
    ks_config_free(config);
    assert_int_equal(load(SITE TLS "detector:\n  fl_model: /f.forest\n", &config), KS_OK);
    assert_null(config->detector.model);
    assert_string_equal(config->detector.fl_model, "/f.forest");
    ks_config_free(config);
    assert_int_equal(load(SITE TLS "detector:\n  model: m\n  suspend_after: 3\n", &config),
                     KS_OK);
    assert_true(config->detector.suspend_after == 3 &&
                config->detector.suspend_window_s == 3600);
    ks_config_free(config);
    assert_int_equal(load(SITE TLS "detector:\n  model: m\n  suspend_after: 64\n"
                                   "  suspend_window_s: 60\n",
                          &config),
                     KS_OK);
    assert_true(config->detector.suspend_after == 64 &&
                config->detector.suspend_window_s == 60);
    ks_config_free(config);
}

#define KME(url)                                                                               \
    "keys:\n  source: etsi014\n  kme:\n    root: r\n    certificate: c\n    key: k\n    "      \
    "url: " url "\n"

static void test_keys(void **state)
{
    (void)state;
    struct ks_config *config = NULL;
    struct ks_config_authority authority = {0};

    assert_int_equal(load(SITE TLS, &config), KS_OK);
    assert_int_equal(ks_config_key_source(config), KS_KEY_SOURCE_KEM);
    assert_int_equal(ks_config_kme_authority(config, &authority), KS_OK);
    assert_string_equal(authority.text, "");
    assert_int_equal(authority.port, 0);
    assert_true(config->keys.low == 16 && config->keys.stock == 512);
    assert_true(config->keys.life_seconds == 3600 && config->keys.kme.timeout_ms == 5000);
    ks_config_free(config);
    assert_int_equal(
        load(SITE TLS KME("https://[::1]:9443") "  when_down: kem\n  low: 3\n", &config),
        KS_OK);
    assert_int_equal(ks_config_key_source(config), KS_KEY_SOURCE_ETSI014);
    assert_int_equal(ks_config_kme_authority(config, &authority), KS_OK);
    assert_string_equal(authority.text, "[::1]:9443");
    assert_string_equal(authority.host, "::1");
    assert_int_equal(authority.port, 9443);
    assert_int_equal(config->keys.low, 3);
    assert_string_equal(config->keys.when_down, "kem");
    ks_config_free(config);
}

static const struct {
    const char *text;
    enum ks_err err;
    const char *says; /* after the file's name; the beginning, where it ends with a space */
} refused[] = {
    {"", KS_ERR_FORMAT, "it is empty"},
    {"# nothing\n", KS_ERR_FORMAT, "it is empty"},
    {SITE, KS_ERR_FORMAT, "Missing required mapping field: tls"},
    {TLS, KS_ERR_FORMAT, "Missing required mapping field: site"},
    {"site:\n  origin: a\n  state: b\n" TLS, KS_ERR_FORMAT,
     "site: Missing required mapping field: listen"},
    {SITE "tls:\n  root: a\n  key: b\n", KS_ERR_FORMAT,
     "tls: Missing required mapping field: certificate"},
    {SITE TLS "colour: red\n", KS_ERR_FORMAT, "Unexpected key: colour"},
    {SITE TLS "workers:\n  colour: 1\n", KS_ERR_FORMAT, "workers: Unexpected key: colour"},
    {SITE TLS "tpm: swtpm\ntpm: swtpm\n", KS_ERR_FORMAT,
     "tpm: Mapping field already seen: tpm"},
    {SITE TLS "workers:\n  count: many\n", KS_ERR_FORMAT,
     "workers.count: Invalid uint64_t value: 'many'"},
    {SITE TLS "workers:\n  threads: -1\n", KS_ERR_FORMAT,
     "workers.threads: Invalid UINT value: "},
    {SITE TLS "http:\n  connections: 4294967296\n", KS_ERR_FORMAT,
     "http.connections: Invalid UINT value: '4294967296'"},
    {SITE TLS "workers: [1]\n", KS_ERR_FORMAT,
     "workers: Expecting MAPPING, got event: SEQUENCE_START"},
    {"site:\n  origin: {a: b}\n", KS_ERR_FORMAT,
     "site.origin: Expecting STRING, got event: MAPPING_START"},
    {"site:\n  origin: ''\n", KS_ERR_FORMAT, "site.origin: STRING length < 1: "},
    {"hello\n", KS_ERR_FORMAT, "Expecting MAPPING, got event: SCALAR"},
    {"\001\002", KS_ERR_FORMAT, "libyaml: control characters are not allowed"},
    {SITE TLS "workers:\n  count: 257\n", KS_ERR_LIMIT, "workers.count: 1 to 256"},
    {SITE TLS "workers:\n  threads: 257\n", KS_ERR_LIMIT, "workers.threads: 1 to 256"},
    {SITE TLS "http:\n  loops: 65\n", KS_ERR_LIMIT, "http.loops: 1 to 64"},
    {SITE TLS "keys:\n  source: qkd\n", KS_ERR_FORMAT,
     "keys.source: expected kem, etsi014 or both"},
    {SITE TLS "keys:\n  when_down: wait\n", KS_ERR_FORMAT, "keys.when_down: 'refuse' or 'kem'"},
    {SITE TLS "keys:\n  source: both\n", KS_ERR_FORMAT, "keys.source 'both' needs keys.kme"},
    {SITE TLS "keys:\n  kme:\n    url: https://a:1\n", KS_ERR_FORMAT,
     "keys.kme: Missing required mapping field: root"},
    {SITE TLS KME("http://a:1"), KS_ERR_FORMAT, "keys.kme.url: expected https://host:port"},
    {SITE TLS KME("https://a"), KS_ERR_FORMAT, "keys.kme.url: expected address:port"},
    {SITE TLS KME("https://a:0"), KS_ERR_FORMAT, "keys.kme.url: port 1 to 65535"},
    {SITE TLS KME("https://a:1/b"), KS_ERR_FORMAT, "keys.kme.url: port: "},
    {SITE TLS KME("https://a:1") "    tls: none\n", KS_ERR_FORMAT,
     "keys.kme.tls: 'post-quantum' or 'classical'"},
    {SITE TLS KME("https://a:1") "    timeout_ms: 60001\n", KS_ERR_LIMIT,
     "keys.kme.timeout_ms: 1 to 60000"},
    {SITE TLS "keys:\n  stock: 4097\n", KS_ERR_LIMIT, "keys.stock: 1 to 4096"},
    {SITE TLS "keys:\n  stock: 8\n", KS_ERR_LIMIT, "keys.low: 1 to 8, keys.stock"},
    {SITE TLS "keys:\n  life_seconds: 86401\n", KS_ERR_LIMIT, "keys.life_seconds: 1 to 86400"},
    {SITE TLS "enclave:\n  seal_pcrs: [0, 7]\n", KS_ERR_FORMAT,
     "enclave.seal_pcrs: without PCR 14 any program opens the state"},
    {SITE TLS "enclave:\n  seal_pcrs: [14, 24]\n", KS_ERR_LIMIT, "enclave.seal_pcrs: 0 to 23"},
    {SITE TLS "enclave:\n  counter: 0x01c00002\n", KS_ERR_LIMIT,
     "enclave.counter: 0x01800000 to 0x01bfffff"},
    {SITE TLS "enclave:\n  epoch_seconds: 86401\n", KS_ERR_LIMIT,
     "enclave.epoch_seconds: 1 to 86400"},
    {SITE TLS "detector:\n  suspend_after: 3\n", KS_ERR_FORMAT,
     "detector.suspend_after: it needs detector.model or detector.fl_model"},
    {SITE TLS "fl:\n  suspicion: 6\n", KS_ERR_FORMAT,
     "fl.workers: without any there is no federated learning here"},
    {SITE TLS "fl:\n  workers: 1\n  suspicion: -1\n", KS_ERR_LIMIT,
     "fl.suspicion: 0 to 1000000"},
    {SITE TLS "fl:\n  workers: 1\n  suspend_after: 1\n", KS_ERR_FORMAT,
     "fl.suspend_after: it needs fl.suspicion"},
    {SITE TLS "fl:\n  workers: 1\n  suspicion: 6\n  suspend_window_s: 1\n", KS_ERR_FORMAT,
     "fl.suspend_window_s: it needs fl.suspend_after"},
    {SITE TLS "fl:\n  workers: 1\n  suspicion: 6\n  suspend_after: 65\n", KS_ERR_LIMIT,
     "fl.suspend_after: 0 to 64"},
    {SITE TLS "detector:\n  model: m\n  suspend_after: 65\n", KS_ERR_LIMIT,
     "detector.suspend_after: 0 to 64"},
    {SITE TLS "detector:\n  model: m\n  suspend_window_s: 5\n", KS_ERR_FORMAT,
     "detector.suspend_window_s: it needs detector.suspend_after"},
    {SITE TLS "detector:\n  model: m\n  suspend_after: 1\n  suspend_window_s: 31622401\n",
     KS_ERR_LIMIT, "detector.suspend_window_s: 1 to 31622400"},
    {SITE TLS "quote:\n  window_ms: 10001\n", KS_ERR_LIMIT, "quote.window_ms: 0 to 10000"},
    {SITE TLS "traces:\n  keep: 10000001\n", KS_ERR_LIMIT, "traces.keep: 1 to 10000000"},
    {SITE TLS "refusals:\n  per_hour: 3601\n", KS_ERR_LIMIT, "refusals.per_hour: 0 to 3600"},
    {SITE TLS "fl:\n  params: 7\n", KS_ERR_FORMAT,
     "fl.workers: without any there is no federated learning here"},
    {SITE TLS "fl:\n  workers: 1\n  upload_mib: 65537\n", KS_ERR_LIMIT,
     "fl.upload_mib: 1 to 65536"},
    {SITE TLS "fl:\n  workers: 1\n  upload_mib: 33\n", KS_ERR_LIMIT,
     "fl.upload_mib, fl.disk_mib: at least 34 with fl.params 4194304"},
    {SITE TLS "fl:\n  workers: 1\n  params: 268435456\n", KS_ERR_LIMIT,
     "fl.upload_mib, fl.disk_mib: at least 2050 with fl.params 268435456"},
    {SITE TLS "fl:\n  workers: 1\n  disk_mib: 33\n", KS_ERR_LIMIT,
     "fl.upload_mib, fl.disk_mib: at least 34 with fl.params 4194304"},
    {SITE TLS "quote:\n  refresh_seconds: 86401\n", KS_ERR_LIMIT,
     "quote.refresh_seconds: 1 to 86400"},
    {SITE TLS "enrolment:\n  colour: red\n", KS_ERR_FORMAT,
     "enrolment: Unexpected key: colour"},
    {SITE TLS "enrolment: {}\n", KS_ERR_FORMAT,
     "enrolment: Missing required mapping field: listen"},
    {SITE TLS RULES "enrolment:\n  listen: 8444\n", KS_ERR_FORMAT,
     "enrolment.listen: expected address:port"},
    {SITE TLS ENROL, KS_ERR_FORMAT,
     "enrolment.listen: it needs devices.reference, and "
     "devices.ek_roots or devices.simulated_ek_roots"},
    {SITE TLS ENROL "devices:\n  reference: a\n", KS_ERR_FORMAT,
     "enrolment.listen: it needs devices.reference, and "
     "devices.ek_roots or devices.simulated_ek_roots"},
    {SITE TLS ENROL "devices:\n  ek_roots: a\n", KS_ERR_FORMAT,
     "enrolment.listen: it needs devices.reference, and "
     "devices.ek_roots or devices.simulated_ek_roots"},
    {SITE TLS "devices:\n  issued: maybe\n", KS_ERR_FORMAT,
     "devices.issued: 'accept' or 'refuse'"},
    {SITE TLS "devices:\n  certificate_days: 36501\n", KS_ERR_LIMIT,
     "devices.certificate_days: 1 to 36500"},
    {SITE TLS "devices:\n  attest_every_s: 3162240001\n", KS_ERR_LIMIT,
     "devices.attest_every_s: 0 to 3162240000"},
    {SITE TLS "devices:\n  attest_every_s: often\n", KS_ERR_FORMAT,
     "devices.attest_every_s: Invalid uint64_t value: 'often'"},
    {SITE TLS "tpm: tpmrm0\n", KS_ERR_FORMAT, "tpm: 'swtpm' or the path of a device"},
    {SITE TLS "  signature_algorithms: ed25519\n", KS_ERR_FORMAT,
     "tls.signature_algorithms: signature algorithms: 'ed25519' is not one that TLS may use "
     "here"},
    {SITE TLS "  signature_algorithms: mldsa65:mldsa65\n", KS_ERR_FORMAT,
     "tls.signature_algorithms: signature algorithms: 'mldsa65' is there twice"},
    {SITE TLS "  signature_algorithms: ''\n", KS_ERR_FORMAT,
     "tls.signature_algorithms: STRING length < 1: "},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_config *config = NULL;
        char wanted[512];
        const char *said = NULL;

        assert_int_equal(load(refused[i].text, &config), refused[i].err);
        assert_null(config);
        /* PATH, the line where there is one, what is wrong. */
        assert_int_equal(strncmp(ks_err_detail(), path, strlen(path)), 0);
        said = ks_err_detail() + strlen(path);
        said += said[0] == ':' && said[1] != ' ' ? 1 + strspn(said + 1, "0123456789") : 0;
        (void)snprintf(wanted, sizeof wanted, ": %s", refused[i].says);
        /* libcyaml 1.4 tells a value below 0 as what it is read as, 1.3 as it is written. */
        if (refused[i].says[strlen(refused[i].says) - 1] == ' ') {
            assert_int_equal(strncmp(said, wanted, strlen(wanted)), 0);
        } else {
            assert_string_equal(said, wanted);
        }
    }
}

static void test_listen(void **state)
{
    (void)state;
    static const struct {
        const char *listen;
        const char *says; /* NULL: fine, and this: */
        const char *address;
        uint16_t port;
    } cases[] = {
        {"0.0.0.0:0", NULL, "0.0.0.0", 0},
        {"\"[::1]:65535\"", NULL, "::1", 65535},
        {"127.0.0.1", "expected address:port", NULL, 0},
        {"\":80\"", "expected address:port", NULL, 0},
        {"\"[]:80\"", "expected address:port", NULL, 0},
        {"\"::1:80\"", "an IPv6 address needs brackets, such as [::1]:8443", NULL, 0},
        {"\"[::1:80\"", "an IPv6 address needs brackets, such as [::1]:8443", NULL, 0},
        {"127.0.0.1:65536", "port: ", NULL, 0},
        {"\"127.0.0.1:\"", "port: ", NULL, 0},
        {"127.0.0.1:080", "port: ", NULL, 0},
        {"127.0.0.1:-1", "port: ", NULL, 0},
        {"127.0.0.1:http", "port: ", NULL, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_config *config = NULL;
        char text[512];
        char wanted[512];
        char address[64];
        uint16_t port = 0;

        (void)snprintf(text, sizeof text, "site:\n  origin: a\n  state: b\n  listen: %s\n" TLS,
                       cases[i].listen);
        if (cases[i].says != NULL) {
            (void)snprintf(wanted, sizeof wanted, "%s: site.listen: %s", path, cases[i].says);
            expect_failure(load(text, &config), KS_ERR_FORMAT, wanted);
            continue;
        }
        assert_int_equal(load(text, &config), KS_OK);
        assert_int_equal(ks_config_listen("site.listen", config->site.listen, address, &port),
                         KS_OK);
        assert_string_equal(address, cases[i].address);
        assert_int_equal(port, cases[i].port);
        ks_config_free(config);
    }
}

static void test_not_a_file(void **state)
{
    (void)state;
    static char huge[KS_CONFIG_BYTES_MAX + 2];
    struct ks_config *config = NULL;

    expect_failure(ks_config_load(path, &config), KS_ERR_NOT_FOUND, path);
    expect_failure(ks_config_load(folder, &config), KS_ERR_IO, "Is a directory");
    ks_copy(huge, SITE TLS, sizeof SITE TLS - 1);
    for (size_t i = sizeof SITE TLS - 1; i <= KS_CONFIG_BYTES_MAX; i++) {
        huge[i] = '\n';
    }
    expect_failure(load(huge, &config), KS_ERR_LIMIT, "has more than 65536 bytes");
    huge[KS_CONFIG_BYTES_MAX] = '\0';
    assert_int_equal(load(huge, &config), KS_OK);
    ks_config_free(config);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_smallest),
        IN_FOLDER(test_all_fields),
        IN_FOLDER(test_enrolment),
        IN_FOLDER(test_signature_algorithms),
        IN_FOLDER(test_the_manuals_example),
        IN_FOLDER(test_refused),
        IN_FOLDER(test_listen),
        IN_FOLDER(test_not_a_file),
        IN_FOLDER(test_keys),
        IN_FOLDER(test_detector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
