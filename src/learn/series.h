/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* series.h: what sensors measured over time, as samples: the last hours of a site, and the
 * value to be predicted. Hides time, gaps and units. Pure.
 *
 * Rows of a table are put on a regular grid of time. A feature that is missing keeps its last
 * value for as long as the schema says, then its mean. A sample whose target is missing is left
 * out. Each site is normalised by its own training rows: features and target to mean 0,
 * deviation 1. */
#ifndef KS_LEARN_SERIES_H
#define KS_LEARN_SERIES_H

#include "base/table.h"
#include "learn/dataset.h"

#define KS_SERIES_COLUMNS_MAX 32
#define KS_SERIES_WINDOW_MAX  1024
#define KS_SERIES_ROWS_MAX    ((size_t)1 << 22) /* of the grid */
#define KS_SERIES_NAME_MAX    31

enum ks_calendar { KS_CALENDAR_HOUR = 1, KS_CALENDAR_WEEKDAY = 2, KS_CALENDAR_SEASON = 4 };

/* Which columns of a table mean what. */
struct ks_series_schema {
    char name[KS_SERIES_NAME_MAX + 1];
    /* The one column with the time, "2015-07-10 14:24:00" or RFC 3339; or, where it is empty,
     * year, month, day, hour. */
    char time[KS_SERIES_NAME_MAX + 1];
    char target[KS_SERIES_NAME_MAX + 1]; /* is also the first feature */
    unsigned features;                   /* others */
    char feature[KS_SERIES_COLUMNS_MAX][KS_SERIES_NAME_MAX + 1];
    char direction[KS_SERIES_NAME_MAX + 1]; /* of the compass, as two features; empty: none */
    unsigned calendar;                      /* sum of enum ks_calendar: two features each */
    unsigned step_s;                        /* of the grid */
    unsigned window;                        /* steps that a sample sees */
    unsigned horizon;                       /* steps from its last one to the target */
    bool change;                            /* the target is what is added to the last value */
    unsigned fill;                          /* steps that a value stands for missing ones */
    uint64_t test_from_us;                  /* later targets are for testing */
};
/* "beijing": PM2.5 in six hours from a day; "traffic": NAB's columns timestamp, value;
 * "city-air", "city-traffic": of what ks_city writes. KS_ERR_NOT_FOUND names them. */
KS_MUST_CHECK enum ks_err ks_series_named(const char *name,
                                          struct ks_series_schema *out_schema);

/* KS_ERR_USAGE, KS_ERR_LIMIT for what is out of range. */
KS_MUST_CHECK enum ks_err ks_series_check(const struct ks_series_schema *schema);

/* "2015-07-10 14:24:00", or RFC 3339 in UTC with and without a fraction of six digits. */
KS_MUST_CHECK enum ks_err ks_series_time(struct ks_bytes text, uint64_t *out_us);

/* One site's samples; shape {window, features}. */
struct ks_series {
    struct ks_samples train;
    struct ks_samples test;
    float centre; /* of the target, from its training rows */
    float spread;
    size_t missing;     /* cells on the grid that were filled */
    size_t left_out;    /* samples without a target */
    double persistence; /* root mean square error on test, in the target's unit, of: as now */
    double mean;        /* of: as the mean of the training rows */
};
/* KS_ERR_FORMAT with the place: a time that is none, or earlier than the one before; cells that
 * are no numbers. Without a training or a test sample: KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_series_read(const struct ks_table *table,
                                         const struct ks_series_schema *schema,
                                         struct ks_series *out_series);
void ks_series_done(struct ks_series *series); /* {0} is fine */

/* --- a city ------------------------------------------------------------------------------- */

/* Hourly traffic and air of one site of an invented city (docs/learning.md gives the formulas):
 * seasons, days and weeks, weather that all sites share, roads of their own, incidents, and
 * sensors that fail. Follows from SEED, SITE and the hour alone. */
struct ks_city_spec {
    uint64_t seed;
    unsigned site;
    uint64_t from_us; /* a whole hour */
    unsigned hours;   /* 1 to KS_CITY_HOURS_MAX */
};
#define KS_CITY_HOURS_MAX 100000
/* Appends a table as CSV: time, vehicles, speed, no2, pm25, temp, wind, rain. */
KS_MUST_CHECK enum ks_err ks_city(const struct ks_city_spec *spec, struct ks_buf *out);

#endif
