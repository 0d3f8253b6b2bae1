/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* outcome.h: what a trace says of a result: how spread its counts are, and how far from the
 * distribution that they should come from. RESULT is the canonical JSON object of records:
 * outcomes in ascending order, each with its count. Pure. */
#ifndef KS_DETECT_OUTCOME_H
#define KS_DETECT_OUTCOME_H

#include "detect/trace.h"

/* Sets the result's entropy, support and shots. KS_ERR_FORMAT, and nothing set, for what is no
 * such object. */
KS_MUST_CHECK enum ks_err ks_trace_set_result(struct ks_trace *trace, struct ks_bytes result);

#define KS_OUTCOME_CLBITS_MAX 20
/* Sets the distance from PROBABILITIES, 2^CLBITS of them, whose index has classical bit c as
 * bit c, and how many standard deviations it is beyond the mean distance of as many shots drawn
 * from them (docs/formats/trace.md has both). KS_ERR_FORMAT as above, and for outcomes of other
 * than CLBITS bits. CLBITS at most KS_OUTCOME_CLBITS_MAX (asserted). */
KS_MUST_CHECK enum ks_err ks_trace_set_distance(struct ks_trace *trace, struct ks_bytes result,
                                                const double *probabilities, uint32_t clbits);

#endif
