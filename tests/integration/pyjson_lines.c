/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* For each text on standard input, "LENGTH\n" and so many bytes: two lines, what ks_pyjson_put
 * writes of it with and without ASCII, or "-". For pyjson.py, which knows what Python says. */
#include <stdio.h>

#include "record/pyjson.h"

static void print(const struct ks_pyjson_doc *doc, bool ascii)
{
    struct ks_buf out;

    ks_buf_init(&out, SIZE_MAX);
    if (doc != NULL && ks_pyjson_put(ks_pyjson_root(doc),
                                     (struct ks_pyjson_style){.ascii = ascii}, &out) == KS_OK) {
        (void)fwrite(out.data, 1, out.len, stdout);
    } else {
        (void)fputs("-", stdout);
    }
    (void)fputc('\n', stdout);
    ks_buf_done(&out);
}

int main(void)
{
    size_t len = 0;

    while (scanf("%zu", &len) == 1 && getchar() == '\n') {
        struct ks_pyjson_doc *doc = NULL;
        uint8_t *text = ks_calloc(len + 1, 1);

        if (text == NULL || fread(text, 1, len, stdin) != len) {
            return 1;
        }
        if (ks_pyjson_parse(ks_bytes_of(text, len), &doc) != KS_OK) {
            doc = NULL;
        }
        print(doc, true);
        print(doc, false);
        ks_pyjson_free(doc);
        ks_free(text);
    }
    return ferror(stdout) != 0;
}
