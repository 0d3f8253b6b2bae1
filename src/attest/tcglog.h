/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tcglog.h: the firmware's event log in the crypto-agile format (TCG PC Client Platform
 * Firmware Profile 1.05, "PFP", §10; Linux: binary_bios_measurements), and its replay to the
 * sha256 PCR values that it explains. Format as read: docs/formats/platform-logs.md. Pure. A
 * log owns its list of events; event data borrow from the bytes it was parsed from. */
#ifndef KS_ATTEST_TCGLOG_H
#define KS_ATTEST_TCGLOG_H

#include "attest/quote.h"
#include "base/buf.h"

#define KS_TCG_LOG_MAX        (2 * 1024 * 1024) /* bytes */
#define KS_TCG_EVENTS_MAX     4096
#define KS_TCG_EVENT_DATA_MAX (1024 * 1024) /* bytes of one event's data */
#define KS_TCG_BANKS_MAX      8             /* algorithms in the spec id event */
#define KS_TCG_TEXT_MAX       96            /* bytes of an event's name as shown, with a NUL */

/* PFP §10.4.1, table 14: the types that are treated in a way of their own. */
#define KS_TCG_EV_NO_ACTION 0x00000003u
#define KS_TCG_EV_SEPARATOR 0x00000004u

struct ks_tcg_event {
    unsigned pcr;  /* < KS_PCR_COUNT; meaningless where it extends nothing */
    uint32_t type; /* KS_TCG_EV_… or any other */
    bool extends;  /* false for EV_NO_ACTION alone */
    uint8_t digest[KS_PCR_DIGEST_LEN]; /* of the sha256 bank */
    struct ks_bytes data;              /* borrowed */
};

/* Only ks_tcg_log_parse fills it. */
struct ks_tcg_log {
    struct ks_tcg_event *events; /* owned; without the spec id event */
    size_t count;
    uint8_t startup_locality; /* 0, 3 or 4: PCR 0 began with it */
};

/* Reads a log: the spec id event (version 2.0, with the sha256 bank), then events with one
 * digest for each bank. KS_ERR_FORMAT with the index of the event (1 is the first after the
 * spec id event) for a log of SHA-1 only, a PCR above 23, an algorithm not declared or missing,
 * two startup localities or one that comes late, bytes after the last event; KS_ERR_LIMIT above
 * the limits. An empty log is KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_tcg_log_parse(struct ks_bytes bytes, struct ks_tcg_log *out_log);
void ks_tcg_log_done(struct ks_tcg_log *log); /* NULL and zeroed are fine */

/* KS_ERR_VERIFY naming the first event whose digest is not the SHA-256 of its data, among the
 * types for which PFP says that the data are what is hashed: then the readable part of the
 * event is not what was measured. Other types (code, tables, file contents) are not bound by
 * their data; only their digest counts. */
KS_MUST_CHECK enum ks_err ks_tcg_log_check_data(const struct ks_tcg_log *log);
/* Whether the data of EVENT, of a type as above, are bound by its digest. */
bool ks_tcg_event_bound(const struct ks_tcg_event *event);

/* The PCR values after all events (TPM2 part 1 §17.3): from zeros, PCR 0 with the startup
 * locality, PCR 17 to 22 from all ones (PFP §3.3.4). *OUT_MASK: which PCRs had an event. */
void ks_tcg_log_replay(const struct ks_tcg_log *log,
                       uint8_t out_values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN], uint32_t *out_mask);

/* "EV_EFI_BOOT_SERVICES_APPLICATION", or NULL for a type that is not known. */
const char *ks_tcg_event_type_name(uint32_t type);
/* The reverse. KS_ERR_FORMAT names what was not known. */
KS_MUST_CHECK enum ks_err ks_tcg_event_type_of(struct ks_bytes name, uint32_t *out_type);
/* What the event is about, for people: the variable's name, the text of an action, a file's
 * path, or "". Not to be trusted unless ks_tcg_event_bound. */
void ks_tcg_event_text(const struct ks_tcg_event *event, char target[KS_TCG_TEXT_MAX]);

#endif
