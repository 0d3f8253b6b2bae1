/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* log.h: logfmt on standard error, one line per event: `level=info event=record.sealed index=7
 * ms=12`. Only files that hold a main log; everything else returns its error. One write(2) per
 * line, so lines of several threads and processes do not mix. Values are quoted and escaped
 * when they need it. Secrets have no formatter. */
#ifndef KS_BASE_LOG_H
#define KS_BASE_LOG_H

#include "base/mem.h"

enum ks_log_level { KS_LOG_ERROR, KS_LOG_WARN, KS_LOG_INFO, KS_LOG_DEBUG };

/* PROGRAM is put into each line and must outlive the process's last one. Call once, before
 * threads. */
void ks_log_init(const char *program, enum ks_log_level level);

struct ks_log_line {
    char text[1024];
    size_t len;
    bool on;
};
void ks_log_begin(struct ks_log_line *line, enum ks_log_level level, const char *event);
void ks_log_text(struct ks_log_line *line, const char *key, const char *value);
void ks_log_bytes(struct ks_log_line *line, const char *key, struct ks_bytes value);
void ks_log_u64(struct ks_log_line *line, const char *key, uint64_t value);
/* err=FORMAT detail="…", from the thread's stored detail. */
void ks_log_err(struct ks_log_line *line, enum ks_err err);
void ks_log_end(struct ks_log_line *line);

/* One call for an event without or with one failure. */
void ks_log_event(enum ks_log_level level, const char *event);
void ks_log_failure(const char *event, enum ks_err err);

#endif
