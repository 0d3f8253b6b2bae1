/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/timing.h"

#include <string.h>

#define STAGE_FIRST KS_TRACE_ADMIT_US
#define STAGE_LAST  KS_TRACE_CHECKPOINT_US
#define UNIT        "_us"
#define METRICS_MAX 32
#define PARAMS_MAX  8

/* The metric of FIELD: its name without the unit. */
static struct ks_bytes metric_of(enum ks_trace_field field)
{
    const struct ks_bytes name = ks_bytes_text(ks_trace_column(field)->name);

    return ks_bytes_of(name.data, name.len - (sizeof UNIT - 1));
}

void ks_server_timing_put(const struct ks_trace *trace, struct ks_buf *out)
{
    bool any = false;

    for (unsigned i = STAGE_FIRST; i <= STAGE_LAST; i++) {
        const enum ks_trace_field field = (enum ks_trace_field)i;
        char ms[KS_DOUBLE_TEXT_MAX];

        if (!ks_trace_has(trace, field)) {
            continue;
        }
        (void)ks_double_text(trace->values[field] / 1000, ms);
        ks_buf_put_text(out, any ? ", " : "");
        ks_buf_put(out, metric_of(field));
        ks_buf_put_format(out, ";dur=%s", ms);
        any = true;
    }
}

/* --- reading ------------------------------------------------------------------------------ */

static bool is_token(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') ||
           (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static void skip(struct ks_bytes *rest, size_t count)
{
    *rest = ks_bytes_of(rest->data + count, rest->len - count);
}

static void skip_space(struct ks_bytes *rest)
{
    while (rest->len > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        skip(rest, 1);
    }
}

/* Whether BYTE comes next; it is consumed then, with the space around it. */
static bool take(struct ks_bytes *rest, uint8_t byte)
{
    skip_space(rest);
    if (rest->len == 0 || rest->data[0] != byte) {
        return false;
    }
    skip(rest, 1);
    skip_space(rest);
    return true;
}

static enum ks_err read_token(struct ks_bytes *rest, struct ks_bytes *out_token)
{
    size_t len = 0;

    while (len < rest->len && is_token(rest->data[len])) {
        len++;
    }
    if (len == 0) {
        return ks_fail(KS_ERR_FORMAT, "Server-Timing: a name is missing");
    }
    *out_token = ks_bytes_of(rest->data, len);
    skip(rest, len);
    return KS_OK;
}

/* A token, or a quoted string without its quotes: one with escapes is a description, which
 * nobody here reads. */
static enum ks_err read_value(struct ks_bytes *rest, struct ks_bytes *out_value)
{
    size_t len = 1;

    if (rest->len == 0 || rest->data[0] != '"') {
        return read_token(rest, out_value);
    }
    while (len < rest->len && rest->data[len] != '"') {
        len += rest->data[len] == '\\' ? 2 : 1;
    }
    if (len >= rest->len) {
        return ks_fail(KS_ERR_FORMAT, "Server-Timing: a quote is not closed");
    }
    *out_value = ks_bytes_of(rest->data + 1, len - 1);
    skip(rest, len + 1);
    return KS_OK;
}

static void set_stage(struct ks_trace *trace, struct ks_bytes metric, double ms)
{
    for (unsigned i = STAGE_FIRST; i <= STAGE_LAST; i++) {
        if (ks_bytes_equal(metric, metric_of((enum ks_trace_field)i))) {
            /* Microseconds were divided by 1000: half of one is more than that lost. */
            ks_trace_set(trace, (enum ks_trace_field)i, ms * 1000 + 0.5);
        }
    }
}

/* One metric with its parameters; of several durations the first counts, as the draft says. */
static enum ks_err read_metric(struct ks_bytes *rest, struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    struct ks_bytes metric = {0};
    struct ks_bytes name = {0};
    struct ks_bytes value = {0};
    unsigned params = 0;
    bool timed = false;

    KS_TRY(read_token(rest, &metric));
    while (take(rest, ';')) {
        double ms = 0;

        KS_CHECK(params++ < PARAMS_MAX, KS_ERR_LIMIT, "Server-Timing: over %d parameters",
                 PARAMS_MAX);
        KS_TRY(read_token(rest, &name));
        if (!take(rest, '=')) {
            continue;
        }
        KS_TRY(read_value(rest, &value));
        if (ks_bytes_is(name, "dur") && !timed) {
            KS_TRY(ks_fail_prefix(ks_text_double(value, &ms), "Server-Timing"));
            KS_CHECK(ms >= 0, KS_ERR_FORMAT, "Server-Timing: a negative duration");
            set_stage(trace, metric, ms);
            timed = true;
        }
    }
out:
    return err;
}

enum ks_err ks_server_timing_read(struct ks_bytes value, struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    struct ks_trace read;
    struct ks_bytes rest = value;
    unsigned metrics = 0;

    KS_CHECK(value.len <= KS_SERVER_TIMING_MAX, KS_ERR_LIMIT, "Server-Timing: over %d bytes",
             KS_SERVER_TIMING_MAX);
    ks_trace_init(&read);
    skip_space(&rest);
    do {
        KS_CHECK(metrics++ < METRICS_MAX, KS_ERR_LIMIT, "Server-Timing: over %d metrics",
                 METRICS_MAX);
        KS_TRY(read_metric(&rest, &read));
    } while (take(&rest, ','));
    KS_CHECK(rest.len == 0, KS_ERR_FORMAT, "Server-Timing: no list of metrics");
    for (unsigned i = STAGE_FIRST; i <= STAGE_LAST; i++) {
        if (ks_trace_has(&read, (enum ks_trace_field)i)) {
            trace->values[i] = read.values[i];
        }
    }
out:
    return err;
}
