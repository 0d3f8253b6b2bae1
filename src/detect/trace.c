/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/trace.h"

#include <math.h>
#include <string.h>

#define VALUES_VERSION 1
#define STARTED_MAX_US 253402300799999999 /* the last microsecond of the year 9999 */

_Static_assert(KS_TRACE_COLUMNS <= 255, "a column's number is one byte of the stored form");

static const struct ks_trace_column columns[KS_TRACE_COLUMNS] = {
#define COLUMN(name, text, type, unit, meaning) {text, KS_TRACE_##type, unit, meaning},
    KS_TRACE_LIST(COLUMN)
#undef COLUMN
};

/* What stands before and behind the columns in CSV, with the schema's words for it. */
struct text_column {
    const char *name;
    const char *type;
    const char *meaning;
};

enum identity { ID_JOB, ID_DEVICE, ID_SIDE, ID_STARTED, IDENTITY_COUNT };

static const struct text_column identity[IDENTITY_COUNT] = {
    [ID_JOB] = {"job", "string", "id of the job; empty where it came to none"},
    [ID_DEVICE] = {"device", "string", "id of the device"},
    [ID_SIDE] = {"side", "string", "who measured: device or site"},
    [ID_STARTED] = {"started_at", "timestamp", "when it began, UTC, by that side's clock"},
};

static const struct text_column label_column = {
    "label", "integer", "data sets only: 1 for an anomaly, 0 for a normal row"};
static const struct text_column kind_column = {"kind", "string",
                                               "data sets only: what was done to the job"};

const struct ks_trace_column *ks_trace_column(enum ks_trace_field field)
{
    KS_ASSERT((unsigned)field < KS_TRACE_COLUMNS);
    return &columns[field];
}

enum ks_err ks_trace_find(struct ks_bytes name, enum ks_trace_field *out_field)
{
    char shown[64];

    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        if (ks_bytes_is(name, columns[i].name)) {
            *out_field = (enum ks_trace_field)i;
            return KS_OK;
        }
    }
    ks_text_shown(name, shown, sizeof shown);
    return ks_fail(KS_ERR_NOT_FOUND, "a trace has no column '%s'", shown);
}

/* --- workloads ---------------------------------------------------------------------------- */

static const char *const workload_names[KS_TRACE_WORKLOADS] = {
    [KS_TRACE_CIRCUIT] = "circuit",
    [KS_TRACE_UPDATE] = "fl.update",
};

const char *ks_trace_workload_name(enum ks_trace_workload workload)
{
    KS_ASSERT((unsigned)workload < KS_TRACE_WORKLOADS);
    return workload_names[workload];
}

enum ks_err ks_trace_workload_find(struct ks_bytes name, enum ks_trace_workload *out_workload)
{
    char shown[64];

    for (unsigned i = 0; i < KS_TRACE_WORKLOADS; i++) {
        if (ks_bytes_is(name, workload_names[i])) {
            *out_workload = (enum ks_trace_workload)i;
            return KS_OK;
        }
    }
    ks_text_shown(name, shown, sizeof shown);
    return ks_fail(KS_ERR_NOT_FOUND, "'%s' is no workload: circuit or fl.update", shown);
}

bool ks_trace_is_own(enum ks_trace_field field, enum ks_trace_workload workload)
{
    const bool circuits =
        field <= KS_TRACE_SDK || field == KS_TRACE_PARSE_US || field == KS_TRACE_SIMULATE_US ||
        (field >= KS_TRACE_RESULT_ENTROPY_BITS && field <= KS_TRACE_WORKER_MEMORY_BYTES);

    return workload == KS_TRACE_CIRCUIT ? circuits : field >= KS_TRACE_FL_ROUND;
}

bool ks_trace_is_feature(enum ks_trace_field field, enum ks_trace_workload workload)
{
    for (unsigned i = 0; i < KS_TRACE_WORKLOADS; i++) {
        if (i != (unsigned)workload && ks_trace_is_own(field, (enum ks_trace_workload)i)) {
            return false;
        }
    }
    return field != KS_TRACE_WORKLOAD && field != KS_TRACE_FL_ROUND;
}

enum ks_trace_workload ks_trace_workload_of(const struct ks_trace *trace)
{
    return trace->values[KS_TRACE_WORKLOAD] == KS_TRACE_UPDATE ? KS_TRACE_UPDATE
                                                               : KS_TRACE_CIRCUIT;
}

const char *ks_trace_side_name(enum ks_trace_side side)
{
    return side == KS_TRACE_SIDE_SITE ? "site" : "device";
}

/* --- rows --------------------------------------------------------------------------------- */

void ks_trace_init(struct ks_trace *trace)
{
    *trace = (struct ks_trace){.side = KS_TRACE_SIDE_DEVICE};
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        trace->values[i] = (double)NAN;
    }
}

void ks_trace_set(struct ks_trace *trace, enum ks_trace_field field, double value)
{
    KS_ASSERT((unsigned)field < KS_TRACE_COLUMNS);
    if (!isfinite(value)) {
        value = (double)NAN;
    } else if (columns[field].type == KS_TRACE_INTEGER) {
        value = value < 0 ? 0 : floor(value);
        value = value > KS_TRACE_COUNT_MAX ? KS_TRACE_COUNT_MAX : value;
    }
    trace->values[field] = value == 0 ? 0 : value; /* never -0 */
}

void ks_trace_set_u64(struct ks_trace *trace, enum ks_trace_field field, uint64_t value)
{
    ks_trace_set(trace, field, (double)value);
}

bool ks_trace_has(const struct ks_trace *trace, enum ks_trace_field field)
{
    KS_ASSERT((unsigned)field < KS_TRACE_COLUMNS);
    return !isnan(trace->values[field]);
}

/* Whether a column of TYPE has VALUE in a stored row; a missing one is none. */
static bool value_fits(enum ks_trace_type type, double value)
{
    if (!isfinite(value) || (value == 0 && signbit(value))) {
        return false;
    }
    return type == KS_TRACE_REAL ||
           (value >= 0 && value <= KS_TRACE_COUNT_MAX && floor(value) == value);
}

static bool values_fit(const struct ks_trace *trace)
{
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        if (!isnan(trace->values[i]) && !value_fits(columns[i].type, trace->values[i])) {
            return false;
        }
    }
    return true;
}

enum ks_err ks_trace_check(const struct ks_trace *trace)
{
    enum ks_err err = KS_OK;

    KS_CHECK(trace->job[0] == '\0' || ks_text_is_uuid(ks_bytes_text(trace->job)), KS_ERR_FORMAT,
             "a trace of job '%.40s'", trace->job);
    KS_CHECK(ks_text_is_name(ks_bytes_text(trace->device), KS_TRACE_DEVICE_MAX), KS_ERR_FORMAT,
             "a trace of no device");
    KS_CHECK(trace->started_us <= STARTED_MAX_US, KS_ERR_FORMAT, "a trace of no time");
    KS_CHECK(values_fit(trace), KS_ERR_FORMAT, "a trace's value is out of range");
out:
    return err;
}

void ks_trace_feature_names(struct ks_bytes out_names[KS_TRACE_COLUMNS])
{
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        out_names[i] = ks_bytes_text(columns[i].name);
    }
}

/* --- CSV ---------------------------------------------------------------------------------- */

void ks_trace_put_csv_header(bool labelled, struct ks_buf *out)
{
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        ks_table_put_cell(out, i == 0, ks_bytes_text(identity[i].name));
    }
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        ks_table_put_cell(out, false, ks_bytes_text(columns[i].name));
    }
    if (labelled) {
        ks_table_put_cell(out, false, ks_bytes_text(label_column.name));
        ks_table_put_cell(out, false, ks_bytes_text(kind_column.name));
    }
    ks_buf_put_u8(out, '\n');
}

void ks_trace_put_csv_row(const struct ks_trace *trace, const struct ks_trace_label *label,
                          struct ks_buf *out)
{
    char text[KS_DOUBLE_TEXT_MAX > KS_TIME_TEXT_LEN + 1 ? KS_DOUBLE_TEXT_MAX
                                                        : KS_TIME_TEXT_LEN + 1];

    KS_ASSERT(ks_trace_check(trace) == KS_OK);
    ks_table_put_cell(out, true, ks_bytes_text(trace->job));
    ks_table_put_cell(out, false, ks_bytes_text(trace->device));
    ks_table_put_cell(out, false, ks_bytes_text(ks_trace_side_name(trace->side)));
    ks_time_text(trace->started_us, text);
    ks_table_put_cell(out, false, ks_bytes_of(text, KS_TIME_TEXT_LEN));
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        const size_t len = isnan(trace->values[i]) ? 0 : ks_double_text(trace->values[i], text);

        ks_table_put_cell(out, false, ks_bytes_of(text, len));
    }
    if (label != NULL) {
        ks_table_put_cell(out, false, ks_bytes_text(label->is_anomaly ? "1" : "0"));
        ks_table_put_cell(out, false, ks_bytes_text(label->kind));
    }
    ks_buf_put_u8(out, '\n');
}

bool ks_trace_is_table(const struct ks_table *table)
{
    if (ks_table_columns(table) < IDENTITY_COUNT) {
        return false;
    }
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        if (!ks_bytes_is(ks_table_name(table, i), identity[i].name)) {
            return false;
        }
    }
    return true;
}

bool ks_trace_is_identity(struct ks_bytes name)
{
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        if (ks_bytes_is(name, identity[i].name)) {
            return true;
        }
    }
    return ks_bytes_is(name, label_column.name) || ks_bytes_is(name, kind_column.name);
}

enum ks_err ks_trace_layout(const struct ks_table *table, struct ks_trace_layout *out_layout)
{
    enum ks_err err = KS_OK;
    struct ks_trace_layout layout = {.label = SIZE_MAX, .kind = SIZE_MAX};

    KS_CHECK(ks_trace_is_table(table), KS_ERR_FORMAT,
             "a table of traces begins with the columns job, device, side and started_at");
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        layout.columns[i] = SIZE_MAX;
    }
    for (size_t i = IDENTITY_COUNT; i < ks_table_columns(table); i++) {
        const struct ks_bytes name = ks_table_name(table, i);
        enum ks_trace_field field = 0;

        if (ks_bytes_is(name, label_column.name)) {
            layout.label = i;
        } else if (ks_bytes_is(name, kind_column.name)) {
            layout.kind = i;
        } else {
            err = ks_trace_find(name, &field);
            KS_CHECK(err == KS_OK, KS_ERR_FORMAT, "%s", ks_err_detail());
            layout.columns[field] = i;
        }
    }
    layout.labelled = layout.label != SIZE_MAX;
    KS_CHECK(layout.labelled == (layout.kind != SIZE_MAX), KS_ERR_FORMAT,
             "a table of traces has the columns label and kind, or neither of them");
    *out_layout = layout;
out:
    return err;
}

static enum ks_err read_identity(const struct ks_table *table, size_t row, enum identity which,
                                 struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes cell = ks_table_cell(table, row, which);

    switch (which) {
    case ID_JOB:
        KS_CHECK(cell.len == 0 || ks_text_is_uuid(cell), KS_ERR_FORMAT, "no id of a job");
        ks_copy(trace->job, cell.data, cell.len);
        break;
    case ID_DEVICE:
        KS_CHECK(ks_text_is_name(cell, KS_TRACE_DEVICE_MAX), KS_ERR_FORMAT,
                 "no id of a device");
        ks_copy(trace->device, cell.data, cell.len);
        break;
    case ID_SIDE:
        trace->side = ks_bytes_is(cell, ks_trace_side_name(KS_TRACE_SIDE_SITE))
                          ? KS_TRACE_SIDE_SITE
                          : KS_TRACE_SIDE_DEVICE;
        KS_CHECK(ks_bytes_is(cell, ks_trace_side_name(trace->side)), KS_ERR_FORMAT,
                 "a side is device or site");
        break;
    default:
        KS_TRY(ks_time_parse(cell, &trace->started_us));
        break;
    }
out:
    return err;
}

/* Fails at the cell's place unless the number there is one that the column may have. */
static enum ks_err read_value(const struct ks_table *table, size_t row, size_t column,
                              enum ks_trace_field field, double *out_value)
{
    enum ks_err err = KS_OK;
    double value = 0;

    KS_TRY(ks_table_number(table, row, column, &value));
    value = value == 0 ? 0 : value; /* "-0" is read as 0 */
    if (!isnan(value) && !value_fits(columns[field].type, value)) {
        err = ks_table_fail_at(table, row, column,
                               ks_fail(KS_ERR_FORMAT, "%s is a whole number from 0 to 2^53 - 1",
                                       columns[field].name));
    } else {
        *out_value = value;
    }
out:
    return err;
}

static enum ks_err read_label(const struct ks_table *table,
                              const struct ks_trace_layout *layout, size_t row,
                              struct ks_trace_label *label)
{
    const struct ks_bytes is_anomaly = ks_table_cell(table, row, layout->label);
    const struct ks_bytes kind = ks_table_cell(table, row, layout->kind);

    label->is_anomaly = ks_bytes_is(is_anomaly, "1");
    if (!label->is_anomaly && !ks_bytes_is(is_anomaly, "0")) {
        return ks_table_fail_at(table, row, layout->label,
                                ks_fail(KS_ERR_FORMAT, "a label is 0 or 1"));
    }
    if (kind.len > 0 && !ks_text_is_name(kind, KS_TRACE_KIND_MAX)) {
        return ks_table_fail_at(
            table, row, layout->kind,
            ks_fail(KS_ERR_FORMAT, "a kind is one word of at most %d", KS_TRACE_KIND_MAX));
    }
    ks_copy(label->kind, kind.data, kind.len);
    return KS_OK;
}

enum ks_err ks_trace_read(const struct ks_table *table, const struct ks_trace_layout *layout,
                          size_t row, struct ks_trace *out_trace,
                          struct ks_trace_label *out_label)
{
    enum ks_err err = KS_OK;
    struct ks_trace trace;
    struct ks_trace_label label = {0};

    ks_trace_init(&trace);
    for (unsigned i = 0; i < IDENTITY_COUNT; i++) {
        err = read_identity(table, row, (enum identity)i, &trace);
        if (err != KS_OK) {
            KS_TRY(ks_table_fail_at(table, row, i, err));
        }
    }
    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        if (layout->columns[i] != SIZE_MAX) {
            KS_TRY(read_value(table, row, layout->columns[i], (enum ks_trace_field)i,
                              &trace.values[i]));
        }
    }
    if (layout->labelled) {
        KS_TRY(read_label(table, layout, row, &label));
    }
    *out_trace = trace;
    if (out_label != NULL) {
        *out_label = label;
    }
out:
    return err;
}

/* --- bytes -------------------------------------------------------------------------------- */

void ks_trace_put_values(const struct ks_trace *trace, struct ks_buf *out)
{
    KS_ASSERT(values_fit(trace));
    ks_buf_put_u8(out, VALUES_VERSION);
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        if (!isnan(trace->values[i])) {
            ks_buf_put_u8(out, (uint8_t)i);
            ks_buf_put_double(out, trace->values[i]);
        }
    }
}

enum ks_err ks_trace_read_values(struct ks_bytes bytes, struct ks_trace *trace)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "trace");
    struct ks_trace read;
    uint8_t version = 0;
    unsigned next = 0; /* columns come in ascending order */

    ks_trace_init(&read);
    KS_TRY(ks_read_u8(&reader, &version));
    KS_CHECK(version == VALUES_VERSION, KS_ERR_FORMAT, "trace: version %u", version);
    while (reader.rest.len > 0) {
        uint8_t field = 0;
        double value = 0;

        KS_TRY(ks_read_u8(&reader, &field));
        KS_CHECK(field >= next && field < KS_TRACE_COLUMNS, KS_ERR_FORMAT,
                 "trace: column %u of %d, at least %u", field, KS_TRACE_COLUMNS, next);
        KS_TRY(ks_read_double(&reader, &value));
        KS_CHECK(value_fits(columns[field].type, value), KS_ERR_FORMAT,
                 "trace: %s is out of range", columns[field].name);
        read.values[field] = value;
        next = field + 1U;
    }
    KS_TRY(ks_read_end(&reader));
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        trace->values[i] = isnan(read.values[i]) ? trace->values[i] : read.values[i];
    }
out:
    return err;
}

/* --- the schema --------------------------------------------------------------------------- */

static void put_column(struct ks_json_writer *json, const char *name, const char *type,
                       const char *unit, const char *meaning)
{
    ks_json_put_object(json);
    ks_json_member_text(json, "meaning", meaning);
    ks_json_member_text(json, "name", name);
    ks_json_member_text(json, "type", type);
    ks_json_member_text(json, "unit", unit);
    ks_json_put_end(json);
}

void ks_trace_schema_write(struct ks_buf *out)
{
    struct ks_json_writer json = ks_json_writer_of(out);

    ks_json_put_object(&json);
    ks_json_put_key(&json, "columns");
    ks_json_put_array(&json);
    for (size_t i = 0; i < IDENTITY_COUNT; i++) {
        put_column(&json, identity[i].name, identity[i].type, "", identity[i].meaning);
    }
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        put_column(&json, columns[i].name,
                   columns[i].type == KS_TRACE_INTEGER ? "integer" : "real", columns[i].unit,
                   columns[i].meaning);
    }
    put_column(&json, label_column.name, label_column.type, "", label_column.meaning);
    put_column(&json, kind_column.name, kind_column.type, "", kind_column.meaning);
    ks_json_put_end(&json);
    ks_json_member_text(&json, "schema", "ketseal.trace-schema/1");
    ks_json_put_end(&json);
}
