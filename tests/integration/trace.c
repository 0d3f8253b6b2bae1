/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Linked into a second `ketseal` with --wrap=ks_session_call: each exchange with a site becomes
 * a line of the file KETSEAL_TRACE, "METHOD TARGET", body and answer between tabs. Both are
 * canonical JSON, which has neither tabs nor line feeds; of other bytes there is "@" and their
 * number, of a refusal "!" and the name of its error. */

#include <stdio.h>
#include <stdlib.h>

#include "client/session.h"

enum ks_err __real_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);
enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out);

static void put(FILE *file, struct ks_bytes bytes)
{
    if (bytes.len > 0 && bytes.data[0] != '{') {
        (void)fprintf(file, "@%zu", bytes.len);
    } else {
        (void)fwrite(bytes.data, 1, bytes.len, file);
    }
}

enum ks_err __wrap_ks_session_call(struct ks_session *session,
                                   const struct ks_session_call *call, struct ks_buf *out)
{
    const size_t before = out->len;
    const enum ks_err err = __real_ks_session_call(session, call, out);
    const char *path = getenv("KETSEAL_TRACE");
    FILE *file = path == NULL ? NULL : fopen(path, "a");

    if (file == NULL) {
        return err;
    }
    if (!ks_session_moved(session)) { /* else nothing was sent */
        (void)fprintf(file, "%s %s\t", call->method, call->target);
        put(file, call->body);
        (void)putc('\t', file);
        if (err == KS_OK) {
            put(file, ks_bytes_of(out->data + before, out->len - before));
        } else {
            (void)fprintf(file, "!%s", ks_err_name(err));
        }
        (void)putc('\n', file);
    }
    KS_ASSERT(fclose(file) == 0); /* a trace that is cut would be no evidence */
    return err;
}
