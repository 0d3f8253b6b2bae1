/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/internal.h"

#define LINE_BYTES 48 /* 64 characters of base64, RFC 7468 §2 */

void ks_pem_put(struct ks_buf *out, const char *label, struct ks_bytes der)
{
    struct ks_reader reader = ks_reader_of(der, label);

    ks_buf_put_format(out, "-----BEGIN %s-----\n", label);
    while (reader.rest.len > 0) {
        struct ks_bytes line = {NULL, 0};
        size_t len = reader.rest.len < LINE_BYTES ? reader.rest.len : LINE_BYTES;
        KS_ASSERT(ks_read_bytes(&reader, len, &line) == KS_OK);
        ks_buf_put_base64(out, line);
        ks_buf_put_u8(out, '\n');
    }
    ks_buf_put_format(out, "-----END %s-----\n", label);
}

/* Line is exactly "-----<which> <label>-----". */
static bool is_boundary(struct ks_bytes line, const char *which, const char *label)
{
    char want[80];
    int len = snprintf(want, sizeof want, "-----%s %s-----", which, label);

    return len > 0 && len < (int)sizeof want && ks_bytes_is(line, want);
}

enum ks_err ks_pem_parse(struct ks_bytes text, const char *label, struct ks_buf *out_der)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(text, "PEM");
    struct ks_bytes line = {NULL, 0};
    size_t number = 1; /* of the line */
    bool last = false; /* a line shorter than full may only be the last */

    err = ks_read_line(&reader, &line);
    KS_CHECK(err == KS_OK && is_boundary(line, "BEGIN", label), KS_ERR_FORMAT,
             "PEM: line 1 is not '-----BEGIN %s-----'", label);
    for (;;) {
        size_t before = out_der->len;
        number++;
        KS_TRY(ks_fail_prefix(ks_read_line(&reader, &line), "PEM line %zu", number));
        if (line.len > 0 && line.data[0] == '-') {
            break;
        }
        KS_CHECK(!last && line.len > 0, KS_ERR_FORMAT,
                 "PEM line %zu: empty, or a short line before it", number);
        KS_TRY(ks_fail_prefix(ks_base64_decode(line, out_der), "PEM line %zu", number));
        KS_TRY(ks_buf_check(out_der));
        KS_CHECK(out_der->len - before <= LINE_BYTES, KS_ERR_FORMAT,
                 "PEM line %zu: longer than 64 characters", number);
        last = out_der->len - before < LINE_BYTES;
    }
    KS_CHECK(is_boundary(line, "END", label), KS_ERR_FORMAT,
             "PEM line %zu is not '-----END %s-----'", number, label);
    KS_TRY(ks_read_end(&reader));
out:
    return err;
}

enum ks_err ks_pem_next(BIO *bio, const char *label, struct ks_buf *out_der, bool *out_more)
{
    enum ks_err err = KS_OK;
    char *name = NULL;
    char *header = NULL;
    unsigned char *data = NULL;
    long len = 0;

    *out_more = PEM_read_bio(bio, &name, &header, &data, &len) == 1;
    if (!*out_more) {
        if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
            KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "PEM"));
        }
        ks_libcrypto_forget();
        goto out;
    }
    KS_CHECK(strcmp(name, label) == 0 && header[0] == '\0', KS_ERR_FORMAT,
             "not a plain \"%s\" block", label);
    ks_buf_put(out_der, ks_bytes_of(data, (size_t)len));
    KS_TRY(ks_buf_check(out_der));
out:
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    return err;
}
