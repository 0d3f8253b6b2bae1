/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel.h: the arithmetic on amplitudes, one table of functions per instruction set and
 * precision, all with the same bits: each amplitude gets the same operations in the same order
 * (kernel_body.h), fma is IEEE 754's, sums run over fixed blocks in a fixed order.
 *
 * Real and imaginary parts are two arrays. Kernels never allocate and never fail. Any thread;
 * two calls may run at once when they write to different amplitudes. */
#ifndef KS_QUANTUM_KERNEL_H
#define KS_QUANTUM_KERNEL_H

#include "quantum/move.h"

/* Arrays always hold at least this many amplitudes, zeros behind the state: a group's. */
#define KS_AMPS_MIN 256
/* Sums are taken over blocks of so many amplitudes (or all, where there are fewer). */
#define KS_BLOCK_LOG 12
#define KS_BLOCK     ((size_t)1 << KS_BLOCK_LOG)

/* Amplitudes [origin, origin + count) of the state; count is a power of two that divides
 * origin. */
struct ks_view {
    void *re;
    void *im;
    size_t origin;
    size_t count;
};

/* 2^log amplitudes, the log of the group at hand. FOLDED: vector V lies where ks_tile_fold(V)
 * says, else at V. */
struct ks_tile {
    void *re;
    void *im;
    bool folded;
};

struct ks_kernels {
    const char *name;
    enum ks_precision precision;
    /* Amplitudes [first, first + count) of a folded tile, one part of them, from SOURCE and to
     * TARGET; COUNT is a power of two that divides FIRST. PAST: around the caches, for a state
     * that does not fit into them; `drain` ends that. */
    void (*load)(const void *source, size_t first, size_t count, void *tile);
    void (*store)(const void *tile, size_t first, size_t count, void *target, bool past);
    void (*drain)(void);
    /* target[i] = source[first ^ index[i]] for COUNT numbers. */
    void (*gather)(const void *source, size_t first, const uint32_t *index, size_t count,
                   void *target);
    /* Stores one part of a folded tile as MOVE says; NULL where gathering is no slower. */
    void (*move)(const void *tile, const struct ks_move *move, void *target);
    /* Makes the ENTRIES of GROUP, one of PLAN: its table and factors, from the plan's steps.
     * ROWS has room for plan->row_max numbers. */
    void (*fill)(const struct ks_plan *plan, const struct ks_group *group, double *rows,
                 void *entries);
    /* Does GROUP, which has these ENTRIES, to the bases [first, end) of a tile; it has 2^(inner
     * + outer). PARITIES: of what is outside of the tile, by ks_group_parities. */
    void (*group)(const struct ks_group *group, const void *entries, const struct ks_tile *tile,
                  uint32_t parities, size_t first, size_t end);
    /* Grows a small tile by a slot. */
    void (*small)(const struct ks_group *group, const void *entries,
                  const struct ks_tile *tile);
    /* Sums of |amplitude|^2 over the view, of at most KS_BLOCK amplitudes: out[b] over those
     * whose index has bit SLOT equal to b; all in out[0] with SLOT KS_NO_SLOT. In double, also
     * for single. */
    void (*sums)(const struct ks_view *view, uint32_t slot, double out_sums[2]);
    /* Adds the |amplitude|^2 from index FROM of the view on to *SUM, one by one, as long as it
     * stays at or below TARGET. Returns the index of the one that was not added, or count. */
    size_t (*find)(const struct ks_view *view, size_t from, double *sum, double target);
    /* Keeps the amplitudes whose bit SLOT is VALUE, times SCALE, in TARGET (which may be
     * SOURCE, half as long). */
    void (*halve)(const struct ks_view *source, uint32_t slot, bool value, double scale,
                  const struct ks_view *target);
    /* Multiplies and adds KS_MEMBERS vectors ROUNDS times in registers: what the machine can
     * do, for benches. NUMBERS has that many vectors. */
    void (*spin)(void *numbers, size_t rounds);
};

#define KS_NO_SLOT UINT32_MAX

/* The kernels NAME ("scalar", "avx2", "avx512", "neon"; NULL for the best) for PRECISION;
 * KS_ERR_NOT_FOUND when the CPU or the build does not have them. Borrowed, constant. */
KS_MUST_CHECK enum ks_err ks_kernels_find(const char *name, enum ks_precision precision,
                                          const struct ks_kernels **out_kernels);

extern const struct ks_kernels ks_kernels_scalar_double;
extern const struct ks_kernels ks_kernels_scalar_single;
extern const struct ks_kernels ks_kernels_avx2_double;
extern const struct ks_kernels ks_kernels_avx2_single;
extern const struct ks_kernels ks_kernels_avx512_double;
extern const struct ks_kernels ks_kernels_avx512_single;
extern const struct ks_kernels ks_kernels_neon_double;
extern const struct ks_kernels ks_kernels_neon_single;

/* The kernels of this build, best first: {name, double, single, does the CPU have it}. Ends
 * with a NULL name. kernels_x86.c, kernels_neon.c or kernels_portable.c. */
struct ks_kernel_set {
    const char *name;
    const struct ks_kernels *kernels[2]; /* by enum ks_precision */
    bool (*usable)(void);
};
extern const struct ks_kernel_set ks_kernel_sets[];

#endif
