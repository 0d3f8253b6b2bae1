/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/quantum.h"

#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "net/http_client.h"

#define FILE_MAX        16384
#define PEM_MAX         65536
#define SCHEMA          "ketseal.device-keys/1"
#define KEY_BITS        (8 * KS_ONE_TIME_KEY_LEN)
#define TIMEOUT_MS_MAX  60000
#define URL_MAX         511
#define BATCH_DEFAULT   64
#define TIMEOUT_DEFAULT 5000

struct ks_quantum {
    enum ks_key_source source;
    bool fall_back;
    uint64_t batch;
    uint64_t low;
    uint64_t timeout_ms;
    struct ks_etsi014_sae sae;   /* ours */
    struct ks_etsi014_sae slave; /* the site's */
    char url[URL_MAX + 1];
    struct ks_tls *tls;
    struct ks_http_client *http;
};

/* --- keys.json ---------------------------------------------------------------------------- */

/* The file that member NAME of KME names, relative to FOLDER. */
static enum ks_err read_named(const struct ks_json *kme, const char *name, const char *folder,
                              struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    char given[KS_PATH_MAX];
    char path[KS_PATH_MAX];

    KS_TRY(ks_json_get_string(kme, name, &text));
    KS_CHECK(text.len >= 1 && text.len < sizeof given && memchr(text.data, 0, text.len) == NULL,
             KS_ERR_FORMAT, "'%s': no path", name);
    ks_copy(given, text.data, text.len);
    given[text.len] = '\0';
    if (given[0] == '/') {
        KS_TRY(ks_file_read(given, PEM_MAX, out));
    } else {
        KS_TRY(ks_path_join(folder, given, path));
        KS_TRY(ks_file_read(path, PEM_MAX, out));
    }
out:
    return err;
}

static enum ks_err open_tls(const struct ks_json *kme, const char *folder,
                            struct ks_quantum *quantum)
{
    enum ks_err err = KS_OK;
    struct ks_buf root;
    struct ks_buf certificate;
    struct ks_buf key;
    struct ks_bytes profile = {0};
    struct ks_tls_spec spec = {.side = KS_TLS_CLIENT};
    struct ks_http_client_spec http = {.origin = quantum->url,
                                       .connect_ms = (unsigned)quantum->timeout_ms,
                                       .total_ms = (unsigned)quantum->timeout_ms,
                                       .response_max = KS_ETSI014_ANSWER_MAX};

    ks_buf_init(&root, PEM_MAX);
    ks_buf_init(&certificate, PEM_MAX);
    ks_buf_init(&key, PEM_MAX);
    KS_TRY(read_named(kme, "root", folder, &root));
    KS_TRY(read_named(kme, "certificate", folder, &certificate));
    KS_TRY(read_named(kme, "key", folder, &key));
    if (ks_json_find(kme, "tls") != NULL) {
        KS_TRY(ks_json_get_string(kme, "tls", &profile));
        KS_CHECK(ks_bytes_is(profile, "classical") || ks_bytes_is(profile, "post-quantum"),
                 KS_ERR_FORMAT, "'tls': expected post-quantum or classical");
    }
    spec.profile = ks_bytes_is(profile, "classical") ? KS_TLS_CLASSICAL : KS_TLS_POST_QUANTUM;
    spec.root_pem = ks_buf_view(&root);
    spec.cert_pem = ks_buf_view(&certificate);
    spec.key_pem = ks_buf_view(&key);
    KS_TRY(ks_tls_new(&spec, &quantum->tls));
    http.tls = quantum->tls;
    KS_TRY(ks_http_client_new(&http, &quantum->http));
out:
    ks_buf_done(&root);
    ks_buf_done(&certificate);
    ks_buf_wipe(&key);
    return err;
}

static enum ks_err read_sae(const struct ks_json *kme, const char *name,
                            struct ks_etsi014_sae *out_sae)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(kme, name, &text));
    KS_TRY(ks_fail_prefix(ks_etsi014_sae_parse(text, out_sae), "'%s'", name));
out:
    return err;
}

/* Member NAME of OBJECT, 1 to MAX, or FALLBACK where it is absent. */
static enum ks_err read_number(const struct ks_json *object, const char *name,
                               uint64_t fallback, uint64_t max, uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    uint64_t value = fallback;

    if (ks_json_find(object, name) != NULL) {
        KS_TRY(ks_json_get_u64(object, name, max, &value));
        KS_CHECK(value >= 1, KS_ERR_FORMAT, "'%s': at least 1", name);
    }
    *out_value = value;
out:
    return err;
}

static enum ks_err read_kme(const struct ks_json *kme, const char *folder,
                            struct ks_quantum *quantum)
{
    static const char *const names[] = {"certificate", "key",        "root", "sae", "slave",
                                        "tls",         "timeout_ms", "url",  NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(kme, names));
    KS_TRY(read_sae(kme, "sae", &quantum->sae));
    KS_TRY(read_sae(kme, "slave", &quantum->slave));
    KS_TRY(
        read_number(kme, "timeout_ms", TIMEOUT_DEFAULT, TIMEOUT_MS_MAX, &quantum->timeout_ms));
    KS_TRY(ks_json_get_string(kme, "url", &text));
    KS_CHECK(text.len >= 1 && text.len <= URL_MAX, KS_ERR_FORMAT, "'url': 1 to %d characters",
             URL_MAX);
    ks_copy(quantum->url, text.data, text.len);
    KS_TRY(open_tls(kme, folder, quantum));
out:
    return ks_fail_prefix(err, "'kme'");
}

static enum ks_err read_members(const struct ks_json *root, const char *folder,
                                struct ks_quantum *quantum)
{
    static const char *const names[] = {"batch",  "kme",       "low", "schema",
                                        "source", "when_down", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *kme = NULL;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, SCHEMA), KS_ERR_FORMAT, "'schema': expected " SCHEMA);
    KS_TRY(ks_json_get_string(root, "source", &text));
    KS_TRY(ks_fail_prefix(ks_key_source_parse(text, &quantum->source), "'source'"));
    KS_TRY(ks_json_get_string(root, "when_down", &text));
    quantum->fall_back = ks_bytes_is(text, "kem");
    KS_CHECK(quantum->fall_back || ks_bytes_is(text, "refuse"), KS_ERR_FORMAT,
             "'when_down': expected refuse or kem");
    KS_TRY(read_number(root, "batch", BATCH_DEFAULT, KS_ETSI014_KEYS_MAX, &quantum->batch));
    KS_TRY(read_number(root, "low", quantum->batch / 4 + 1, KS_KEYRING_QUANTUM_MAX / 2,
                       &quantum->low));
    if (quantum->source != KS_KEY_SOURCE_KEM) {
        KS_TRY(ks_json_get(root, "kme", KS_JSON_OBJECT, &kme));
        KS_TRY(read_kme(kme, folder, quantum));
    }
out:
    return err;
}

static enum ks_err read_file(const char *path, struct ks_quantum *quantum)
{
    static const struct ks_json_limits limits = {.len_max = FILE_MAX, .nodes_max = 64};
    enum ks_err err = KS_OK;
    const char *slash = strrchr(path, '/');
    char folder[KS_PATH_MAX] = ".";
    struct ks_json_doc *doc = NULL;
    struct ks_buf text;

    ks_buf_init(&text, FILE_MAX);
    if (slash != NULL) {
        KS_CHECK((size_t)(slash - path) < sizeof folder - 1, KS_ERR_LIMIT, "path too long");
        ks_copy(folder, path, (size_t)(slash - path) + 1);
        folder[slash - path + 1] = '\0';
    }
    KS_TRY(ks_file_read(path, FILE_MAX, &text));
    KS_TRY(ks_json_parse(ks_buf_view(&text), &limits, &doc));
    KS_TRY(read_members(ks_json_root(doc), folder, quantum));
out:
    ks_json_doc_free(doc);
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_quantum_open(const char *path, struct ks_quantum **out_quantum)
{
    enum ks_err err = KS_OK;
    struct ks_quantum *quantum = ks_calloc(1, sizeof *quantum);

    KS_CHECK(quantum != NULL, KS_ERR_NOMEM, "key manager");
    if (path != NULL) {
        KS_TRY(ks_fail_prefix(read_file(path, quantum), "%s", path));
    }
    *out_quantum = quantum;
    quantum = NULL; /* transferred */
out:
    ks_quantum_close(quantum);
    return err;
}

void ks_quantum_close(struct ks_quantum *quantum)
{
    if (quantum != NULL) {
        ks_http_client_free(quantum->http);
        ks_tls_free(quantum->tls);
        ks_free(quantum);
    }
}

enum ks_key_source ks_quantum_source(const struct ks_quantum *quantum)
{
    return quantum->source;
}

bool ks_quantum_falls_back(const struct ks_quantum *quantum)
{
    return quantum->fall_back;
}

size_t ks_quantum_batch(const struct ks_quantum *quantum)
{
    return (size_t)quantum->batch;
}

size_t ks_quantum_low(const struct ks_quantum *quantum)
{
    return (size_t)quantum->low;
}

const struct ks_etsi014_sae *ks_quantum_sae(const struct ks_quantum *quantum)
{
    return &quantum->sae;
}

/* --- the manager -------------------------------------------------------------------------- */

static enum ks_err refusal(const struct ks_http_answer *answer)
{
    struct ks_etsi014_error said;

    if (ks_etsi014_error_parse(answer->status, ks_buf_view(&answer->body), &said) != KS_OK) {
        return ks_fail(KS_ERR_UNAVAILABLE, "it answered with status %d, and no reason",
                       answer->status);
    }
    return ks_fail(KS_ERR_UNAVAILABLE, "it refused (%d): '%s'%s%s", answer->status,
                   said.message, said.detail[0] == '\0' ? "" : ": ", said.detail);
}

/* The container in ANSWER, taken apart. */
static enum ks_err take_keys(const struct ks_http_answer *answer, size_t count,
                             struct ks_keyring_quantum *out_keys)
{
    enum ks_err err = KS_OK;
    const struct ks_etsi014_wanted wanted = {.number = count, .size = KEY_BITS};
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_NONE;
    struct ks_etsi014_key *keys = ks_calloc(count, sizeof *keys);

    KS_CHECK(keys != NULL, KS_ERR_NOMEM, "quantum keys");
    err = ks_etsi014_container_parse(ks_buf_view(&answer->body), &wanted, keys, &fault);
    if (err == KS_ERR_FORMAT) {
        err = ks_fail(KS_ERR_UNAVAILABLE, "it did not answer what it was asked for (%s): %s",
                      ks_etsi014_fault_name(fault), ks_err_detail());
    }
    KS_TRY(err);
    for (size_t i = 0; i < count; i++) {
        out_keys[i].id = keys[i].id;
        ks_copy(out_keys[i].key, keys[i].data, sizeof out_keys[i].key);
    }
out:
    ks_etsi014_keys_wipe(keys, keys == NULL ? 0 : count);
    ks_free(keys);
    return err;
}

enum ks_err ks_quantum_fetch(struct ks_quantum *quantum, size_t count,
                             struct ks_keyring_quantum *out_keys)
{
    enum ks_err err = KS_OK;
    const struct ks_etsi014_request request = {.number = count, .size = KEY_BITS};
    char target[KS_ETSI014_TARGET_MAX + 1];
    struct ks_buf path;
    struct ks_buf body;
    struct ks_http_answer answer = {0};
    struct ks_http_call call = {
        .method = "POST", .target = target, .content_type = "application/json"};

    ks_buf_init(&path, KS_ETSI014_TARGET_MAX);
    ks_buf_init(&body, KS_ETSI014_REQUEST_MAX);
    ks_etsi014_path_put(&path, &quantum->slave, KS_ETSI014_ENC_KEYS);
    ks_etsi014_request_put(&body, &request);
    KS_TRY(ks_buf_check(&path));
    KS_TRY(ks_buf_check(&body));
    ks_copy(target, path.data, path.len);
    target[path.len] = '\0';
    call.body = ks_buf_view(&body);
    KS_TRY(ks_http_client_call(quantum->http, &call, &answer));
    if (answer.status != 200) {
        KS_TRY(refusal(&answer));
    }
    KS_TRY(take_keys(&answer, count, out_keys));
out:
    ks_buf_wipe(&answer.body);
    ks_buf_done(&path);
    ks_buf_done(&body);
    if (err == KS_OK || err == KS_ERR_NOMEM) {
        return err;
    }
    return ks_fail(KS_ERR_UNAVAILABLE, "the device's key manager: %s", ks_err_detail());
}
