/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* adapter.h: what ketseal-adapter and an SDK's program say to each other, one line of JSON each
 * way (docs/formats/adapter.md). Pure; what is answered is as untrusted as the circuit that was
 * run. */
#ifndef KS_ENCLAVE_ADAPTER_H
#define KS_ENCLAVE_ADAPTER_H

#include "base/json.h"
#include "enclave/work.h"

#define KS_ADAPTER_ANSWER_MAX   (KS_WORK_RESULT_MAX + 65536) /* bytes, with the newline */
#define KS_ADAPTER_REFUSAL_MAX  500
#define KS_ADAPTER_OUTCOMES_MAX (1024 * 1024)

/* PROGRAM is canonical OpenQASM. The line ends with a newline. */
void ks_adapter_request_put(const struct ks_work_job *job, struct ks_bytes program,
                            struct ks_buf *out);

/* What an SDK's program answered; owns what the views of RESULT point into. */
struct ks_adapter_answer {
    struct ks_json_doc *doc;
    struct ks_buf counts;         /* canonical */
    struct ks_work_result result; /* the members that an answer has; else zero */
};
/* SAID is all that was heard. KS_ERR_IO for anything but one answer of SDK whose counts are
 * those of SHOTS shots of CLBITS bits; KS_ERR_LIMIT with the program's own sentence where it
 * refuses.
 */
KS_MUST_CHECK enum ks_err ks_adapter_answer_read(struct ks_bytes said, const char *sdk,
                                                 uint32_t clbits, uint64_t shots,
                                                 struct ks_adapter_answer *out_answer);
void ks_adapter_answer_done(struct ks_adapter_answer *answer);

#endif
