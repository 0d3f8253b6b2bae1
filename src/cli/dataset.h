/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* dataset.h: a CSV file as rows of features, with or without a column of labels. */
#ifndef KS_CLI_DATASET_H
#define KS_CLI_DATASET_H

#include "base/table.h"
#include "cli/cli.h"
#include "detect/forest.h"

struct ks_dataset {
    struct ks_table *table;
    struct ks_rows rows;
    double *values;
    struct ks_bytes names[KS_FOREST_FEATURES_MAX]; /* of the features */
    size_t columns[KS_FOREST_FEATURES_MAX];        /* of the table */
    bool *labels;                                  /* NULL without a column of labels */
    bool has_kind;
    size_t kind; /* the column that names what kind of anomaly a row is */
};

/* Reads the file in operand 0 ("-": standard input). Features are all columns but those that
 * the flags label, kind and ignore name; those that MODEL has, in its order, when it is not
 * NULL: KS_ERR_FORMAT for one that is missing, and for a column that is none of these. Of a
 * table of traces (detect/trace.h) the columns that are no features of its rows are ignored;
 * all rows are of one workload, and of that which MODEL judges: KS_ERR_CONFLICT. A label is 0
 * or 1. Errors name file, line and column. */
KS_MUST_CHECK enum ks_err ks_dataset_read(const struct ks_cli *cli,
                                          const struct ks_forest *model,
                                          struct ks_dataset *out_dataset);
/* The same of TABLE, which is taken over, also when it fails. */
KS_MUST_CHECK enum ks_err ks_dataset_of(const struct ks_cli *cli, struct ks_table *table,
                                        const struct ks_forest *model,
                                        struct ks_dataset *out_dataset);
/* Whether TABLE, where it is one of traces, has rows of another workload than MODEL judges,
 * which is one of traces then. KS_ERR_FORMAT likewise. */
KS_MUST_CHECK enum ks_err ks_dataset_is_other(const struct ks_table *table,
                                              const struct ks_forest *model, bool *out_other);
void ks_dataset_done(struct ks_dataset *dataset); /* zeroed is fine */

#endif
