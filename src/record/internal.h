/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: what the files of this module share: members that documents have in common,
 * and the parts of a core that is of no circuit. Pure. */
#ifndef KS_RECORD_INTERNAL_H
#define KS_RECORD_INTERNAL_H

#include "record/record.h"

/* --- document.c --------------------------------------------------------------------------- */
void ks_document_put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us);
KS_MUST_CHECK enum ks_err ks_document_get_time(const struct ks_json *object, const char *name,
                                               uint64_t *out_time_us);
/* Member NAME must be exactly TEXT. */
KS_MUST_CHECK enum ks_err ks_document_expect_text(const struct ks_json *object,
                                                  const char *name, const char *text);
KS_MUST_CHECK enum ks_err ks_document_get_unsigned(const struct ks_json *object,
                                                   const char *name, uint32_t *out_value);
/* The members NAMES and no others, 'schema' being SCHEMA. */
KS_MUST_CHECK enum ks_err ks_document_schema(const struct ks_json *value, const char *schema,
                                             const char *const *names);
/* 'site', a ledger's origin. */
KS_MUST_CHECK enum ks_err ks_document_site(const struct ks_json *value,
                                           struct ks_bytes *out_site);
/* {"body":BODY,"signature":…}, signed by KEY under CONTEXT. */
KS_MUST_CHECK enum ks_err ks_document_write_signed(struct ks_bytes body,
                                                   const struct ks_sign_key *key,
                                                   const char *context, struct ks_buf *out);
/* The body, which lives in *OUT_DOC, and the canonical bytes of it that the signature covers.
 * MESSAGE and SIGNATURE are initialised here. */
KS_MUST_CHECK enum ks_err
ks_document_read_signed(struct ks_bytes document, const struct ks_json_limits *limits,
                        struct ks_json_doc **out_doc, const struct ks_json **out_body,
                        struct ks_buf *message, struct ks_buf *signature);

/* --- core_fl.c ---------------------------------------------------------------------------- */
/* The members of an execution before those that all have (record.c). */
void ks_core_fl_put_execution(const struct ks_core *core, struct ks_json_writer *writer);
void ks_core_fl_put_request(const struct ks_core *core, struct ks_json_writer *writer);
void ks_core_fl_put_workload(const struct ks_core *core, struct ks_json_writer *writer);
/* The workload comes first: it says the kind. */
KS_MUST_CHECK enum ks_err ks_core_fl_parse_workload(const struct ks_json *value,
                                                    struct ks_buf *parameters,
                                                    struct ks_core *core);
KS_MUST_CHECK enum ks_err ks_core_fl_parse_execution(const struct ks_json *value,
                                                     struct ks_core *core);
KS_MUST_CHECK enum ks_err ks_core_fl_parse_request(const struct ks_json *value,
                                                   struct ks_core *core);

#endif
