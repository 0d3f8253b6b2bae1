/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/internal.h"

#define ROWS_AT_ONCE 8 /* chains of dependent loads that a core has under way */

/* One tree, COUNT rows at once. */
static void add_paths(const struct ks_group *group, size_t lane, uint32_t mask,
                      const float *rows, size_t width, size_t count, uint32_t *paths)
{
    size_t nodes[ROWS_AT_ONCE] = {0};

    for (unsigned level = 0; level < KS_TREE_LEVELS; level++) {
        for (size_t i = 0; i < count; i++) {
            const uint32_t split = group->splits[nodes[i]][lane];

            nodes[i] =
                2 * nodes[i] + 1 + (rows[i * width + (split & mask)] >= ks_split_value(split));
        }
    }
    for (size_t i = 0; i < count; i++) {
        paths[i] += group->paths[nodes[i] - KS_TREE_SPLITS][lane];
    }
}

void ks_forest_paths_portable(const struct ks_forest *forest, const float *rows, size_t width,
                              size_t count, uint32_t *out_paths)
{
    const uint32_t mask = (1u << forest->feature_bits) - 1;
    const size_t whole = count - count % ROWS_AT_ONCE;

    ks_zero(out_paths, count * sizeof *out_paths);
    for (size_t tree = 0; tree < forest->params.trees; tree++) {
        const struct ks_group *group = &forest->groups[tree / KS_LANES];
        const size_t lane = tree % KS_LANES;

        for (size_t i = 0; i < whole; i += ROWS_AT_ONCE) {
            add_paths(group, lane, mask, &rows[i * width], width, ROWS_AT_ONCE, &out_paths[i]);
        }
        add_paths(group, lane, mask, &rows[whole * width], width, count - whole,
                  &out_paths[whole]);
    }
}
