/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A key manager that can be told to misbehave, for both ends at once: what enc_keys hands to
 * one caller, dec_keys hands to the other, once.
 *
 *   kme_peer DIRECTORY FOLDER
 *
 * DIRECTORY holds root.pem, server.pem and server.key. FOLDER gets the files `port`, which
 * stays the same, `ready`, and `delivered`: a line "enc ID" or "dec ID" for each key handed
 * out. Before each answer the file FOLDER/enc or FOLDER/dec is read: the name of what to do
 * instead of the right thing; absent or empty: nothing. Ends with SIGTERM. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "net/http_server.h"
#include "qkd/etsi014.h"

#define PEM_MAX    65536
#define POOL_COUNT 16384
#define KEY_LEN    32

struct pooled {
    bool there;
    struct ks_etsi014_id id;
    uint8_t key[KEY_LEN];
    char master[KS_ETSI014_SAE_MAX + 1];
    char slave[KS_ETSI014_SAE_MAX + 1];
};

struct peer {
    const char *folder;
    int delivered;
    struct ks_tls *tls;
    struct ks_http_server *server;
    struct pooled *pool;
    size_t next;
};

/* --- answers ------------------------------------------------------------------------------ */

static void reply(struct ks_http_request *request, int status, struct ks_bytes body)
{
    const struct ks_http_response response = {
        .status = status, .content_type = "application/json", .body = body};

    ks_http_reply(request, &response);
}

static void refuse(struct ks_http_request *request, enum ks_etsi014_refusal refusal)
{
    struct ks_etsi014_error error = {.refusal = refusal};
    struct ks_buf body;

    (void)snprintf(error.message, sizeof error.message, "%s",
                   ks_etsi014_refusal_message(refusal));
    ks_buf_init(&body, KS_ETSI014_ANSWER_MAX);
    ks_etsi014_error_put(&body, &error);
    reply(request, ks_etsi014_refusal_status(refusal), ks_buf_view(&body));
    ks_buf_done(&body);
}

/* What stands in the file NAME: how to misbehave. */
static void read_mode(const struct peer *peer, const char *name, char mode[32])
{
    char path[KS_PATH_MAX];
    struct ks_buf text;

    ks_buf_init(&text, 31);
    mode[0] = '\0';
    if (ks_path_join(peer->folder, name, path) == KS_OK &&
        ks_file_read(path, 31, &text) == KS_OK) {
        ks_copy(mode, text.data, text.len);
        mode[text.len] = '\0';
        mode[strcspn(mode, "\n")] = '\0';
    }
    ks_buf_done(&text);
}

/* True where MODE needs no keys: it was answered. */
static bool misbehave(struct ks_http_request *request, const char *mode)
{
    static const struct {
        const char *mode;
        int status;
        const char *body;
    } answers[] = {
        {"status-500", 500, "{\"message\":\"\"}"},
        {"status-418", 418, "{\"message\":\"a teapot\"}"},
        {"status-201", 201, "{\"keys\":[]}"},
        {"html", 200, "<html>busy</html>"},
        {"truncated", 200, "{\"keys\":[{\"key_ID\":\"00000000-0000-4000-8000-0000000"},
        {"empty", 200, ""},
        {"no-keys", 200, "{\"keys\":[]}"},
        {"nulls", 200, "{\"keys\":[null,null]}"},
        {"array", 200, "[]"},
    };

    if (strcmp(mode, "slow") == 0) {
        (void)usleep(2500000);
        return false;
    }
    if (strcmp(mode, "unauthorized") == 0) {
        refuse(request, KS_ETSI014_UNAUTHORIZED);
        return true;
    }
    if (strcmp(mode, "unavailable") == 0) {
        refuse(request, KS_ETSI014_UNAVAILABLE);
        return true;
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (strcmp(mode, answers[i].mode) == 0) {
            reply(request, answers[i].status, ks_bytes_text(answers[i].body));
            return true;
        }
    }
    return false;
}

/* What is right, told wrong. */
static size_t distort(const char *mode, struct ks_etsi014_key *keys, size_t count)
{
    if (strcmp(mode, "short") == 0) {
        keys[count - 1].len = 16;
    } else if (strcmp(mode, "long") == 0) {
        keys[0].len = 64;
    } else if (strcmp(mode, "duplicate-id") == 0 && count > 1) {
        keys[1].id = keys[0].id;
    } else if (strcmp(mode, "duplicate-key") == 0 && count > 1) {
        ks_copy(keys[1].data, keys[0].data, keys[0].len);
    } else if (strcmp(mode, "fewer") == 0) {
        return count - 1;
    } else if (strcmp(mode, "more") == 0 && count < KS_ETSI014_KEYS_MAX) {
        keys[count] = keys[0];
        keys[count].id.bytes[0] ^= 1;
        return count + 1;
    } else if (strcmp(mode, "stranger") == 0) {
        keys[0].id.bytes[0] ^= 1;
    } else if (strcmp(mode, "other-key") == 0) {
        for (size_t i = 0; i < count; i++) {
            keys[i].data[0] ^= 1;
        }
    }
    return count;
}

static void deliver(const struct peer *peer, struct ks_http_request *request, const char *what,
                    struct ks_etsi014_key *keys, size_t count, const char *mode)
{
    struct ks_buf body;
    size_t told = 0;

    for (size_t i = 0; i < count; i++) {
        char id[KS_ETSI014_ID_TEXT_LEN + 1];
        char line[64];
        int len = 0;

        ks_etsi014_id_text(&keys[i].id, id);
        len = snprintf(line, sizeof line, "%s %s\n", what, id);
        KS_ASSERT(write(peer->delivered, line, (size_t)len) == len);
    }
    ks_buf_init(&body, KS_ETSI014_ANSWER_MAX);
    told = distort(mode, keys, count);
    ks_etsi014_container_put(&body, keys, told);
    KS_ASSERT(body.err == KS_OK);
    reply(request, 200, ks_buf_view(&body));
    ks_buf_wipe(&body);
}

/* --- keys --------------------------------------------------------------------------------- */

static void enc_keys(struct peer *peer, struct ks_http_request *request,
                     const struct ks_etsi014_sae *slave)
{
    struct ks_etsi014_request wanted;
    static struct ks_etsi014_key keys[KS_ETSI014_KEYS_MAX]; /* one loop */
    const char *master = ks_cert_subject(ks_http_request_peer(request));
    char mode[32];

    read_mode(peer, "enc", mode);
    if (misbehave(request, mode)) {
        return;
    }
    if (ks_etsi014_request_parse(ks_http_request_body(request), &wanted) != KS_OK) {
        refuse(request, KS_ETSI014_BAD_REQUEST);
        return;
    }
    wanted.number = wanted.number == 0 ? 1 : wanted.number;
    KS_ASSERT(wanted.number <= KS_ETSI014_KEYS_MAX);
    for (size_t i = 0; i < wanted.number; i++) {
        struct pooled *place = &peer->pool[peer->next++ % POOL_COUNT];

        *place = (struct pooled){.there = true};
        KS_ASSERT(ks_random(place->id.bytes, sizeof place->id.bytes) == KS_OK);
        KS_ASSERT(ks_random(place->key, sizeof place->key) == KS_OK);
        (void)snprintf(place->master, sizeof place->master, "%s", master);
        (void)snprintf(place->slave, sizeof place->slave, "%s", slave->text);
        keys[i] = (struct ks_etsi014_key){.id = place->id, .len = KEY_LEN};
        ks_copy(keys[i].data, place->key, KEY_LEN);
    }
    deliver(peer, request, "enc", keys, wanted.number, mode);
}

static struct pooled *find(const struct peer *peer, const struct ks_etsi014_id *id,
                           const char *master, const char *slave)
{
    for (size_t i = 0; i < POOL_COUNT; i++) {
        struct pooled *place = &peer->pool[i];

        if (place->there && ks_etsi014_id_equal(&place->id, id) &&
            strcmp(place->master, master) == 0 && strcmp(place->slave, slave) == 0) {
            return place;
        }
    }
    return NULL;
}

static void dec_keys(struct peer *peer, struct ks_http_request *request,
                     const struct ks_etsi014_sae *master)
{
    struct ks_etsi014_ids ids;
    static struct ks_etsi014_key keys[KS_ETSI014_KEYS_MAX];
    const char *slave = ks_cert_subject(ks_http_request_peer(request));
    char mode[32];

    read_mode(peer, "dec", mode);
    if (misbehave(request, mode)) {
        return;
    }
    if (ks_etsi014_ids_parse(ks_http_request_body(request), &ids) != KS_OK) {
        refuse(request, KS_ETSI014_BAD_REQUEST);
        return;
    }
    for (size_t i = 0; i < ids.count; i++) {
        struct pooled *place = find(peer, &ids.ids[i], master->text, slave);

        if (place == NULL) {
            refuse(request, KS_ETSI014_KEYS_NOT_FOUND);
            return;
        }
        keys[i] = (struct ks_etsi014_key){.id = place->id, .len = KEY_LEN};
        ks_copy(keys[i].data, place->key, KEY_LEN);
    }
    for (size_t i = 0; i < ids.count; i++) {
        find(peer, &ids.ids[i], master->text, slave)->there = false;
    }
    deliver(peer, request, "dec", keys, ids.count, mode);
}

static void handle(void *context, struct ks_http_request *request)
{
    struct peer *peer = context;
    struct ks_etsi014_sae sae;
    enum ks_etsi014_method method = KS_ETSI014_STATUS;

    if (ks_etsi014_path_parse(ks_http_request_head(request)->path, &sae, &method) != KS_OK ||
        method == KS_ETSI014_STATUS) {
        refuse(request, KS_ETSI014_BAD_REQUEST);
    } else if (method == KS_ETSI014_ENC_KEYS) {
        enc_keys(peer, request, &sae);
    } else {
        dec_keys(peer, request, &sae);
    }
}

/* --- start -------------------------------------------------------------------------------- */

static enum ks_err read_pem(const char *directory, const char *name, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_read(path, PEM_MAX, out));
out:
    return err;
}

static enum ks_err open_peer(const char *directory, struct peer *peer)
{
    enum ks_err err = KS_OK;
    struct ks_buf root;
    struct ks_buf certificate;
    struct ks_buf key;
    char path[KS_PATH_MAX];
    char text[16];
    struct ks_tls_spec tls = {.side = KS_TLS_SERVER};
    struct ks_http_server_spec http = {
        .address = "127.0.0.1", .loops = 1, .handler = handle, .context = peer};

    ks_buf_init(&root, PEM_MAX);
    ks_buf_init(&certificate, PEM_MAX);
    ks_buf_init(&key, PEM_MAX);
    KS_TRY(read_pem(directory, "root.pem", &root));
    KS_TRY(read_pem(directory, "server.pem", &certificate));
    KS_TRY(read_pem(directory, "server.key", &key));
    tls.root_pem = ks_buf_view(&root);
    tls.cert_pem = ks_buf_view(&certificate);
    tls.key_pem = ks_buf_view(&key);
    KS_TRY(ks_tls_new(&tls, &peer->tls));
    http.tls = peer->tls;
    if (ks_path_join(peer->folder, "port", path) == KS_OK) { /* the same one as before */
        struct ks_buf before;
        uint64_t port = 0;

        ks_buf_init(&before, 15);
        if (ks_file_read(path, 15, &before) == KS_OK && before.len > 1 &&
            ks_text_u64(ks_bytes_of(before.data, before.len - 1), 65535, &port) == KS_OK) {
            http.port = (uint16_t)port;
        }
        ks_buf_done(&before);
    }
    KS_TRY(ks_http_server_open(&http, &peer->server));
    KS_TRY(ks_http_server_start(peer->server));
    (void)snprintf(text, sizeof text, "%u\n", (unsigned)ks_http_server_port(peer->server));
    KS_TRY(ks_file_write(path, ks_bytes_text(text), 0644));
    KS_TRY(ks_path_join(peer->folder, "ready", path));
    KS_TRY(ks_file_write(path, (struct ks_bytes){0}, 0644));
out:
    ks_buf_done(&root);
    ks_buf_done(&certificate);
    ks_buf_wipe(&key);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct peer peer = {.delivered = -1};
    char path[KS_PATH_MAX];
    sigset_t stop;
    int signal_number = 0;

    KS_CHECK(argc == 3, KS_ERR_USAGE, "expected DIRECTORY FOLDER");
    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTERM);
    KS_CHECK(sigprocmask(SIG_BLOCK, &stop, NULL) == 0, KS_ERR_IO, "signals");
    (void)signal(SIGPIPE, SIG_IGN);
    peer.folder = argv[2];
    peer.pool = ks_calloc(POOL_COUNT, sizeof *peer.pool);
    KS_CHECK(peer.pool != NULL, KS_ERR_NOMEM, "pool");
    KS_TRY(ks_path_join(peer.folder, "delivered", path));
    peer.delivered = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    KS_CHECK(peer.delivered >= 0, KS_ERR_IO, "%s", path);
    KS_TRY(open_peer(argv[1], &peer));
    KS_CHECK(sigwait(&stop, &signal_number) == 0, KS_ERR_IO, "sigwait");
    KS_TRY(ks_http_server_stop(peer.server, 1000));
    ks_http_server_free(peer.server);
    peer.server = NULL;
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "kme_peer: %s\n", ks_err_detail());
    }
    ks_fd_close(&peer.delivered);
    ks_tls_free(peer.tls);
    ks_free(peer.pool);
    return ks_err_exit_code(err);
}
