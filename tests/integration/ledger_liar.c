/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Linked into another `ketseal` with --wrap=ks_session_call: a site that lies. In each answer
 * to a target that begins with LIE_AT, the first LIE_FROM becomes LIE_TO; or LIE_LEN cuts it to
 * that many bytes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/session.h"

#define ANSWER_MAX (8 * 1024 * 1024)

enum ks_err __real_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);
enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);

static enum ks_err replace(struct ks_bytes answer, const char *from, const char *to,
                           struct ks_buf *out)
{
    const size_t len = strlen(from);
    size_t at = 0;

    while (at + len <= answer.len &&
           !ks_bytes_equal(ks_bytes_of(answer.data + at, len), ks_bytes_text(from))) {
        at++;
    }
    if (at + len > answer.len) {
        (void)fprintf(stderr, "ledger_liar: the answer has no '%s'\n", from);
        exit(99);
    }
    ks_buf_put(out, ks_bytes_of(answer.data, at));
    ks_buf_put_text(out, to);
    ks_buf_put(out, ks_bytes_of(answer.data + at + len, answer.len - at - len));
    return ks_buf_check(out);
}

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const char *at = getenv("LIE_AT");
    const char *from = getenv("LIE_FROM");
    const char *len = getenv("LIE_LEN");
    struct ks_buf answer;
    uint64_t kept = 0;

    if (at == NULL || strncmp(call->target, at, strlen(at)) != 0) {
        return __real_ks_session_call(session, call, out);
    }
    ks_buf_init(&answer, ANSWER_MAX);
    KS_TRY(__real_ks_session_call(session, call, &answer));
    if (len != NULL) {
        KS_TRY(ks_text_u64(ks_bytes_text(len), answer.len, &kept));
        ks_buf_put(out, ks_bytes_of(answer.data, (size_t)kept));
        KS_TRY(ks_buf_check(out));
    } else {
        KS_TRY(replace(ks_buf_view(&answer), from, getenv("LIE_TO"), out));
    }
out:
    ks_buf_done(&answer);
    return err;
}
