/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Our side of an exchange of signed requests with libraries of others (rfc9421.mjs):
 *
 *   signature_peer make KEY KEYID    a request, signed with KEY (64 hex digits): head and body
 *   signature_peer check KEY         reads such a request: exit status 0 when it is KEY's */

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "net/signature.h"

#define REQUEST_MAX 65536
#define BODY        "{\"hello\": \"world\"}"

static enum ks_err make(struct ks_bytes key, const char *key_id)
{
    enum ks_err err = KS_OK;
    struct ks_signature_fields fields;
    struct ks_signature_spec spec = {
        .method = "POST",
        .authority = "Site.Example:8443",
        .target = "/v1/jobs?wait=no&x=%2F",
        .content_type = "application/json",
        .body = KS_LITERAL(BODY),
        .channel = {1, 2, 3},
        .created = ks_clock_us() / 1000000,
        .nonce = "0123456789abcdef",
        .key_id = key_id,
    };

    spec.expires = spec.created + 120;
    KS_TRY(ks_signature_make(&spec, key, &fields));
    (void)printf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                 "Content-Digest: %s\r\nKetseal-Channel: %s\r\nSignature-Input: %s\r\n"
                 "Signature: %s\r\n\r\n%s",
                 spec.method, spec.target, spec.authority, spec.content_type, sizeof BODY - 1,
                 fields.content_digest, fields.channel, fields.input, fields.signature, BODY);
out:
    return err;
}

static enum ks_err check(struct ks_bytes key)
{
    enum ks_err err = KS_OK;
    struct ks_buf request;
    struct ks_http_head head;
    struct ks_signature signature;
    size_t head_len = 0;

    ks_buf_init(&request, REQUEST_MAX);
    KS_TRY(ks_file_read("-", REQUEST_MAX, &request));
    head_len = ks_http_head_end(ks_buf_view(&request), 0);
    KS_CHECK(head_len > 0, KS_ERR_FORMAT, "no head");
    KS_TRY(ks_http_head_parse(ks_bytes_of(request.data, head_len), REQUEST_MAX, &head));
    KS_TRY(ks_signature_parse(&head, &signature));
    KS_TRY(ks_signature_check(&head, &signature, key, ks_clock_us() / 1000000));
    KS_TRY(
        ks_digest_check(&head, ks_bytes_of(request.data + head_len, request.len - head_len)));
out:
    ks_buf_done(&request);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    uint8_t key[KS_SIGNATURE_KEY_LEN_MIN];

    KS_CHECK(argc >= 3, KS_ERR_USAGE, "expected make KEY KEYID, or check KEY");
    KS_TRY(ks_hex_decode(ks_bytes_text(argv[2]), key, sizeof key));
    if (argc == 4 && strcmp(argv[1], "make") == 0) {
        KS_TRY(make(KS_BYTES(key), argv[3]));
    } else {
        KS_TRY(check(KS_BYTES(key)));
    }
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "signature_peer: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
