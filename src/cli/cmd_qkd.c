/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qkd simulate: both ends of a simulated link in this process. docs/qkd.md has the model,
 * docs/formats/qkd-simulate.md the tables. */

#include <math.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/figure.h"
#include "crypto/digest.h"
#include "qkd/finite.h"
#include "qkd/link.h"

#define DISTANCES_MAX   256
#define BLOCKS_MAX      1000
#define CLICKS_WANTED   2e6 /* of a block, when its pulses are not given */
#define PULSES_AUTO_MIN 1e6
#define PULSES_AUTO_MAX 1e11
#define RATE_MAX        1e12
#define SECRET_LEN      256
#define TABLE_MAX       ((size_t)64 << 20)
#define LABEL           "ketseal/qkd-simulate/1"

struct outcome {
    double distance_km;
    struct ks_link_report report;
    uint64_t real_us;
    uint64_t light_us; /* of these, until everything was detected */
};

struct total {
    double pulses;
    double secret_bits;
    double real_us;
};

struct simulation {
    struct ks_cli *cli;
    struct ks_link_params params;
    double distances[DISTANCES_MAX];
    size_t distance_count;
    uint64_t blocks;
    uint64_t pulses; /* 0: by distance */
    uint64_t seed;
    double rate_hz;
    const char *directory; /* NULL: none */
    bool draw;
    struct outcome *outcomes; /* blocks for each distance */
    size_t count;
};

/* --- flags -------------------------------------------------------------------------------- */

static enum ks_err real_flag(const struct ks_cli *cli, const char *name, double *out_value)
{
    const char *text = ks_cli_text(cli, name);

    if (text == NULL || ks_cli_read_real(text, out_value) != KS_OK) {
        return ks_fail(KS_ERR_USAGE, "--%s: '%s' is no number", name, text ? text : "");
    }
    return KS_OK;
}

/* "intercept:0.3" */
static enum ks_err read_eve(const struct ks_cli *cli, struct ks_link_fibre *fibre)
{
    static const struct {
        const char *prefix;
        enum ks_link_eve eve;
    } kinds[] = {{"intercept:", KS_LINK_EVE_INTERCEPT}, {"pns:", KS_LINK_EVE_PNS}};
    const char *text = ks_cli_text(cli, "eve");

    if (strcmp(text, "none") == 0) {
        return KS_OK;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const size_t len = strlen(kinds[i].prefix);

        if (strncmp(text, kinds[i].prefix, len) == 0 &&
            ks_cli_read_real(text + len, &fibre->eve_share) == KS_OK) {
            fibre->eve = kinds[i].eve;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "--eve: none, intercept:SHARE or pns:SHARE, not '%s'", text);
}

static enum ks_err add_distance(struct simulation *simulation, double km)
{
    if (simulation->distance_count == DISTANCES_MAX) {
        return ks_fail(KS_ERR_USAGE, "--distance: more than %d", DISTANCES_MAX);
    }
    if (simulation->distance_count > 0 &&
        km <= simulation->distances[simulation->distance_count - 1]) {
        return ks_fail(KS_ERR_USAGE, "--distance: name them in ascending order");
    }
    simulation->distances[simulation->distance_count++] = km;
    return KS_OK;
}

/* The three numbers of FROM:TO:STEP, or one. */
static enum ks_err read_range(const char *text, double parts[3], size_t *out_count)
{
    size_t count = 0;

    while (count < 3) {
        const size_t len = strcspn(text, ":");
        char part[32];

        if (len >= sizeof part) {
            break;
        }
        (void)snprintf(part, sizeof part, "%.*s", (int)len, text);
        if (ks_cli_read_real(part, &parts[count]) != KS_OK) {
            break;
        }
        count++;
        if (text[len] == '\0') {
            *out_count = count;
            return KS_OK;
        }
        text += len + 1;
    }
    return ks_fail(KS_ERR_USAGE, "not a number");
}

static enum ks_err read_distances(struct simulation *simulation)
{
    enum ks_err err = KS_OK;
    const char *const *values = NULL;
    const unsigned count = ks_cli_many(simulation->cli, "distance", &values);

    for (unsigned i = 0; i < count; i++) {
        double parts[3];
        size_t found = 0;

        KS_CHECK(read_range(values[i], parts, &found) == KS_OK && found != 2 &&
                     (found == 1 || (parts[2] > 0.0 && parts[1] >= parts[0])),
                 KS_ERR_USAGE, "--distance: '%s' is neither KM nor FROM:TO:STEP", values[i]);
        if (found == 1) {
            KS_TRY(add_distance(simulation, parts[0]));
            continue;
        }
        for (unsigned step = 0; parts[0] + step * parts[2] <= parts[1] * (1.0 + 1e-12);
             step++) {
            KS_TRY(add_distance(simulation, parts[0] + step * parts[2]));
        }
    }
    if (count == 0) {
        KS_TRY(add_distance(simulation, 25.0));
    }
out:
    return err;
}

static enum ks_err read_reals(struct simulation *simulation)
{
    enum ks_err err = KS_OK;
    struct ks_link_protocol *protocol = &simulation->params.protocol;
    struct ks_link_detector *detector = &simulation->params.detector;
    const struct {
        const char *name;
        double *target;
    } flags[] = {
        {"rate", &simulation->rate_hz},
        {"loss", &simulation->params.fibre.loss_db_km},
        {"efficiency", &detector->efficiency},
        {"dark", &detector->dark},
        {"misalignment", &detector->misalignment},
        {"afterpulse", &detector->afterpulse},
        {"signal", &protocol->intensity[KS_LINK_SIGNAL]},
        {"decoy", &protocol->intensity[KS_LINK_DECOY]},
        {"vacuum", &protocol->intensity[KS_LINK_VACUUM]},
        {"p-signal", &protocol->probability[KS_LINK_SIGNAL]},
        {"p-decoy", &protocol->probability[KS_LINK_DECOY]},
        {"basis-x", &protocol->basis_x},
        {"sample", &protocol->sample},
        {"secrecy", &protocol->secrecy},
    };

    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        KS_TRY(real_flag(simulation->cli, flags[i].name, flags[i].target));
    }
    protocol->probability[KS_LINK_VACUUM] =
        1.0 - protocol->probability[KS_LINK_SIGNAL] - protocol->probability[KS_LINK_DECOY];
    KS_CHECK(simulation->rate_hz > 0.0 && simulation->rate_hz <= RATE_MAX, KS_ERR_USAGE,
             "--rate: over 0, up to %g", RATE_MAX);
out:
    return err;
}

/* The parameters at a distance, with the pulses of a block there. */
static struct ks_link_params params_at(const struct simulation *simulation, double km)
{
    struct ks_link_params params = simulation->params;

    params.fibre.distance_km = km;
    if (simulation->pulses > 0) {
        params.protocol.pulses = simulation->pulses;
        return params;
    }
    double clicks = 0.0;

    for (unsigned k = 0; k < KS_LINK_INTENSITIES; k++) {
        clicks += params.protocol.probability[k] *
                  ks_finite_expected(&params, (enum ks_link_intensity)k).gain;
    }
    const double wanted = clicks > 0.0 ? CLICKS_WANTED / clicks : PULSES_AUTO_MAX;

    params.protocol.pulses = (uint64_t)fmin(fmax(wanted, PULSES_AUTO_MIN), PULSES_AUTO_MAX);
    return params;
}

static enum ks_err read_flags(struct simulation *simulation)
{
    enum ks_err err = KS_OK;
    struct ks_cli *cli = simulation->cli;
    uint64_t dead = 0;
    uint64_t frame = 0;

    simulation->params = ks_link_params_default();
    KS_TRY(read_reals(simulation));
    KS_TRY(read_eve(cli, &simulation->params.fibre));
    KS_TRY(read_distances(simulation));
    KS_TRY(ks_cli_number(cli, "blocks", BLOCKS_MAX, &simulation->blocks));
    KS_CHECK(simulation->blocks > 0, KS_ERR_USAGE, "--blocks: at least 1");
    KS_TRY(ks_cli_number(cli, "pulses", KS_LINK_PULSES_MAX, &simulation->pulses));
    KS_TRY(ks_cli_number(cli, "dead", UINT32_MAX, &dead));
    KS_TRY(ks_cli_number(cli, "frame", UINT32_MAX, &frame));
    simulation->params.detector.dead_pulses = (uint32_t)dead;
    simulation->params.protocol.frame_bits = (unsigned)frame;
    if (ks_cli_text(cli, "seed") != NULL) {
        KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &simulation->seed));
    } else {
        KS_TRY(ks_cli_random_seed(&simulation->seed));
    }
    simulation->directory = ks_cli_text(cli, "out");
    simulation->draw = simulation->directory != NULL && !ks_cli_switch(cli, "no-figure");
    for (size_t i = 0; i < simulation->distance_count; i++) {
        const struct ks_link_params params = params_at(simulation, simulation->distances[i]);

        KS_TRY(ks_link_params_check(&params));
    }
out:
    return err;
}

/* --- running ------------------------------------------------------------------------------ */

/* What the seed gives to WHO at distance number INDEX, 32 bytes a part. */
static void derive(const struct simulation *simulation, size_t index, const char *who,
                   uint8_t *target, size_t len)
{
    for (size_t at = 0; at < len; at += KS_SHA256_LEN) {
        char text[128];

        (void)snprintf(text, sizeof text, "%s %llu %zu %s %zu", LABEL,
                       (unsigned long long)simulation->seed, index, who, at);
        ks_sha256(ks_bytes_text(text), target + at);
    }
}

static enum ks_err ends_new(const struct simulation *simulation, size_t index,
                            struct ks_link *out_ends[2])
{
    enum ks_err err = KS_OK;
    const struct ks_link_params params = params_at(simulation, simulation->distances[index]);
    uint8_t secret[SECRET_LEN];
    uint8_t seed[KS_LINK_SEED_LEN];

    derive(simulation, index, "secret", secret, sizeof secret);
    for (unsigned end = 0; end < 2; end++) {
        derive(simulation, index, end == KS_LINK_ALICE ? "alice" : "bob", seed, sizeof seed);
        KS_TRY(ks_link_new((enum ks_link_role)end, &params, seed, KS_BYTES(secret),
                           &out_ends[end]));
    }
out:
    return err;
}

/* All that END has to say for now; *OUT_SPOKE whether it was anything. */
static enum ks_err speak(struct ks_link *const ends[2], unsigned end, struct ks_buf *message,
                         bool *out_spoke)
{
    enum ks_err err = KS_OK;
    bool spoke = false;

    for (;;) {
        ks_buf_clear(message);
        KS_TRY(ks_link_send(ends[end], message));
        if (message->len == 0) {
            break;
        }
        spoke = true;
        KS_TRY(ks_link_receive(ends[1 - end], ks_buf_view(message)));
    }
    *out_spoke = spoke;
out:
    return err;
}

static enum ks_err run_block(struct ks_link *const ends[2], struct outcome *outcome)
{
    enum ks_err err = KS_OK;
    const uint64_t start = ks_clock_monotonic_us();
    struct ks_buf message;
    bool spoke = true;
    unsigned end = KS_LINK_ALICE;

    ks_buf_init(&message, KS_LINK_MESSAGE_MAX);
    KS_TRY(ks_link_start(ends[KS_LINK_ALICE]));
    KS_TRY(ks_link_start(ends[KS_LINK_BOB]));
    while (spoke) {
        KS_TRY(speak(ends, end, &message, &spoke));
        if (outcome->light_us == 0) {
            outcome->light_us = ks_clock_monotonic_us() - start;
        }
        end = 1 - end;
    }
    outcome->real_us = ks_clock_monotonic_us() - start;
    outcome->report = *ks_link_report(ends[KS_LINK_ALICE]);
    KS_CHECK(ks_bytes_equal(ks_link_key(ends[KS_LINK_ALICE]), ks_link_key(ends[KS_LINK_BOB])),
             KS_ERR_INTERNAL, "the ends have different keys");
out:
    ks_buf_done(&message);
    return err;
}

static enum ks_err run_distance(struct simulation *simulation, size_t index)
{
    enum ks_err err = KS_OK;
    struct ks_link *ends[2] = {NULL, NULL};

    ks_cli_progress(simulation->cli, "%g km, %llu blocks", simulation->distances[index],
                    (unsigned long long)simulation->blocks);
    KS_TRY(ends_new(simulation, index, ends));
    for (uint64_t block = 0; block < simulation->blocks; block++) {
        struct outcome *outcome = &simulation->outcomes[simulation->count];

        outcome->distance_km = simulation->distances[index];
        KS_TRY(run_block(ends, outcome));
        simulation->count++;
    }
out:
    ks_link_free(ends[0]);
    ks_link_free(ends[1]);
    return err;
}

static struct total total_at(const struct simulation *simulation, size_t index)
{
    struct total total = {0};

    for (uint64_t block = 0; block < simulation->blocks; block++) {
        const struct outcome *outcome =
            &simulation->outcomes[index * simulation->blocks + block];

        total.pulses += (double)outcome->report.pulses;
        total.secret_bits += (double)outcome->report.secret_bits;
        total.real_us += (double)outcome->real_us;
    }
    return total;
}

static double asymptotic_at(const struct simulation *simulation, size_t index)
{
    const struct ks_link_params params = params_at(simulation, simulation->distances[index]);

    return ks_finite_asymptotic(&params).rate * simulation->rate_hz;
}

/* --- tables ------------------------------------------------------------------------------- */

static void put_real(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    (void)ks_double_text(value, text);
    ks_buf_put_format(out, ",%s", text);
}

static enum ks_err write_blocks(const struct simulation *simulation)
{
    enum ks_err err = KS_OK;
    struct ks_buf table;
    char path[KS_PATH_MAX];

    ks_buf_init(&table, TABLE_MAX);
    ks_buf_put_text(&table,
                    "distance_km,block,outcome,pulses,detected,sifted,sampled,qber_x,qber_z,"
                    "raw_bits,corrected,leaked_bits,efficiency,rounds,vacuum_bits,single_bits,"
                    "phase_error,length_bits,auth_bits,secret_bits,simulated_s,real_s\n");
    for (size_t i = 0; i < simulation->count; i++) {
        const struct outcome *outcome = &simulation->outcomes[i];
        const struct ks_link_report *report = &outcome->report;
        char text[KS_DOUBLE_TEXT_MAX];

        (void)ks_double_text(outcome->distance_km, text);
        ks_buf_put_format(
            &table, "%s,%llu,%s,%llu,%llu,%llu,%llu", text, (unsigned long long)report->block,
            ks_link_outcome_text(report->outcome), (unsigned long long)report->pulses,
            (unsigned long long)report->detected, (unsigned long long)report->sifted,
            (unsigned long long)report->sampled);
        put_real(&table, report->qber[KS_LINK_X]);
        put_real(&table, report->qber[KS_LINK_Z]);
        ks_buf_put_format(&table, ",%llu,%llu,%llu", (unsigned long long)report->raw_bits,
                          (unsigned long long)report->corrected,
                          (unsigned long long)report->leaked_bits);
        put_real(&table, report->efficiency);
        ks_buf_put_format(&table, ",%llu", (unsigned long long)report->rounds);
        put_real(&table, report->vacuum_bits);
        put_real(&table, report->single_bits);
        put_real(&table, report->phase_error);
        ks_buf_put_format(&table, ",%lld,%llu,%llu", (long long)report->length_bits,
                          (unsigned long long)report->auth_bits,
                          (unsigned long long)report->secret_bits);
        put_real(&table, (double)report->pulses / simulation->rate_hz);
        put_real(&table, (double)outcome->real_us / 1e6);
        ks_buf_put_u8(&table, '\n');
    }
    KS_TRY(ks_buf_check(&table));
    KS_TRY(ks_path_join(simulation->directory, "qkd-blocks.csv", path));
    KS_TRY(ks_file_write(path, ks_buf_view(&table), 0644));
out:
    ks_buf_done(&table);
    return err;
}

/* Points with a rate; one of nothing has no place on a logarithmic axis. */
static size_t put_point(struct ks_figure_point *points, size_t count, double km, double rate)
{
    if (rate > 0.0) {
        points[count++] = (struct ks_figure_point){km, rate, rate, rate};
    }
    return count;
}

static enum ks_err write_figure(const struct simulation *simulation)
{
    enum ks_err err = KS_OK;
    struct ks_figure_point points[2][DISTANCES_MAX];
    size_t counts[2] = {0, 0};
    char subtitle[160];

    for (size_t i = 0; i < simulation->distance_count; i++) {
        const struct total total = total_at(simulation, i);

        counts[0] = put_point(points[0], counts[0], simulation->distances[i],
                              total.secret_bits * simulation->rate_hz / total.pulses);
        counts[1] = put_point(points[1], counts[1], simulation->distances[i],
                              asymptotic_at(simulation, i));
    }
    (void)snprintf(subtitle, sizeof subtitle,
                   "%g pulses/s, %g dB/km, efficiency %g, dark counts %g; eavesdropper: %s",
                   simulation->rate_hz, simulation->params.fibre.loss_db_km,
                   simulation->params.detector.efficiency, simulation->params.detector.dark,
                   ks_cli_text(simulation->cli, "eve"));
    const struct ks_figure_series series[2] = {
        {"finite", "distilled, finite blocks", points[0], counts[0]},
        {"asymptotic", "asymptotic bound", points[1], counts[1]},
    };
    const size_t skipped = counts[0] == 0 ? 1 : 0; /* a series without a point is none */
    const struct ks_figure figure = {
        .name = "qkd",
        .title = "Secret key rate of a simulated decoy-state BB84 link",
        .subtitle = subtitle,
        .kind = "series",
        .x = {"Distance", "km", "distance_km", KS_FIGURE_LINEAR},
        .y = {"Secret key rate", "bit/s", "bits_per_second", KS_FIGURE_LOG10},
        .series = series + skipped,
        .count = counts[1] == 0 ? 1 - skipped : 2 - skipped,
    };

    KS_CHECK(figure.count > 0, KS_ERR_LIMIT, "no key at any distance, and none to be had");
    KS_TRY(ks_figure_write_table(&figure, simulation->directory));
    if (simulation->draw) {
        KS_TRY(ks_figure_draw(&figure, simulation->directory));
    }
out:
    return err;
}

/* --- answers ------------------------------------------------------------------------------ */

static void put_block(const struct outcome *outcome, struct ks_json_writer *writer)
{
    const struct ks_link_report *report = &outcome->report;

    ks_json_put_object(writer);
    ks_json_member_u64(writer, "auth_bits", report->auth_bits);
    ks_json_member_u64(writer, "block", report->block);
    ks_json_member_u64(writer, "corrected", report->corrected);
    ks_json_member_u64(writer, "detected", report->detected);
    ks_json_put_key(writer, "efficiency");
    ks_json_put_double(writer, report->efficiency);
    ks_json_member_u64(writer, "leaked_bits", report->leaked_bits);
    ks_json_put_key(writer, "length_bits");
    ks_json_put_double(writer, (double)report->length_bits);
    ks_json_put_key(writer, "light_s");
    ks_json_put_double(writer, (double)outcome->light_us / 1e6);
    ks_json_member_text(writer, "outcome", ks_link_outcome_text(report->outcome));
    ks_json_put_key(writer, "phase_error");
    ks_json_put_double(writer, report->phase_error);
    ks_json_member_u64(writer, "pulses", report->pulses);
    ks_json_put_key(writer, "qber_x");
    ks_json_put_double(writer, report->qber[KS_LINK_X]);
    ks_json_put_key(writer, "qber_z");
    ks_json_put_double(writer, report->qber[KS_LINK_Z]);
    ks_json_member_u64(writer, "raw_bits", report->raw_bits);
    ks_json_put_key(writer, "real_s");
    ks_json_put_double(writer, (double)outcome->real_us / 1e6);
    ks_json_member_u64(writer, "rounds", report->rounds);
    ks_json_member_u64(writer, "sampled", report->sampled);
    ks_json_member_u64(writer, "secret_bits", report->secret_bits);
    ks_json_member_u64(writer, "sifted", report->sifted);
    ks_json_put_key(writer, "single_bits");
    ks_json_put_double(writer, report->single_bits);
    ks_json_put_key(writer, "vacuum_bits");
    ks_json_put_double(writer, report->vacuum_bits);
    ks_json_put_end(writer);
}

static enum ks_err print_json(const struct simulation *simulation)
{
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, TABLE_MAX);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "eve", ks_cli_text(simulation->cli, "eve"));
    ks_json_put_key(&writer, "points");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < simulation->distance_count; i++) {
        const struct total total = total_at(simulation, i);

        ks_json_put_object(&writer);
        ks_json_put_key(&writer, "asymptotic_bits_per_second");
        ks_json_put_double(&writer, asymptotic_at(simulation, i));
        ks_json_put_key(&writer, "bits_per_real_second");
        ks_json_put_double(&writer, total.secret_bits / (total.real_us / 1e6));
        ks_json_put_key(&writer, "bits_per_second");
        ks_json_put_double(&writer, total.secret_bits * simulation->rate_hz / total.pulses);
        ks_json_put_key(&writer, "blocks");
        ks_json_put_array(&writer);
        for (uint64_t block = 0; block < simulation->blocks; block++) {
            put_block(&simulation->outcomes[i * simulation->blocks + block], &writer);
        }
        ks_json_put_end(&writer);
        ks_json_put_key(&writer, "distance_km");
        ks_json_put_double(&writer, simulation->distances[i]);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "rate_hz");
    ks_json_put_double(&writer, simulation->rate_hz);
    ks_json_member_text(&writer, "schema", "ketseal.qkd-simulate/1");
    ks_json_member_u64(&writer, "seed", simulation->seed);
    ks_json_put_end(&writer);
    const enum ks_err err = ks_cli_print_json(&out);

    ks_buf_done(&out);
    return err;
}

static void print_result(const struct simulation *simulation)
{
    ks_cli_print("seed: %llu\n", (unsigned long long)simulation->seed);
    ks_cli_print("%8s %9s %10s %7s %7s %6s %10s %10s %12s %12s %12s  %s\n", "km", "pulses",
                 "detected", "QBER X", "QBER Z", "f", "raw", "secret", "bit/s", "asymptotic",
                 "real bit/s", "outcome");
    for (size_t i = 0; i < simulation->count; i++) {
        const struct outcome *outcome = &simulation->outcomes[i];
        const struct ks_link_report *report = &outcome->report;

        ks_cli_print(
            "%8g %9.3g %10llu %6.2f%% %6.2f%% %6.3f %10llu %10llu %12.4g %12.4g %12.4g  %s\n",
            outcome->distance_km, (double)report->pulses, (unsigned long long)report->detected,
            100.0 * report->qber[KS_LINK_X], 100.0 * report->qber[KS_LINK_Z],
            report->efficiency, (unsigned long long)report->raw_bits,
            (unsigned long long)report->secret_bits,
            (double)report->secret_bits * simulation->rate_hz / (double)report->pulses,
            asymptotic_at(simulation, i / simulation->blocks),
            (double)report->secret_bits / ((double)outcome->real_us / 1e6),
            report->outcome == KS_LINK_OUTCOME_KEY ? "key"
                                                   : ks_link_outcome_meaning(report->outcome));
    }
}

static bool any_key(const struct simulation *simulation)
{
    for (size_t i = 0; i < simulation->count; i++) {
        if (simulation->outcomes[i].report.outcome == KS_LINK_OUTCOME_KEY) {
            return true;
        }
    }
    return false;
}

static enum ks_err run(struct simulation *simulation)
{
    enum ks_err err = KS_OK;

    KS_TRY(read_flags(simulation));
    if (simulation->draw) {
        KS_TRY(ks_fail_prefix(ks_figure_check(), "--no-figure writes the tables alone"));
    }
    if (simulation->directory != NULL) {
        KS_TRY(ks_dir_make(simulation->directory, 0755));
    }
    simulation->outcomes = ks_calloc(simulation->distance_count * simulation->blocks,
                                     sizeof *simulation->outcomes);
    KS_CHECK(simulation->outcomes != NULL, KS_ERR_NOMEM, "%llu blocks",
             (unsigned long long)simulation->blocks);
    for (size_t i = 0; i < simulation->distance_count; i++) {
        KS_TRY(run_distance(simulation, i));
    }
    if (simulation->directory != NULL) {
        KS_TRY(write_blocks(simulation));
        KS_TRY(write_figure(simulation));
    }
    if (simulation->cli->json) {
        KS_TRY(print_json(simulation));
    } else {
        print_result(simulation);
    }
    if (!any_key(simulation)) {
        simulation->cli->answered = true;
        KS_TRY(ks_fail(KS_ERR_VERIFY, "no block gave a key"));
    }
out:
    return err;
}

enum ks_err ks_command_qkd_simulate(struct ks_cli *cli)
{
    struct simulation simulation = {.cli = cli};
    const enum ks_err err = run(&simulation);

    ks_free(simulation.outcomes);
    return err;
}
