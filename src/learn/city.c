/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An invented city; docs/learning.md gives the formulas. Each number is a function of seed,
 * site and hour, so that any stretch of time can be made by itself. */

#include <math.h>

#include "base/philox.h"
#include "base/text.h"
#include "learn/internal.h"
#include "learn/series.h"

#define HOUR_US  3600000000ULL
#define HOUR_END (2932897ULL * 24) /* where the year 10000 begins, which no text has */
#define PI       3.141592653589793
#define YEAR_H   8766.0 /* hours of a mean year */
#define MEMORY   6      /* hours that air keeps of the traffic */
#define COLUMNS  7
#define SHARED   0 /* the site of what all sites share */
#define OUTAGE_H 6

/* Each kind of noise has its own numbers. */
enum stream {
    STREAM_TEMPERATURE,
    STREAM_WIND,
    STREAM_RAIN,
    STREAM_BACKGROUND,
    STREAM_ROAD,
    STREAM_TRAFFIC,
    STREAM_SENSOR,
    STREAM_INCIDENT,
    STREAM_OUTAGE,
};

struct city {
    uint64_t seed;
    uint32_t site; /* from 1 */
};

/* Two numbers in (0, 1) of place AT in a stream. */
static void draw(const struct city *city, uint32_t site, enum stream stream, uint64_t at,
                 double out_pair[2])
{
    const uint32_t key[2] = {(uint32_t)city->seed, (uint32_t)(city->seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)at, (uint32_t)(at >> 32), site,
                                 KS_DRAW_CITY | (uint32_t)stream << 8};
    uint32_t words[4];

    ks_philox(key, counter, words);
    out_pair[0] = (words[0] + 0.5) / 4294967296.0;
    out_pair[1] = (words[1] + 0.5) / 4294967296.0;
}

static double normal(const struct city *city, uint32_t site, enum stream stream, uint64_t at)
{
    double pair[2];

    draw(city, site, stream, at, pair);
    return sqrt(-2 * log(pair[0])) * cos(2 * PI * pair[1]);
}

/* Noise that changes over PERIOD hours: normal numbers at its multiples, a smooth way between.
 */
static double drift(const struct city *city, uint32_t site, enum stream stream, uint64_t hour,
                    unsigned period)
{
    const double part = (double)(hour % period) / period;
    const double weight = (1 - cos(PI * part)) / 2;

    return (1 - weight) * normal(city, site, stream, hour / period) +
           weight * normal(city, site, stream, hour / period + 1);
}

static double bump(double hour, double centre, double width)
{
    const double x = (hour - centre) / width;

    return exp(-x * x);
}

struct weather {
    double temperature; /* degrees Celsius */
    double wind;        /* m/s */
    double rain;        /* mm */
};

static struct weather weather_at(const struct city *city, uint64_t hour)
{
    const double day = (double)(hour % 24);
    const double year = 2 * PI * fmod((double)hour, YEAR_H) / YEAR_H;
    const double wet = drift(city, SHARED, STREAM_RAIN, hour, 36) - 1;

    return (struct weather){
        .temperature = 12 - 10 * cos(year - 0.35) + 4 * sin(2 * PI * (day - 9) / 24) +
                       4 * drift(city, SHARED, STREAM_TEMPERATURE, hour, 72),
        .wind = exp(0.9 + 0.6 * drift(city, SHARED, STREAM_WIND, hour, 48)),
        .rain = wet > 0 ? 3 * wet : 0,
    };
}

/* Whether something blocks the road: on one day in twelve, for one to four hours. */
static bool has_incident(const struct city *city, uint64_t hour)
{
    double pair[2];
    double begin = 0;
    double hours = 0;

    draw(city, city->site, STREAM_INCIDENT, hour / 24, pair);
    begin = 6 + floor(12 * pair[1]);
    hours = 1 + floor(4 * (6 + 12 * pair[1] - begin));
    return pair[0] < 1.0 / 12 && (double)(hour % 24) >= begin &&
           (double)(hour % 24) < begin + hours;
}

/* How full the road is, from 0 to about 1. */
static double load_at(const struct city *city, uint64_t hour)
{
    const double day = (double)(hour % 24);
    const bool weekend = (hour / 24 + 3) % 7 >= 5; /* 1970 began on a Thursday */
    const double rush = 0.08 + 0.75 * bump(day, 8, 1.8) + 0.7 * bump(day, 17.5, 2.3) +
                        0.35 * bump(day, 12.5, 3.5);
    const double leisure = 0.07 + 0.5 * bump(day, 14.5, 4.5);
    const double season = 1 + 0.06 * cos(2 * PI * fmod((double)hour, YEAR_H) / YEAR_H);

    return (weekend ? leisure : rush) * season *
           (1 - (weather_at(city, hour).rain > 0 ? 0.12 : 0)) *
           (1 + 0.10 * drift(city, city->site, STREAM_ROAD, hour, 5)) *
           (has_incident(city, hour) ? 0.45 : 1);
}

static void measure(const struct city *city, uint64_t hour, double out_values[COLUMNS])
{
    const struct weather weather = weather_at(city, hour);
    const double capacity = 900 + 350 * (double)(city->site % 7);
    const double free_speed = 42 + 4 * (double)(city->site % 5);
    const double load = load_at(city, hour);
    const double background = 18 + 11 * drift(city, SHARED, STREAM_BACKGROUND, hour, 60);
    const double cold = weather.temperature < 10 ? (10 - weather.temperature) / 10 : 0;
    double smoke = 0;

    for (unsigned k = 0; k < MEMORY; k++) {
        smoke += pow(0.7, k) * (hour >= k ? load_at(city, hour - k) : 0);
    }
    out_values[0] = floor(
        capacity * load * (1 + 0.04 * normal(city, city->site, STREAM_TRAFFIC, hour)) + 0.5);
    out_values[1] = free_speed * (has_incident(city, hour) ? 0.35 : 1 - 0.5 * load * load);
    out_values[2] = 9 + capacity / 1000 * 16 * load / (0.6 + 0.25 * weather.wind) +
                    2 * normal(city, city->site, STREAM_SENSOR, 2 * hour);
    out_values[3] = (background > 3 ? background : 3) * (1 + 0.5 * cold) +
                    capacity / 1000 * 7 * smoke / (0.5 + 0.4 * weather.wind) -
                    (weather.rain > 0 ? 5 : 0) +
                    1.5 * normal(city, city->site, STREAM_SENSOR, 2 * hour + 1);
    out_values[4] = weather.temperature + 0.4 * (double)(city->site % 4);
    out_values[5] = weather.wind;
    out_values[6] = weather.rain;
    for (unsigned i = 0; i < COLUMNS; i++) {
        const double rounded = floor(10 * out_values[i] + 0.5) / 10;

        out_values[i] = rounded > 0 || i == 4 ? rounded : 0;
    }
}

/* Which column is silent, if one is: one block of hours in forty. */
static unsigned silent_column(const struct city *city, uint64_t hour)
{
    double pair[2];

    draw(city, city->site, STREAM_OUTAGE, hour / OUTAGE_H, pair);
    return pair[0] < 1.0 / 40 ? (unsigned)(pair[1] * COLUMNS) : COLUMNS;
}

enum ks_err ks_city(const struct ks_city_spec *spec, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct city city = {spec->seed, spec->site + 1};

    KS_CHECK(spec->hours >= 1 && spec->hours <= KS_CITY_HOURS_MAX, KS_ERR_USAGE,
             "hours: 1 to %d", KS_CITY_HOURS_MAX);
    KS_CHECK(spec->site < 1000000, KS_ERR_USAGE, "site: below 1000000");
    KS_CHECK(spec->from_us % HOUR_US == 0, KS_ERR_USAGE, "a city begins at a whole hour");
    KS_CHECK(spec->from_us / HOUR_US + spec->hours <= HOUR_END, KS_ERR_USAGE,
             "a city ends with the year 9999");
    ks_buf_put_text(out, "time,vehicles,speed,no2,pm25,temp,wind,rain\n");
    for (unsigned i = 0; i < spec->hours; i++) {
        const uint64_t hour = spec->from_us / HOUR_US + i;
        const unsigned silent = silent_column(&city, hour);
        double values[COLUMNS];
        char text[KS_TIME_TEXT_LEN + 1];

        ks_time_text(hour * HOUR_US, text);
        ks_buf_put(out, ks_bytes_of(text, 19));
        ks_buf_put_text(out, "Z");
        measure(&city, hour, values);
        for (unsigned k = 0; k < COLUMNS; k++) {
            char number[KS_DOUBLE_TEXT_MAX];

            ks_buf_put_text(out, ",");
            if (k != silent) {
                ks_buf_put(out, ks_bytes_of(number, ks_double_text(values[k], number)));
            }
        }
        ks_buf_put_text(out, "\n");
    }
    KS_TRY(ks_buf_check(out));
out:
    return err;
}
