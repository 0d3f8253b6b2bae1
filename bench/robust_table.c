/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* robust_table: the published table of robust rules under attack (Karimireddy, He, Jaggi:
 * Byzantine-robust learning on heterogeneous datasets via bucketing, arXiv 2006.09365), run
 * again over src/learn and src/fl. MNIST, sorted by label and cut into as many parts as there
 * are honest clients; 25 clients of whom 5 attack; in each iteration every client computes the
 * gradient of 32 of its images, with momentum of its own where M is not 0 (m = M m + g), and
 * the server steps by the aggregate. A line of CSV for each cell, written and synced when the
 * cell is finished; cells that OUT has already are left out, so a run that was ended goes on
 * where it was.
 *
 *   robust_table --data=FOLDER --out=FILE.csv [--rules=rfa,centered-clip,median]
 *       [--attacks=bf,lf,mimic,ipm,alie] [--momenta=0,0.9] [--seeds=1] [--iterations=600]
 *       [--threads=1]
 *
 * FOLDER has the four files of MNIST, packed or not. bf: the attacker's own gradient, its sign
 * turned; lf: of labels 9 - label, both without momentum, as in the authors' experiment; mimic:
 * the honest client that lies farthest along the direction in which clients differ most, in the
 * first iteration, and that one from then on; ipm: -0.1 times the honest mean; alie: honest
 * mean
 * - z deviations (of a sample). Attackers see what honest clients send, and images of all
 * labels. The accuracy is the mean over the tests at the end of the last five
 * twentieths of the iterations, as published. */

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/philox.h"
#include "base/sys.h"
#include "base/text.h"
#include "fl/buckets.h"
#include "learn/train.h"
#include "oracle/naive_fl.h"

#define CLIENTS       25
#define ATTACKERS     5
#define HONEST        (CLIENTS - ATTACKERS)
#define BATCH         32
#define RATE          0.01
#define BUCKET        2
#define RADIUS        10 /* / (1 - momentum) */
#define SMOOTHING     0.1
#define EPOCHS        20
#define TESTED        5  /* of the epochs, the last ones */
#define FRACTION_BITS 20 /* gradients with momentum are below 2048 */
#define SEEDS_MAX     100
#define LIST_MAX      8
#define HEADER        "rule,bucket,attack,momentum,seed,iterations,accuracy,last,cpu_s\n"

enum attack { BF, LF, MIMIC, IPM, ALIE, ATTACKS };
static const char *const attack_names[ATTACKS] = {"bf", "lf", "mimic", "ipm", "alie"};

struct cell {
    enum ks_fl_rule rule;
    enum attack attack;
    double momentum;
    unsigned seed;
};

struct table {
    const char *out;
    struct ks_samples train;
    struct ks_samples flipped; /* the same pixels, labels 9 - label */
    struct ks_samples test;
    struct ks_split split;
    struct ks_model *model;
    struct ks_trainer *trainer;
    struct ks_pool *pool;
    size_t params;
    unsigned iterations;
    float *model_params;
    float *gradient;
    float *sent[CLIENTS]; /* momentum of each, which it sends */
    float *given[CLIENTS];
    float *aggregate;
    float *means;
    float *direction; /* of mimic */
    size_t mimicked;  /* whom mimic has chosen */
};

static void must(enum ks_err err)
{
    if (err != KS_OK) {
        (void)fprintf(stderr, "robust_table: %s\n", ks_err_detail());
        exit(1);
    }
}

static float *numbers(size_t count)
{
    float *memory = ks_calloc_huge(count, sizeof *memory);

    if (memory == NULL) {
        (void)fputs("robust_table: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static double used_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* --- data --------------------------------------------------------------------------------- */

static struct ks_buf read_file(const char *folder, const char *name)
{
    struct ks_buf bytes;
    struct ks_buf plain;
    char path[KS_PATH_MAX];
    char file[64];

    ks_buf_init(&bytes, KS_DATASET_BYTES_MAX);
    ks_buf_init(&plain, KS_DATASET_BYTES_MAX);
    (void)snprintf(file, sizeof file, "%s.gz", name);
    must(ks_path_join(folder, file, path));
    if (access(path, R_OK) != 0) {
        must(ks_path_join(folder, name, path));
    }
    must(ks_file_read(path, KS_DATASET_BYTES_MAX, &bytes));
    if (!ks_gzip_is(ks_buf_view(&bytes))) {
        return bytes;
    }
    must(ks_gunzip(ks_buf_view(&bytes), &plain));
    ks_buf_done(&bytes);
    return plain;
}

static void read_samples(const char *folder, const char *images, const char *labels,
                         struct ks_samples *out)
{
    struct ks_buf image_bytes = read_file(folder, images);
    struct ks_buf label_bytes = read_file(folder, labels);

    must(ks_samples_idx(ks_buf_view(&image_bytes), ks_buf_view(&label_bytes), 10, out));
    ks_buf_done(&image_bytes);
    ks_buf_done(&label_bytes);
}

static void read_data(struct table *table, const char *folder)
{
    const struct ks_split_spec spec = {
        .kind = KS_SPLIT_SHARDS, .parts = HONEST, .shards = 1, .seed = 1};

    read_samples(folder, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", &table->train);
    read_samples(folder, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", &table->test);
    must(ks_split(&table->train, &spec, &table->split));
    table->flipped = table->train;
    table->flipped.labels = ks_calloc(table->train.count, 1);
    if (table->flipped.labels == NULL) {
        must(ks_fail(KS_ERR_NOMEM, "out of memory"));
    }
    for (size_t i = 0; i < table->train.count; i++) {
        table->flipped.labels[i] = (uint8_t)(9 - table->train.labels[i]);
    }
}

/* The published net: mnist-cnn, but that nothing is cut off before the pool and that whole
 * channels are dropped behind it. The median lives by it: with that ReLU, most numbers of a
 * gradient are 0, and so is their median (33 % under bf instead of 63). */
static void published_net(const unsigned input[3], struct ks_model_spec *out_spec)
{
    must(ks_model_named("mnist-cnn", 3, input, 10, out_spec));
    KS_ASSERT(out_spec->layer[3].kind == KS_LAYER_RELU &&
              out_spec->layer[5].kind == KS_LAYER_DROPOUT);
    out_spec->layer[5].kind = KS_LAYER_CHANNEL_DROPOUT;
    out_spec->layers--;
    for (unsigned i = 3; i < out_spec->layers; i++) {
        out_spec->layer[i] = out_spec->layer[i + 1];
    }
}

static void make_model(struct table *table)
{
    const struct ks_train_params how = {
        .batch = BATCH, .rate = RATE, .beta1 = 0.9, .beta2 = 0.999};
    struct ks_model_spec spec;

    published_net(table->train.shape, &spec);
    must(ks_model_new(&spec, &table->model));
    must(ks_trainer_new(table->model, &how, table->pool, &table->trainer));
    table->params = ks_model_params(table->model);
    table->model_params = numbers(table->params);
    table->gradient = numbers(table->params);
    table->aggregate = numbers(table->params);
    table->direction = numbers(table->params);
    table->means = numbers(table->params * CLIENTS);
    for (size_t i = 0; i < CLIENTS; i++) {
        table->sent[i] = numbers(table->params);
        table->given[i] = numbers(table->params);
    }
}

/* --- clients ------------------------------------------------------------------------------ */

/* Which samples CLIENT takes: of its part, or, attackers, of all. */
static void draw_batch(const struct table *table, const struct cell *cell, unsigned iteration,
                       size_t client, uint32_t *out_indices)
{
    const uint32_t key[2] = {cell->seed, 0x62617463};
    const bool honest = client < HONEST;
    const size_t first = honest ? table->split.starts[client] : 0;
    const size_t count = honest ? table->split.starts[client + 1] - first : table->train.count;

    for (uint32_t i = 0; i < BATCH; i++) {
        const uint32_t counter[4] = {iteration, (uint32_t)client, i, 0};
        uint32_t words[4];
        size_t place = 0;

        ks_philox(key, counter, words);
        place = (size_t)((uint64_t)words[0] * count >> 32);
        out_indices[i] = honest ? table->split.indices[first + place] : (uint32_t)place;
    }
}

/* CLIENT's momentum takes in the gradient of its next batch; an attacker has none. */
static void take_gradient(struct table *table, const struct cell *cell, unsigned iteration,
                          size_t client)
{
    uint32_t indices[BATCH];
    const struct ks_subset subset = {client >= HONEST && cell->attack == LF ? &table->flipped
                                                                            : &table->train,
                                     indices, BATCH};
    struct ks_train_stats stats;
    const float kept = client < HONEST ? (float)cell->momentum : 0;
    float *momentum = table->sent[client];

    draw_batch(table, cell, iteration, client, indices);
    must(ks_train_gradient(table->trainer, &subset, table->model_params, table->gradient,
                           &stats));
    for (size_t j = 0; j < table->params; j++) {
        momentum[j] = kept * momentum[j] + table->gradient[j];
    }
}

/* The direction, random so far, turns to where the clients lie apart, by one step of the power
 * method; the client that is farthest along it. */
static size_t farthest_client(struct table *table)
{
    double *apart = ks_calloc(table->params, sizeof *apart);
    double along[HONEST];
    double mean = 0;
    size_t farthest = 0;

    if (apart == NULL) {
        must(ks_fail(KS_ERR_NOMEM, "out of memory"));
    }
    for (size_t i = 0; i < HONEST; i++) {
        along[i] = ks_fl_dot(table->sent[i], table->direction, table->params, table->pool);
        mean += along[i] / HONEST;
    }
    for (size_t i = 0; i < HONEST; i++) {
        for (size_t j = 0; j < table->params; j++) {
            apart[j] += (along[i] - mean) * (double)table->sent[i][j];
        }
    }
    for (size_t j = 0; j < table->params; j++) {
        table->direction[j] = (float)apart[j];
    }
    ks_free(apart);
    for (size_t i = 0; i < HONEST; i++) {
        along[i] = ks_fl_dot(table->sent[i], table->direction, table->params, table->pool);
        farthest = along[i] > along[farthest] ? i : farthest;
    }
    return farthest;
}

/* What all clients send, into GIVEN. */
static void send_all(struct table *table, const struct cell *cell, unsigned iteration)
{
    if (cell->attack == MIMIC && iteration == 0) {
        table->mimicked = farthest_client(table);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        const size_t who = cell->attack == MIMIC && i >= HONEST ? table->mimicked : i;

        ks_copy(table->given[i], table->sent[who], table->params * sizeof(float));
    }
    if (cell->attack == BF) {
        fl_attack(FL_ATTACK_SIGN_FLIP, table->given, HONEST, CLIENTS, table->params, 1, 0);
    } else if (cell->attack == IPM) {
        fl_attack(FL_ATTACK_IPM, table->given, HONEST, CLIENTS, table->params, 0.1, 0);
    } else if (cell->attack == ALIE) {
        fl_attack(FL_ATTACK_ALIE, table->given, HONEST, CLIENTS, table->params,
                  fl_alie_strength(CLIENTS, ATTACKERS) * sqrt((double)HONEST / (HONEST - 1)),
                  0);
    }
}

/* --- the server --------------------------------------------------------------------------- */

static void aggregate(struct table *table, const struct cell *cell, unsigned iteration)
{
    const struct ks_fl_buckets_params params = {
        .sum = {.params = table->params,
                .width = KS_FL_WIDTH_64,
                .fraction_bits = FRACTION_BITS},
        .clients = CLIENTS,
        .size = BUCKET,
        .seed = (uint64_t)cell->seed << 32 | iteration,
    };
    const struct ks_fl_robust robust = {
        .rule = cell->rule,
        .attackers = ATTACKERS,
        .radius = RADIUS / (1 - cell->momentum),
        .smoothing = SMOOTHING,
    };
    struct ks_fl_buckets *buckets = NULL;
    const float *rows[CLIENTS];
    size_t which[CLIENTS];
    struct ks_fl_robust_input input = {{rows, 0, table->params}, NULL, NULL};

    must(ks_fl_buckets_new(&params, &buckets));
    for (size_t i = 0; i < CLIENTS; i++) {
        const struct ks_fl_member member = {.client = {(uint8_t)i}, .weight = 1};

        must(ks_fl_buckets_add(buckets, i, &member, table->given[i], 1, table->pool));
    }
    must(ks_fl_buckets_means(buckets, table->means, which, &input.rows.count));
    ks_fl_buckets_free(buckets);
    for (size_t i = 0; i < input.rows.count; i++) {
        rows[i] = table->means + i * table->params;
    }
    if (cell->rule == KS_FL_CENTERED_CLIP) {
        /* From the last aggregate on; the gradient's memory is free for it. */
        ks_copy(table->gradient, table->aggregate, table->params * sizeof(float));
        input.center = table->gradient;
    }
    must(ks_fl_robust_aggregate(&robust, &input, table->pool, table->aggregate, NULL));
    for (size_t j = 0; j < table->params; j++) {
        table->model_params[j] -= (float)RATE * table->aggregate[j];
    }
}

static double accuracy(struct table *table)
{
    const struct ks_subset all = {&table->test, NULL, table->test.count};
    struct ks_test_stats stats;

    must(ks_train_evaluate(table->trainer, &all, table->model_params, &stats));
    return stats.accuracy;
}

static void begin(struct table *table, const struct cell *cell)
{
    ks_model_init(table->model, cell->seed, table->model_params);
    ks_trainer_reset(table->trainer, cell->seed);
    ks_zero(table->aggregate, table->params * sizeof(float));
    for (size_t i = 0; i < CLIENTS; i++) {
        ks_zero(table->sent[i], table->params * sizeof(float));
    }
    for (size_t j = 0; j < table->params; j++) {
        table->direction[j] = (float)(fl_normal(cell->seed, j) / sqrt((double)table->params));
    }
}

static void append(const struct table *table, const struct cell *cell, double mean, double last,
                   double cpu_s)
{
    char line[256];
    int fd = open(table->out, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const int len = snprintf(line, sizeof line, "%s%s,%d,%s,%g,%u,%u,%.4f,%.4f,%.1f\n",
                             fd >= 0 && lseek(fd, 0, SEEK_END) == 0 ? HEADER : "",
                             ks_fl_rule_word(cell->rule), BUCKET, attack_names[cell->attack],
                             cell->momentum, cell->seed, table->iterations, mean, last, cpu_s);

    if (fd < 0) {
        must(ks_fail(KS_ERR_IO, "cannot write '%s'", table->out));
    }
    must(ks_fd_write(fd, ks_bytes_of(line, (size_t)len), table->out));
    if (fsync(fd) != 0) {
        must(ks_fail(KS_ERR_IO, "cannot sync '%s'", table->out));
    }
    ks_fd_close(&fd);
}

static void run_cell(struct table *table, const struct cell *cell)
{
    const double start = used_s();
    double sum = 0;
    double last = 0;
    unsigned tests = 0;

    begin(table, cell);
    for (unsigned iteration = 0; iteration < table->iterations; iteration++) {
        const unsigned epoch_before = iteration * EPOCHS / table->iterations;
        const unsigned epoch = (iteration + 1) * EPOCHS / table->iterations;
        const bool attackers_train = cell->attack == BF || cell->attack == LF;

        for (size_t i = 0; i < (attackers_train ? CLIENTS : HONEST); i++) {
            take_gradient(table, cell, iteration, i);
        }
        send_all(table, cell, iteration);
        aggregate(table, cell, iteration);
        if (epoch != epoch_before && epoch > EPOCHS - TESTED) {
            last = accuracy(table);
            sum += last;
            tests++;
        }
    }
    append(table, cell, 100 * sum / (tests == 0 ? 1 : tests), 100 * last, used_s() - start);
}

/* Whether OUT has a line of CELL already. */
static bool is_done(const struct table *table, const struct cell *cell)
{
    char begins[160];
    char line[256];
    FILE *file = fopen(table->out, "re");
    bool done = false;
    const int len = snprintf(begins, sizeof begins, "%s,%d,%s,%g,%u,%u,",
                             ks_fl_rule_word(cell->rule), BUCKET, attack_names[cell->attack],
                             cell->momentum, cell->seed, table->iterations);

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        done = done || strncmp(line, begins, (size_t)len) == 0;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return done;
}

/* --- the command -------------------------------------------------------------------------- */

struct list {
    size_t count;
    char words[LIST_MAX][32];
};

static bool parse_list(const char *text, struct list *out)
{
    out->count = 0;
    while (*text != 0 && out->count < LIST_MAX) {
        const size_t len = strcspn(text, ",");

        if (len == 0 || len >= sizeof out->words[0]) {
            return false;
        }
        (void)snprintf(out->words[out->count], sizeof out->words[0], "%.*s", (int)len, text);
        out->count++;
        text += len + (text[len] == ',');
    }
    return *text == 0 && out->count > 0;
}

struct options {
    const char *data;
    const char *out;
    struct list rules;
    struct list attacks;
    struct list momenta;
    uint64_t seeds;
    uint64_t iterations;
    uint64_t threads;
};

static enum attack attack_of(const char *word)
{
    for (unsigned i = 0; i < ATTACKS; i++) {
        if (strcmp(word, attack_names[i]) == 0) {
            return (enum attack)i;
        }
    }
    must(ks_fail(KS_ERR_USAGE, "no attack '%s'", word));
    return ATTACKS;
}

static void run_cells(struct table *table, const struct options *options)
{
    for (unsigned seed = 1; seed <= options->seeds; seed++) {
        for (size_t m = 0; m < options->momenta.count; m++) {
            for (size_t r = 0; r < options->rules.count; r++) {
                for (size_t a = 0; a < options->attacks.count; a++) {
                    struct cell cell = {.attack = attack_of(options->attacks.words[a]),
                                        .seed = seed};

                    must(ks_fl_rule_of(ks_bytes_text(options->rules.words[r]), &cell.rule));
                    must(ks_text_double(ks_bytes_text(options->momenta.words[m]),
                                        &cell.momentum));
                    if (!(cell.momentum >= 0 && cell.momentum < 1)) {
                        must(ks_fail(KS_ERR_USAGE, "a momentum from 0 to below 1"));
                    }
                    if (!is_done(table, &cell)) {
                        run_cell(table, &cell);
                    }
                }
            }
        }
    }
}

/* The value of --NAME=VALUE in TEXT, else NULL. */
static const char *value_of(const char *text, const char *name)
{
    const size_t len = strlen(name);

    return strncmp(text, name, len) == 0 ? text + len : NULL;
}

static bool number_flag(const char *text, const char *name, uint64_t max, uint64_t *out_value)
{
    const char *value = value_of(text, name);

    return value != NULL && ks_text_u64(ks_bytes_text(value), max, out_value) == KS_OK &&
           *out_value > 0;
}

static bool list_flag(const char *text, const char *name, struct list *out)
{
    const char *value = value_of(text, name);

    return value != NULL && parse_list(value, out);
}

static bool parse_flag(struct options *options, const char *text)
{
    if (value_of(text, "--data=") != NULL) {
        options->data = value_of(text, "--data=");
        return true;
    }
    if (value_of(text, "--out=") != NULL) {
        options->out = value_of(text, "--out=");
        return true;
    }
    return list_flag(text, "--rules=", &options->rules) ||
           list_flag(text, "--attacks=", &options->attacks) ||
           list_flag(text, "--momenta=", &options->momenta) ||
           number_flag(text, "--seeds=", SEEDS_MAX, &options->seeds) ||
           number_flag(text, "--iterations=", 1000000, &options->iterations) ||
           number_flag(text, "--threads=", KS_POOL_THREADS_MAX, &options->threads);
}

int main(int argc, char **argv)
{
    static struct table table;
    struct options options = {
        .rules = {3, {"rfa", "centered-clip", "median"}},
        .attacks = {ATTACKS, {"bf", "lf", "mimic", "ipm", "alie"}},
        .momenta = {2, {"0", "0.9"}},
        .seeds = 1,
        .iterations = 600,
        .threads = 1,
    };
    bool good = true;

    for (int i = 1; i < argc; i++) {
        good = good && parse_flag(&options, argv[i]);
    }
    if (!good || options.data == NULL || options.out == NULL) {
        (void)fputs("usage: robust_table --data=FOLDER --out=FILE.csv [--rules=R,…] "
                    "[--attacks=A,…] [--momenta=M,…] [--seeds=N] [--iterations=N] "
                    "[--threads=N]\n",
                    stderr);
        return 2;
    }
    table.out = options.out;
    table.iterations = (unsigned)options.iterations;
    must(ks_pool_new((unsigned)options.threads, &table.pool));
    read_data(&table, options.data);
    make_model(&table);
    run_cells(&table, &options);
    return 0;
}
