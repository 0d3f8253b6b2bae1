/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bytes.h: how bytes go into the library and come out of it: borrowed views, and buffers that
 * own what is appended to them. A buffer belongs to one thread at a time. */
#ifndef KETSEAL_BYTES_H
#define KETSEAL_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "ketseal/error.h"

#pragma GCC visibility push(default)

/* A borrowed view: it never owns, and dies with what it points into. {NULL, 0} is the empty
 * view. */
struct ks_bytes {
    const uint8_t *data;
    size_t len;
};

/* An owned, growing byte string with a hard maximum. Functions append to it. */
struct ks_buf;

/* An empty buffer that may never hold more than LEN_MAX bytes. Freed with ks_buf_free. */
KS_MUST_CHECK enum ks_err ks_buf_new(size_t len_max, struct ks_buf **out_buf);
void ks_buf_free(struct ks_buf *buf);                  /* NULL is fine */
struct ks_bytes ks_buf_view(const struct ks_buf *buf); /* valid until the next append */

#pragma GCC visibility pop

#endif
