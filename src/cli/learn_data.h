/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* learn_data.h: what the commands about learning work with, from files: data sets, models,
 * schemas. Hides formats and packing. */
#ifndef KS_CLI_LEARN_DATA_H
#define KS_CLI_LEARN_DATA_H

#include "cli/cli.h"
#include "learn/model.h"
#include "learn/series.h"
#include "learn/train.h"

#define KS_LEARN_SITES_MAX 64

/* One site's errors against what needs no model, and what puts them back into its own unit. */
struct ks_learn_site {
    const char *path;
    size_t train_begin; /* of its samples among those for training */
    size_t train_count;
    size_t begin; /* of its samples among those for testing */
    size_t count;
    float spread;
    double persistence;
    double mean;
};

struct ks_learn_data {
    struct ks_samples train;
    struct ks_samples test;
    struct ks_series_schema schema; /* of series */
    size_t sites;                   /* 0: not series */
    struct ks_learn_site site[KS_LEARN_SITES_MAX];
};

/* The operands: with --schema tables of series, one for each site; else one folder with four
 * files of IDX as MNIST names them, or with ".gz". */
KS_MUST_CHECK enum ks_err ks_learn_data_read(const struct ks_cli *cli,
                                             struct ks_learn_data *out_data);
void ks_learn_data_done(struct ks_learn_data *data); /* {0} is fine */

/* One part of SAMPLES where --parts asks for that (--split, --part, --shards, --alpha, --seed),
 * else all. OUT_SHARE borrows from both. */
KS_MUST_CHECK enum ks_err ks_learn_share(const struct ks_cli *cli,
                                         const struct ks_samples *samples,
                                         struct ks_split *out_split,
                                         struct ks_subset *out_share);

/* PATH, unpacked where it is packed by gzip, into OUT, which is initialised here. */
KS_MUST_CHECK enum ks_err ks_learn_file_read(const char *path, struct ks_buf *out);

#endif
