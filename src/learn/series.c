/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/series.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TWO_PI          6.283185307179586
#define SECOND_US       1000000ULL
#define DAY_S           86400ULL
#define YEAR_S          31556952ULL /* of the Gregorian calendar, in the mean */
#define MEASUREMENT_MAX 1e30
#define FEATURES_MAX    (1 + KS_SERIES_COLUMNS_MAX + 2 + 6)

/* --- schemas ------------------------------------------------------------------------------ */

static const struct ks_series_schema schemas[] = {
    {.name = "beijing",
     .target = "PM2.5",
     .features = 10,
     .feature = {"PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "WSPM"},
     .direction = "wd",
     .calendar = KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY | KS_CALENDAR_SEASON,
     .step_s = 3600,
     .window = 24,
     .horizon = 6,
     .change = true,
     .fill = 6,
     .test_from_us = 1456790400ULL * SECOND_US}, /* 2016-03-01: the last of four years */
    {.name = "traffic",
     .time = "timestamp",
     .target = "value",
     .calendar = KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY,
     .step_s = 1800,
     .window = 24,
     .horizon = 1,
     .change = true,
     .fill = 4,
     .test_from_us = 1441843200ULL * SECOND_US}, /* 2015-09-10 */
    {.name = "city-air",
     .time = "time",
     .target = "pm25",
     .features = 6,
     .feature = {"vehicles", "speed", "no2", "temp", "wind", "rain"},
     .calendar = KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY | KS_CALENDAR_SEASON,
     .step_s = 3600,
     .window = 24,
     .horizon = 6,
     .change = true,
     .fill = 6,
     .test_from_us = 1727740800ULL * SECOND_US}, /* 2024-10-01 */
    {.name = "city-traffic",
     .time = "time",
     .target = "vehicles",
     .features = 6,
     .feature = {"speed", "no2", "pm25", "temp", "wind", "rain"},
     .calendar = KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY | KS_CALENDAR_SEASON,
     .step_s = 3600,
     .window = 24,
     .horizon = 1,
     .change = true,
     .fill = 6,
     .test_from_us = 1727740800ULL * SECOND_US},
};

enum ks_err ks_series_named(const char *name, struct ks_series_schema *out_schema)
{
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        if (strcmp(schemas[i].name, name) == 0) {
            *out_schema = schemas[i];
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND,
                   "no schema '%s'; there are beijing, traffic, city-air, city-traffic", name);
}

enum ks_err ks_series_check(const struct ks_series_schema *schema)
{
    enum ks_err err = KS_OK;

    KS_CHECK(schema->target[0] != '\0', KS_ERR_USAGE, "a schema without a target");
    KS_CHECK(schema->features <= KS_SERIES_COLUMNS_MAX, KS_ERR_LIMIT, "over %d features",
             KS_SERIES_COLUMNS_MAX);
    KS_CHECK(schema->step_s >= 1 && schema->step_s <= DAY_S, KS_ERR_USAGE,
             "step: 1 to %llu seconds", DAY_S);
    KS_CHECK(schema->window >= 1 && schema->window <= KS_SERIES_WINDOW_MAX, KS_ERR_USAGE,
             "window: 1 to %d steps", KS_SERIES_WINDOW_MAX);
    KS_CHECK(schema->horizon >= 1 && schema->horizon <= KS_SERIES_WINDOW_MAX, KS_ERR_USAGE,
             "horizon: 1 to %d steps", KS_SERIES_WINDOW_MAX);
    KS_CHECK(schema->calendar <= (KS_CALENDAR_HOUR | KS_CALENDAR_WEEKDAY | KS_CALENDAR_SEASON),
             KS_ERR_USAGE, "calendar: hour, weekday, season");
out:
    return err;
}

/* --- a table on a grid -------------------------------------------------------------------- */

/* Where columns of the table go: NUMBERS of them (the target first), then direction and
 * calendar, two features each. */
struct grid {
    const struct ks_table *table;
    const struct ks_series_schema *schema;
    size_t time[4]; /* columns: one, or year, month, day, hour */
    size_t columns[1 + KS_SERIES_COLUMNS_MAX];
    size_t numbers;
    size_t direction;
    size_t features; /* in all */
    uint64_t from_us;
    size_t rows;
    float *values;    /* rows * features; numbers as they are in the table */
    uint8_t *present; /* rows * features: how many cells fell there, at most 255 */
    double centre[FEATURES_MAX];
    double spread[FEATURES_MAX];
};

static enum ks_err find(const struct ks_table *table, const char *name, size_t *out_column)
{
    return ks_table_find(table, ks_bytes_text(name), out_column);
}

static enum ks_err find_columns(struct grid *grid)
{
    static const char *const parts[] = {"year", "month", "day", "hour"};
    enum ks_err err = KS_OK;
    const struct ks_series_schema *schema = grid->schema;

    if (schema->time[0] != '\0') {
        KS_TRY(find(grid->table, schema->time, &grid->time[0]));
    }
    for (unsigned i = 0; schema->time[0] == '\0' && i < 4; i++) {
        KS_TRY(find(grid->table, parts[i], &grid->time[i]));
    }
    KS_TRY(find(grid->table, schema->target, &grid->columns[0]));
    for (unsigned i = 0; i < schema->features; i++) {
        KS_TRY(find(grid->table, schema->feature[i], &grid->columns[i + 1]));
    }
    grid->numbers = schema->features + 1;
    grid->features = grid->numbers;
    if (schema->direction[0] != '\0') {
        KS_TRY(find(grid->table, schema->direction, &grid->direction));
        grid->features += 2;
    }
    for (unsigned bit = 1; bit <= KS_CALENDAR_SEASON; bit *= 2) {
        grid->features += (schema->calendar & bit) != 0 ? 2 : 0;
    }
out:
    if (err == KS_ERR_NOT_FOUND) { /* it is the table's fault */
        err = KS_ERR_FORMAT;
    }
    return err;
}

/* All become the one form that ks_time_parse takes. */
enum ks_err ks_series_time(struct ks_bytes text, uint64_t *out_us)
{
    static const char rest[] = ".000000Z";
    char full[KS_TIME_TEXT_LEN + 1] = {0};
    char shown[32];

    ks_text_shown(text, shown, sizeof shown);
    if (text.len == 19 || (text.len == 20 && text.data[19] == 'Z')) {
        ks_copy(full, text.data, 19);
        ks_copy(full + 19, rest, sizeof rest);
        full[10] = full[10] == ' ' ? 'T' : full[10];
        text = ks_bytes_text(full);
    }
    if (ks_time_parse(text, out_us) != KS_OK) {
        return ks_fail(KS_ERR_FORMAT, "'%s' is no time such as 2015-07-10 14:24:00", shown);
    }
    return KS_OK;
}

static enum ks_err time_of_parts(const struct grid *grid, size_t row, uint64_t *out_us)
{
    static const unsigned max[] = {9999, 12, 31, 23};
    enum ks_err err = KS_OK;
    unsigned part[4];
    char text[64];

    for (unsigned i = 0; i < 4; i++) {
        double value = 0;

        KS_TRY(ks_table_number(grid->table, row, grid->time[i], &value));
        if (!(value >= 0 && value <= max[i] && value == floor(value))) {
            err = ks_fail(KS_ERR_FORMAT, "no part of a date");
            return ks_table_fail_at(grid->table, row, grid->time[i], err);
        }
        part[i] = (unsigned)value;
    }
    (void)snprintf(text, sizeof text, "%04u-%02u-%02uT%02u:00:00.000000Z", part[0], part[1],
                   part[2], part[3]);
    err = ks_time_parse(ks_bytes_text(text), out_us);
    err = ks_table_fail_at(grid->table, row, grid->time[0], err);
out:
    return err;
}

static enum ks_err time_of(const struct grid *grid, size_t row, uint64_t *out_us)
{
    if (grid->schema->time[0] == '\0') {
        return time_of_parts(grid, row, out_us);
    }
    return ks_table_fail_at(
        grid->table, row, grid->time[0],
        ks_series_time(ks_table_cell(grid->table, row, grid->time[0]), out_us));
}

/* The row of the grid that a row of the table falls into. Times ascend. */
static enum ks_err place_of(const struct grid *grid, size_t row, uint64_t *last_us,
                            size_t *out_place)
{
    enum ks_err err = KS_OK;
    uint64_t time_us = 0;

    KS_TRY(time_of(grid, row, &time_us));
    if (time_us < *last_us) {
        err = ks_fail(KS_ERR_FORMAT, "a time before that of the row before");
        return ks_table_fail_at(grid->table, row, grid->time[0], err);
    }
    *last_us = time_us;
    *out_place = (size_t)((time_us - grid->from_us) / (grid->schema->step_s * SECOND_US));
out:
    return err;
}

/* Missing is also a cell of spaces alone: published tables have such. */
static bool is_missing(struct ks_bytes cell)
{
    size_t at = 0;

    while (at < cell.len && cell.data[at] == ' ') {
        at++;
    }
    return at == cell.len || ks_table_is_missing(cell);
}

static enum ks_err number_of(const struct grid *grid, size_t row, size_t column,
                             double *out_value)
{
    enum ks_err err = KS_OK;

    *out_value = (double)NAN;
    if (is_missing(ks_table_cell(grid->table, row, column))) {
        return KS_OK;
    }
    KS_TRY(ks_table_number(grid->table, row, column, out_value));
    if (fabs(*out_value) > MEASUREMENT_MAX) {
        err = ks_fail(KS_ERR_LIMIT, "a measurement beyond 1e30");
        err = ks_table_fail_at(grid->table, row, column, err);
    }
out:
    return err;
}

/* The compass from N clockwise: 16 names. False: another text. */
static bool compass(struct ks_bytes text, double *out_angle)
{
    static const char *const names[] = {"N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE",
                                        "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"};

    for (unsigned i = 0; i < 16; i++) {
        if (ks_bytes_is(text, names[i])) {
            *out_angle = TWO_PI * i / 16;
            return true;
        }
    }
    return false;
}

/* The mean of the cells that fall on one place of the grid. */
static void add_value(struct grid *grid, size_t at, double value)
{
    const double before = grid->present[at];

    if (grid->present[at] < UINT8_MAX) {
        grid->values[at] = (float)(((double)grid->values[at] * before + value) / (before + 1));
        grid->present[at]++;
    }
}

static enum ks_err add_row(struct grid *grid, size_t row, size_t place)
{
    enum ks_err err = KS_OK;
    const size_t at = place * grid->features;

    for (size_t i = 0; i < grid->numbers; i++) {
        double value = 0;

        KS_TRY(number_of(grid, row, grid->columns[i], &value));
        if (!isnan(value)) {
            add_value(grid, at + i, value);
        }
    }
    if (grid->schema->direction[0] != '\0') {
        const struct ks_bytes cell = ks_table_cell(grid->table, row, grid->direction);
        double angle = 0;

        if (compass(cell, &angle)) {
            add_value(grid, at + grid->numbers, sin(angle));
            add_value(grid, at + grid->numbers + 1, cos(angle));
        } else if (!is_missing(cell)) {
            err = ks_fail(KS_ERR_FORMAT, "no direction of the compass such as NNW");
            err = ks_table_fail_at(grid->table, row, grid->direction, err);
        }
    }
out:
    return err;
}

static enum ks_err make_grid(struct grid *grid)
{
    enum ks_err err = KS_OK;
    const size_t count = ks_table_rows(grid->table);
    const uint64_t step_us = grid->schema->step_s * SECOND_US;
    uint64_t last_us = 0;
    size_t place = 0;

    KS_CHECK(count > 0, KS_ERR_FORMAT, "a table without rows");
    KS_TRY(find_columns(grid));
    KS_TRY(time_of(grid, 0, &grid->from_us));
    grid->from_us -= grid->from_us % step_us;
    for (size_t row = 0; row < count; row++) {
        KS_TRY(place_of(grid, row, &last_us, &place));
    }
    KS_CHECK(place < KS_SERIES_ROWS_MAX, KS_ERR_LIMIT, "over %zu steps of %u s",
             KS_SERIES_ROWS_MAX, grid->schema->step_s);
    grid->rows = place + 1;
    grid->values = ks_calloc(grid->rows * grid->features, sizeof *grid->values);
    grid->present = ks_calloc(grid->rows * grid->features, sizeof *grid->present);
    KS_CHECK(grid->values != NULL && grid->present != NULL, KS_ERR_NOMEM, "%zu steps",
             grid->rows);
    last_us = 0;
    for (size_t row = 0; row < count; row++) {
        KS_TRY(place_of(grid, row, &last_us, &place));
        KS_TRY(add_row(grid, row, place));
    }
out:
    return err;
}

/* --- normalisation ------------------------------------------------------------------------ */

static uint64_t time_at(const struct grid *grid, size_t row)
{
    return grid->from_us + row * (grid->schema->step_s * SECOND_US);
}

/* Mean and deviation of a column over the rows for training. */
static void measure(struct grid *grid, size_t column)
{
    double sum = 0;
    double squares = 0;
    size_t count = 0;

    for (size_t row = 0; row < grid->rows && time_at(grid, row) < grid->schema->test_from_us;
         row++) {
        if (grid->present[row * grid->features + column] != 0) {
            sum += (double)grid->values[row * grid->features + column];
            count++;
        }
    }
    grid->centre[column] = count > 0 ? sum / (double)count : 0;
    for (size_t row = 0; row < grid->rows && time_at(grid, row) < grid->schema->test_from_us;
         row++) {
        const double value =
            (double)grid->values[row * grid->features + column] - grid->centre[column];

        squares += grid->present[row * grid->features + column] != 0 ? value * value : 0;
    }
    grid->spread[column] = count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
    if (!(grid->spread[column] > 1e-9 * (1 + fabs(grid->centre[column])))) {
        grid->spread[column] = 1; /* it does not vary */
    }
}

/* What is missing in a column: its last value for a while, then the mean. */
static size_t fill(struct grid *grid, size_t column)
{
    size_t missing = 0;
    size_t since = SIZE_MAX; /* steps since a value */
    float last = 0;

    for (size_t row = 0; row < grid->rows; row++) {
        const size_t at = row * grid->features + column;

        if (grid->present[at] != 0) {
            last = grid->values[at];
            since = 0;
            continue;
        }
        missing++;
        since += since == SIZE_MAX ? 0 : 1;
        grid->values[at] = since <= grid->schema->fill ? last : (float)grid->centre[column];
    }
    return missing;
}

static void put_circle(float *target, double turns)
{
    target[0] = (float)sin(TWO_PI * turns);
    target[1] = (float)cos(TWO_PI * turns);
}

static void put_calendar(struct grid *grid)
{
    const unsigned calendar = grid->schema->calendar;

    for (size_t row = 0; row < grid->rows; row++) {
        const uint64_t second = time_at(grid, row) / SECOND_US;
        size_t at =
            row * grid->features + grid->numbers + (grid->schema->direction[0] != '\0' ? 2 : 0);

        if ((calendar & KS_CALENDAR_HOUR) != 0) {
            put_circle(&grid->values[at], (double)(second % DAY_S) / DAY_S);
            at += 2;
        }
        if ((calendar & KS_CALENDAR_WEEKDAY) != 0) {
            put_circle(&grid->values[at], (double)(second / DAY_S % 7) / 7);
            at += 2;
        }
        if ((calendar & KS_CALENDAR_SEASON) != 0) {
            put_circle(&grid->values[at], (double)(second % YEAR_S) / (double)YEAR_S);
        }
    }
}

/* The least deviation that varies is tiny: a measurement far from the rest may come to more
 * than a float holds. */
static enum ks_err scale(struct grid *grid, size_t column)
{
    enum ks_err err = KS_OK;

    for (size_t row = 0; row < grid->rows; row++) {
        float *value = &grid->values[row * grid->features + column];
        const double scaled = ((double)*value - grid->centre[column]) / grid->spread[column];

        KS_CHECK(fabs(scaled) <= MEASUREMENT_MAX, KS_ERR_LIMIT,
                 "column '%s': a measurement beyond 1e30 deviations",
                 column == 0 ? grid->schema->target : grid->schema->feature[column - 1]);
        *value = (float)scaled;
    }
out:
    return err;
}

static enum ks_err normalise(struct grid *grid, size_t *out_missing)
{
    enum ks_err err = KS_OK;
    size_t missing = 0;

    for (size_t i = 0; i < grid->numbers; i++) {
        measure(grid, i);
        missing += fill(grid, i);
        KS_TRY(scale(grid, i));
    }
    for (size_t i = grid->numbers; grid->schema->direction[0] != '\0' && i < grid->numbers + 2;
         i++) {
        grid->centre[i] = 0;
        missing += i == grid->numbers ? fill(grid, i) : 0;
        if (i > grid->numbers) {
            (void)fill(grid, i);
        }
    }
    put_calendar(grid);
    *out_missing = missing;
out:
    return err;
}

/* --- samples ------------------------------------------------------------------------------ */

static enum ks_err make_samples(const struct grid *grid, struct ks_samples *samples)
{
    enum ks_err err = KS_OK;
    const size_t count = grid->rows * grid->features;

    samples->dims = 2;
    samples->shape[0] = grid->schema->window;
    samples->shape[1] = (unsigned)grid->features;
    samples->size = grid->schema->window * grid->features;
    samples->values = ks_calloc(count, sizeof *samples->values);
    samples->starts = ks_calloc(grid->rows, sizeof *samples->starts);
    samples->targets = ks_calloc(grid->rows, sizeof *samples->targets);
    KS_CHECK(samples->values != NULL && samples->starts != NULL && samples->targets != NULL,
             KS_ERR_NOMEM, "%zu steps", grid->rows);
    ks_copy(samples->values, grid->values, count * sizeof *samples->values);
out:
    return err;
}

/* Windows whose target was measured; errors of the two simplest guesses. */
static void cut_windows(const struct grid *grid, struct ks_series *series)
{
    const struct ks_series_schema *schema = grid->schema;
    double persistence = 0;
    double mean = 0;

    for (size_t last = schema->window - 1; last + schema->horizon < grid->rows; last++) {
        const size_t row = last + schema->horizon;
        const bool test = time_at(grid, row) >= schema->test_from_us;
        struct ks_samples *samples = test ? &series->test : &series->train;
        const double now = (double)grid->values[last * grid->features];
        const double target = (double)grid->values[row * grid->features];

        if (grid->present[row * grid->features] == 0) {
            series->left_out++;
            continue;
        }
        samples->starts[samples->count] =
            (uint32_t)((last + 1 - schema->window) * grid->features);
        samples->targets[samples->count++] = (float)(schema->change ? target - now : target);
        if (test) {
            persistence += (target - now) * (target - now);
            mean += target * target;
        }
    }
    if (series->test.count > 0) {
        series->persistence = grid->spread[0] * sqrt(persistence / (double)series->test.count);
        series->mean = grid->spread[0] * sqrt(mean / (double)series->test.count);
    }
}

enum ks_err ks_series_read(const struct ks_table *table, const struct ks_series_schema *schema,
                           struct ks_series *out_series)
{
    enum ks_err err = KS_OK;
    struct grid grid = {.table = table, .schema = schema};
    struct ks_series series = {0};

    KS_TRY(ks_series_check(schema));
    KS_TRY(make_grid(&grid));
    KS_TRY(normalise(&grid, &series.missing));
    series.centre = (float)grid.centre[0];
    series.spread = (float)grid.spread[0];
    KS_TRY(make_samples(&grid, &series.train));
    KS_TRY(make_samples(&grid, &series.test));
    cut_windows(&grid, &series);
    KS_CHECK(
        series.train.count > 0 && series.test.count > 0, KS_ERR_FORMAT,
        "%zu samples to train with, %zu to test: the table is too short, or test_from lies "
        "outside it",
        series.train.count, series.test.count);
    *out_series = series;
    series = (struct ks_series){0}; /* transferred */
out:
    ks_free(grid.values);
    ks_free(grid.present);
    ks_series_done(&series);
    return err;
}

void ks_series_done(struct ks_series *series)
{
    ks_samples_done(&series->train);
    ks_samples_done(&series->test);
}
