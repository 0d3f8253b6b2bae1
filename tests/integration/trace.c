/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Linked into a second `ketseal` with --wrap=ks_session_call: each exchange with a site becomes
 * a line of the file KETSEAL_TRACE, "METHOD TARGET", body and answer between tabs. Both are
 * canonical JSON, which has neither tabs nor line feeds. A refusal leaves its answer empty. */

#include <stdio.h>
#include <stdlib.h>

#include "client/session.h"

enum ks_err __real_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);
enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    const size_t before = out->len;
    const enum ks_err err = __real_ks_session_call(session, call, out);
    const size_t answered = err == KS_OK ? out->len - before : 0;
    const char *path = getenv("KETSEAL_TRACE");
    FILE *file = path == NULL ? NULL : fopen(path, "a");

    if (file == NULL) {
        return err;
    }
    if (!ks_session_moved(session)) { /* else nothing was sent */
        (void)fprintf(file, "%s %s\t%.*s\t%.*s\n", call->method, call->target,
                      (int)call->body.len,
                      call->body.len > 0 ? (const char *)call->body.data : "", (int)answered,
                      answered > 0 ? (const char *)out->data + before : "");
    }
    KS_ASSERT(fclose(file) == 0); /* a trace that is cut would be no evidence */
    return err;
}
