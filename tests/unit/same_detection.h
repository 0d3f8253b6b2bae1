/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* same_detection.h: two detections are the same when their documents are. */
#ifndef KS_TESTS_UNIT_SAME_DETECTION_H
#define KS_TESTS_UNIT_SAME_DETECTION_H

#include "expect.h"

#include "detect/detection.h"

static inline void expect_same(const struct ks_detection *got, const struct ks_detection *want)
{
    struct ks_buf a;
    struct ks_buf b;

    ks_buf_init(&a, KS_DETECTION_BYTES_MAX);
    ks_buf_init(&b, KS_DETECTION_BYTES_MAX);
    ks_detection_write(got, &a);
    ks_detection_write(want, &b);
    expect_bytes(ks_buf_view(&a), ks_buf_view(&b));
    ks_buf_done(&a);
    ks_buf_done(&b);
}

#endif
