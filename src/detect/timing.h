/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* timing.h: a site's stages of a job as an HTTP field, Server-Timing (W3C Working Draft,
 * https://www.w3.org/TR/server-timing/): "admit;dur=1.25, simulate;dur=0.5", milliseconds. The
 * metrics are the columns admit_us to checkpoint_us without their unit. Pure. */
#ifndef KS_DETECT_TIMING_H
#define KS_DETECT_TIMING_H

#include "detect/trace.h"

#define KS_SERVER_TIMING_MAX 1024 /* bytes of the field's value */

/* Appends the value: those stages that TRACE has; nothing where it has none. */
void ks_server_timing_put(const struct ks_trace *trace, struct ks_buf *out);
/* Sets the stages that VALUE names; other metrics and parameters are passed over, as the draft
 * wants it. KS_ERR_FORMAT, and nothing set, for what is no such list or has a duration that is
 * no number from 0 on; KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_server_timing_read(struct ks_bytes value, struct ks_trace *trace);

#endif
