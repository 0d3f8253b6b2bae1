/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* eventlog.h: the launch event log: which programs the launcher measured into which PCR, as
 * canonical JSON, and its replay to the value that the PCR must then have. Format:
 * docs/formats/quote.md. Pure; a log owns itself (fixed size, no heap). */
#ifndef KS_ATTEST_EVENTLOG_H
#define KS_ATTEST_EVENTLOG_H

#include "attest/quote.h"
#include "base/json.h"

#define KS_LAUNCH_PCR         14                /* not resettable without a reset of the TPM */
#define KS_LAUNCH_ENCLAVE     "ketseal-enclave" /* events that every launch has */
#define KS_LAUNCH_WORKER      "ketseal-worker"
#define KS_LAUNCH_WORKER_FL   "ketseal-worker-fl"
#define KS_LAUNCH_ADAPTER     "ketseal-adapter" /* of a site with adapters */
#define KS_LAUNCH_ENVIRONMENT "environment-"    /* and an SDK's name: what it runs in */
#define KS_EVENTS_MAX         64                /* events in one log */
#define KS_EVENT_NAME_MAX     64                /* characters, [A-Za-z0-9._+-] */
#define KS_EVENT_LOG_MAX      16384             /* bytes of JSON */

struct ks_event {
    char name[KS_EVENT_NAME_MAX + 1];
    uint8_t digest[KS_PCR_DIGEST_LEN]; /* what was extended */
};

struct ks_event_log {
    unsigned pcr;
    /* The PCR's value before the first event. Anything but zeros means that others (firmware, a
     * boot loader, an earlier launch) extended it before, and this log does not say what: a
     * policy decides. */
    uint8_t initial[KS_PCR_DIGEST_LEN];
    size_t count;
    struct ks_event events[KS_EVENTS_MAX];
};

/* An empty log for PCR (asserted < KS_PCR_COUNT). INITIAL NULL means zeros. */
void ks_event_log_init(struct ks_event_log *log, unsigned pcr,
                       const uint8_t initial[KS_PCR_DIGEST_LEN]);
/* KS_ERR_FORMAT for a name outside [A-Za-z0-9._+-]{1,64} or one already there (which of the two
 * ran would be unclear); KS_ERR_LIMIT for one too many. */
KS_MUST_CHECK enum ks_err ks_event_log_add(struct ks_event_log *log, const char *name,
                                           const uint8_t digest[KS_PCR_DIGEST_LEN]);
/* The digest of event NAME, borrowed from LOG, or NULL. */
const uint8_t *ks_event_log_find(const struct ks_event_log *log, const char *name);
/* The PCR's value after all events: each step SHA-256(value || digest), TPM2 part 1 §17.3. */
void ks_event_log_replay(const struct ks_event_log *log, uint8_t out_value[KS_PCR_DIGEST_LEN]);
/* True if PCR, initial value and events are the same. */
bool ks_event_log_equal(const struct ks_event_log *a, const struct ks_event_log *b);

/* Appends the canonical JSON as one value: to a writer in the middle of a document, to a
 * buffer. */
void ks_event_log_put(const struct ks_event_log *log, struct ks_json_writer *writer);
void ks_event_log_write(const struct ks_event_log *log, struct ks_buf *out);
/* The whole TEXT, which must be canonical JSON; or one value inside a document. Unknown
 * members, another bank, duplicate event names are KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_event_log_parse(struct ks_bytes text,
                                             struct ks_event_log *out_log);
KS_MUST_CHECK enum ks_err ks_event_log_from_json(const struct ks_json *value,
                                                 struct ks_event_log *out_log);

#endif
