/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/tls_memory.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/sys.h"

#define PIECE_LEN 16384 /* bytes moved at once: a TLS record's */
#define HOST_MAX  253   /* characters of a name (RFC 1035 §2.3.4) */

struct ks_tls_memory {
    struct ks_tls *tls;
    SSL_CTX *context;
    SSL *ssl;
    BIO *in; /* these two belong to SSL */
    BIO *out;
    bool verified;
    struct ks_cert *peer;
    int alert;               /* that came; 0: none (a goodbye is none) */
    char host[HOST_MAX + 1]; /* libssl takes it without const, and copies it */
    uint8_t piece[PIECE_LEN];
};

/* The certificate has to carry HOST; a name, not an address, is also told to the peer (RFC 6066
 * §3). */
static enum ks_err set_host(struct ks_tls_memory *memory, const char *host)
{
    enum ks_err err = KS_OK;
    SSL *ssl = memory->ssl;
    struct ks_bytes text = ks_bytes_text(host);

    KS_CHECK(text.len >= 1 && text.len <= HOST_MAX, KS_ERR_USAGE, "TLS: no name of a host");
    ks_copy(memory->host, host, text.len + 1);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1) {
        return KS_OK;
    }
    ERR_clear_error();
    KS_CHECK(SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, memory->host) == 1,
             KS_ERR_USAGE, "TLS: '%s' is no name of a host", host);
out:
    return err;
}

enum ks_err ks_tls_memory_new(struct ks_tls *tls, const char *host,
                              struct ks_tls_memory **out_memory)
{
    enum ks_err err = KS_OK;
    struct ks_tls_memory *memory = ks_calloc(1, sizeof *memory);

    KS_CHECK(memory != NULL, KS_ERR_NOMEM, "TLS connection");
    memory->tls = tls;
    memory->context = SSL_CTX_new(TLS_client_method());
    KS_CHECK(memory->context != NULL, KS_ERR_NOMEM, "TLS context: %s", ks_tls_error_text());
    KS_TRY(ks_tls_configure(tls, memory->context));
    memory->ssl = SSL_new(memory->context);
    memory->in = BIO_new(BIO_s_mem());
    memory->out = BIO_new(BIO_s_mem());
    if (memory->ssl == NULL || memory->in == NULL || memory->out == NULL) {
        BIO_free(memory->in);
        BIO_free(memory->out);
        err = ks_fail(KS_ERR_NOMEM, "TLS connection: %s", ks_tls_error_text());
        goto out;
    }
    /* Empty means later, not the end. */
    (void)BIO_set_mem_eof_return(memory->in, -1);
    (void)BIO_set_mem_eof_return(memory->out, -1);
    SSL_set_bio(memory->ssl, memory->in, memory->out);
    SSL_set_connect_state(memory->ssl);
    KS_TRY(set_host(memory, host));
    *out_memory = memory;
    memory = NULL; /* transferred */
out:
    ks_tls_memory_free(memory);
    return err;
}

void ks_tls_memory_free(struct ks_tls_memory *memory)
{
    if (memory != NULL) {
        SSL_free(memory->ssl);
        SSL_CTX_free(memory->context);
        ks_cert_free(memory->peer);
        ks_wipe(memory->piece, sizeof memory->piece);
        ks_free(memory);
    }
}

enum ks_err ks_tls_memory_feed(struct ks_tls_memory *memory, struct ks_bytes ciphertext)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ciphertext.len <= INT32_MAX, KS_ERR_LIMIT, "TLS: %zu bytes at once",
             ciphertext.len);
    KS_CHECK(ciphertext.len == 0 || BIO_write(memory->in, ciphertext.data,
                                              (int)ciphertext.len) == (int)ciphertext.len,
             KS_ERR_NOMEM, "TLS connection: %s", ks_tls_error_text());
out:
    return err;
}

/* What a call of libssl that returned RESULT says: KS_OK, go on later. */
static enum ks_err outcome(struct ks_tls_memory *memory, int result)
{
    int reason = SSL_get_error(memory->ssl, result);
    long verdict = SSL_get_verify_result(memory->ssl);
    int why = ERR_GET_REASON(ERR_peek_error());

    if (reason == SSL_ERROR_SSL && why > SSL_AD_REASON_OFFSET) {
        memory->alert = why - SSL_AD_REASON_OFFSET;
    }
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) {
        return KS_OK;
    }
    if (reason == SSL_ERROR_ZERO_RETURN) {
        return ks_fail(KS_ERR_IO, "the peer has ended the connection");
    }
    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return ks_fail(KS_ERR_VERIFY, "peer certificate: %s",
                       X509_verify_cert_error_string(verdict));
    }
    return ks_fail(KS_ERR_IO, "TLS: %s", ks_tls_error_text());
}

static enum ks_err shake_hands(struct ks_tls_memory *memory)
{
    enum ks_err err = KS_OK;
    char name[KS_CERT_SUBJECT_MAX + 1];
    int result = SSL_do_handshake(memory->ssl);

    if (result != 1) {
        return outcome(memory, result);
    }
    if (ks_tls_profile(memory->tls) == KS_TLS_CLASSICAL) {
        KS_TRY(ks_tls_classical_peer(memory->tls, memory->ssl, memory->host, name));
    } else {
        KS_TRY(ks_tls_peer(memory->tls, memory->ssl, ks_clock_us() / 1000000, &memory->peer));
    }
    memory->verified = true;
out:
    return err;
}

const struct ks_cert *ks_tls_memory_peer(const struct ks_tls_memory *memory)
{
    return memory->peer;
}

enum ks_err ks_tls_memory_exporter(const struct ks_tls_memory *memory,
                                   uint8_t out[KS_TLS_EXPORTER_LEN])
{
    if (!memory->verified) {
        return ks_fail(KS_ERR_NOT_FOUND, "TLS: the handshake is not complete");
    }
    return ks_tls_exporter(memory->ssl, out);
}

uint16_t ks_tls_memory_group(const struct ks_tls_memory *memory)
{
    return ks_tls_group(memory->ssl);
}

const char *ks_tls_memory_alert(const struct ks_tls_memory *memory)
{
    return memory->alert == 0 ? NULL : SSL_alert_desc_string_long(memory->alert);
}

static enum ks_err write_all(struct ks_tls_memory *memory, struct ks_buf *outgoing)
{
    enum ks_err err = KS_OK;
    size_t done = 0;

    while (err == KS_OK && outgoing->len > 0) {
        int result = SSL_write_ex(memory->ssl, outgoing->data, outgoing->len, &done);

        if (result != 1) {
            return outcome(memory, result);
        }
        ks_buf_consume(outgoing, done);
    }
    return err;
}

static enum ks_err read_all(struct ks_tls_memory *memory, struct ks_buf *incoming)
{
    enum ks_err err = KS_OK;
    size_t done = 0;
    int result = 1;

    while ((result = SSL_read_ex(memory->ssl, memory->piece, sizeof memory->piece, &done)) ==
           1) {
        ks_buf_put(incoming, ks_bytes_of(memory->piece, done));
        KS_TRY(ks_buf_check(incoming));
    }
    KS_TRY(outcome(memory, result));
out:
    return err;
}

static void take_ciphertext(struct ks_tls_memory *memory, struct ks_buf *ciphertext)
{
    uint8_t piece[4096];
    int len = 0;

    while ((len = BIO_read(memory->out, piece, sizeof piece)) > 0) {
        ks_buf_put(ciphertext, ks_bytes_of(piece, (size_t)len));
    }
}

enum ks_err ks_tls_memory_turn(struct ks_tls_memory *memory, struct ks_buf *outgoing,
                               struct ks_buf *ciphertext, struct ks_buf *incoming)
{
    enum ks_err err = KS_OK;

    ERR_clear_error(); /* SSL_get_error looks at what an earlier call has left */
    if (!memory->verified) {
        KS_TRY(shake_hands(memory));
    }
    if (memory->verified) {
        KS_TRY(write_all(memory, outgoing));
        KS_TRY(read_all(memory, incoming));
    }
out:
    take_ciphertext(memory, ciphertext);
    return err == KS_OK ? ks_buf_check(ciphertext) : err;
}
