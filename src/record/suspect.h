/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* suspect.h: alerts about contributions to federated learning: the entry of the ledger that the
 * enclave makes of one which stands out in its round (docs/formats/ledger.md), and pages of
 * such entries as a site gives them. Pure. */
#ifndef KS_RECORD_SUSPECT_H
#define KS_RECORD_SUSPECT_H

#include "record/record.h"

/* A contribution that stands out among those of its round, as the enclave found. */
struct ks_suspect {
    struct ks_bytes device;
    uint8_t record[32]; /* H of the contribution's record */
    uint8_t session[KS_SESSION_LEN];
    uint64_t round;
    struct ks_bytes reason; /* a word */
    double norm;
    double score; /* in robust standard deviations: finite, from 0 on */
};
void ks_entry_suspect_write(const struct ks_suspect *suspect, struct ks_buf *out);
/* Reads what _write wrote, and refuses all else: KS_ERR_FORMAT. Views live in *OUT_DOC, which
 * is the caller's. */
KS_MUST_CHECK enum ks_err ks_entry_suspect_read(struct ks_bytes entry,
                                                struct ks_json_doc **out_doc,
                                                struct ks_suspect *out_suspect);

/* --- pages: "ketseal.fl-alert-list/1" ------------------------------------------------------
 */

#define KS_SUSPECT_PAGE_ROWS_MAX  64
#define KS_SUSPECT_PAGE_BYTES_MAX (256 * 1024)
/* Begin, entries, the newest first, with their places in the ledger and when they came there,
 * end with the place before which the next page begins, 0 for none. */
void ks_suspect_page_begin(struct ks_json_writer *writer);
void ks_suspect_page_put(uint64_t position, uint64_t at_us, struct ks_bytes entry,
                         struct ks_json_writer *writer);
void ks_suspect_page_end(uint64_t next, struct ks_json_writer *writer);
typedef enum ks_err (*ks_suspect_visit)(void *context, uint64_t position, uint64_t at_us,
                                        struct ks_bytes entry);
/* Calls VISIT for each entry of the page TEXT, which ks_entry_suspect_read has read; *OUT_NEXT
 * as above. KS_ERR_FORMAT, also for a place that is not below that of the one before. */
KS_MUST_CHECK enum ks_err ks_suspect_page_read(struct ks_bytes text, ks_suspect_visit visit,
                                               void *context, uint64_t *out_next);

#endif
