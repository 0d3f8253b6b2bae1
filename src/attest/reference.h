/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* reference.h: what a platform must look like: the reference policy against which evidence is
 * appraised, as canonical JSON. Format, and the YAML that operators write:
 * docs/formats/reference.md. Pure. A reference owns its lists; immutable once parsed, any
 * number of threads may use it. */
#ifndef KS_ATTEST_REFERENCE_H
#define KS_ATTEST_REFERENCE_H

#include "attest/eventlog.h"
#include "attest/quote.h"
#include "base/json.h"

#define KS_REFERENCE_SCHEMA       "ketseal.reference/1"
#define KS_REFERENCE_MAX          (8 * 1024 * 1024) /* bytes of JSON */
#define KS_REFERENCE_NAME_MAX     64                /* characters of its name, [A-Za-z0-9_-] */
#define KS_REFERENCE_VALUES_MAX   16                /* golden values of one PCR */
#define KS_REFERENCE_EVENTS_MAX   4096              /* allowed boot events */
#define KS_REFERENCE_FILES_MAX    32768             /* allowed files */
#define KS_REFERENCE_PROGRAMS_MAX 256               /* allowed launched programs */
#define KS_REFERENCE_AHEAD_MAX    1000000           /* resets or restarts ahead */

/* Kinds of TPM, as a set. */
#define KS_TPM_SET_HARDWARE  1u
#define KS_TPM_SET_SIMULATED 2u

struct ks_reference_pcr {
    size_t count; /* golden values; 0: none is given for this PCR */
    uint8_t values[KS_REFERENCE_VALUES_MAX][KS_PCR_DIGEST_LEN];
};
struct ks_reference_event {
    unsigned pcr;
    uint32_t type; /* KS_TCG_EV_… */
    uint8_t digest[KS_PCR_DIGEST_LEN];
};
struct ks_reference_file {
    char alg[16 + 1];   /* "sha256" */
    uint8_t digest[64]; /* digest_len bytes */
    size_t digest_len;
    char *path; /* owned */
};
struct ks_reference_program {
    char name[KS_EVENT_NAME_MAX + 1];
    uint8_t digest[KS_PCR_DIGEST_LEN];
};

/* Each required PCR is judged by one rule, the first that is given: its golden values; PCR 10
 * by the files; KS_LAUNCH_PCR by the programs; any other by the allowed boot events. */
struct ks_reference {
    char name[KS_REFERENCE_NAME_MAX + 1];
    unsigned tpms;          /* KS_TPM_SET_…; never 0 */
    uint32_t required_pcrs; /* a quote must cover them; never 0 */
    struct ks_reference_pcr pcrs[KS_PCR_COUNT];
    /* Each list sorted, ascending, no two equal; has_… says that the list is a rule, which an
     * empty one is too: nothing is allowed then. */
    bool has_events;
    struct ks_reference_event *events; /* owned */
    size_t event_count;
    bool has_files;
    bool violations_allowed;         /* files open for writing while they were measured */
    struct ks_reference_file *files; /* owned */
    size_t file_count;
    bool has_programs;
    struct ks_reference_program *programs; /* owned */
    size_t program_count;
    uint64_t firmware_min;       /* firmware version of the TPM at least */
    uint32_t resets_ahead_max;   /* reset count above the last one seen, at most */
    uint32_t restarts_ahead_max; /* restart count likewise, since the last reset */
};

/* The whole TEXT, canonical JSON. KS_ERR_FORMAT names the member: unknown or missing members, a
 * required PCR under no rule, a golden value, event, file or program twice or out of order;
 * KS_ERR_LIMIT above the limits. */
KS_MUST_CHECK enum ks_err ks_reference_parse(struct ks_bytes text,
                                             struct ks_reference **out_reference);
void ks_reference_free(struct ks_reference *reference); /* NULL is fine */
/* Appends the canonical JSON; what parse read is written byte for byte. */
void ks_reference_write(const struct ks_reference *reference, struct ks_buf *out);

/* Brings every list into the order that parse wants; equal elements stay, and are refused
 * there. For who builds a reference of another form. */
void ks_reference_sort(struct ks_reference *reference);

/* The rule by which PCR is judged. */
enum ks_reference_rule {
    KS_RULE_NONE,
    KS_RULE_GOLDEN,
    KS_RULE_FILES,
    KS_RULE_PROGRAMS,
    KS_RULE_EVENTS,
};
enum ks_reference_rule ks_reference_rule(const struct ks_reference *reference, unsigned pcr);
bool ks_reference_golden(const struct ks_reference *reference, unsigned pcr,
                         const uint8_t value[KS_PCR_DIGEST_LEN]);
bool ks_reference_allows_event(const struct ks_reference *reference,
                               const struct ks_reference_event *event);
bool ks_reference_allows_file(const struct ks_reference *reference, struct ks_bytes path,
                              struct ks_bytes alg, struct ks_bytes digest);
bool ks_reference_allows_program(const struct ks_reference *reference, const char *name,
                                 const uint8_t digest[KS_PCR_DIGEST_LEN]);

#endif
