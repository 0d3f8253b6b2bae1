/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: how a forest lies in memory, and its kernels. Within the module alone. */
#ifndef KS_DETECT_INTERNAL_H
#define KS_DETECT_INTERNAL_H

#include "detect/forest.h"

#define KS_TREE_LEVELS 8
#define KS_TREE_SPLITS 255 /* inner nodes of a complete tree, in heap order: 2i + 1, 2i + 2 */
#define KS_TREE_LEAVES 256
#define KS_TREE_NODES  (KS_TREE_SPLITS + KS_TREE_LEAVES)
#define KS_TREE_BYTES  (KS_TREE_SPLITS * 6 + KS_TREE_LEAVES * 2) /* in a file */
#define KS_LANES       16 /* trees of a group, one beside the other */

/* Sixteen trees: node N of tree L is at [N][L], so that a vector holds the same node of all.
 *
 * A split is the bits of a float: the threshold, with the feature's number in place of its
 * lowest bits. A row goes to the right when its value is at least the threshold as it stands,
 * so the number is part of the threshold and nothing is masked away. Where a tree ends early,
 * the nodes below have the threshold KS_SPLIT_NEVER, which no value reaches, and all leaves
 * below the same path. */
struct ks_group {
    uint32_t splits[KS_TREE_SPLITS][KS_LANES];
    uint16_t paths[KS_TREE_LEAVES][KS_LANES];
    uint16_t means[KS_TREE_SPLITS][KS_LANES]; /* of the paths of the training rows beneath */
};

/* The threshold that a split is. */
static inline float ks_split_value(uint32_t split)
{
    float value = 0;

    ks_copy(&value, &split, sizeof value);
    return value;
}

/* About 3.39e38, and the largest standard value, which is beneath: both with feature 0. */
#define KS_SPLIT_NEVER    0x7f7fff80u
#define KS_STANDARD_MAX   1e30f
#define KS_STANDARD_BLOCK 128 /* rows that a kernel works on at a time */

struct ks_forest {
    struct ks_forest_params params;
    size_t features;
    uint64_t rows; /* that it was fitted to */
    unsigned feature_bits;
    uint32_t threshold;
    char names[KS_FOREST_FEATURES_MAX][KS_FOREST_NAME_MAX + 1];
    double centres[KS_FOREST_FEATURES_MAX];
    double scales[KS_FOREST_FEATURES_MAX]; /* 1 / spread; 0 for a constant feature */
    size_t group_count;
    struct ks_group *groups; /* lanes beyond the last tree have paths of 0 */
    uint64_t baseline;       /* the sum of the means of all roots */
    double path_unit;        /* what a path is divided by to be the exponent of a score */
};

/* Adds the paths of COUNT rows, at most KS_STANDARD_BLOCK, to nothing: sets them. Row I begins
 * at ROWS + I * WIDTH; WIDTH is 16 or 32 for the vector kernels. */
typedef void (*ks_forest_kernel_function)(const struct ks_forest *forest, const float *rows,
                                          size_t width, size_t count, uint32_t *out_paths);
struct ks_forest_kernel_choice {
    const char *name;
    ks_forest_kernel_function paths;
    size_t features_max;
    bool (*usable)(void);
};
/* Best first; ends with a NULL name. The last one always serves. */
extern const struct ks_forest_kernel_choice ks_forest_kernels[];
void ks_forest_paths_portable(const struct ks_forest *forest, const float *rows, size_t width,
                              size_t count, uint32_t *out_paths);
void ks_forest_paths_avx512(const struct ks_forest *forest, const float *rows, size_t width,
                            size_t count, uint32_t *out_paths); /* x86-64 alone */
void ks_forest_paths_neon(const struct ks_forest *forest, const float *rows, size_t width,
                          size_t count, uint32_t *out_paths); /* AArch64 alone */

/* ROW in units of the training rows' spread: FEATURES floats to OUT_STANDARD. */
void ks_forest_standard(const struct ks_forest *forest, const double *row, float *out_standard);

/* The path that COUNT rows still have before them, in units: the mean depth of an unsuccessful
 * search in a binary tree of COUNT (Liu et al., equation 1); 0 for one row. */
double ks_forest_path_ahead(size_t count);

/* 2^-VALUE for a finite VALUE >= 0, the same bits everywhere. */
double ks_exp2_negative(double value);

/* Feature INDEX is called NAME: KS_ERR_LIMIT, or KS_ERR_FORMAT when an earlier one is. */
KS_MUST_CHECK enum ks_err ks_forest_take_name(struct ks_forest *forest, size_t index,
                                              struct ks_bytes name);
/* What fit and read end with: lanes without a tree cleared, baseline and unit. */
void ks_forest_settle(struct ks_forest *forest);
KS_MUST_CHECK enum ks_err ks_forest_new(size_t features, unsigned trees,
                                        struct ks_forest **out_forest);

#endif
