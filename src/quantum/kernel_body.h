/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_body.h: the kernels, written once over vectors of WIDTH amplitudes, which is 2^lanes
 * of the precision however wide the machine's are. Included by each kernel_<isa>_<precision>.c
 * after it has defined
 *   real, vec                element and vector
 *   WIDTH_LOG                of the elements of a vector
 *   v_load v_store v_all     memory; a vector of one number
 *   v_stream v_drain         v_store to an aligned place around the caches; the end of these
 *   v_copy                   the same, in a register of its own
 *   r_fma                    fma of elements
 *   v_mul v_fma v_fms        a*b, fma(a, b, c), fma(a, b, -c)
 *   v_fnma                   fma(-a, b, c)
 *   v_partner(v, f)          lane i gets lane i ^ f
 * and KERNELS, KERNELS_NAME, KERNELS_PRECISION. What an amplitude is multiplied with and in
 * which order is written here alone: that is why all instruction sets give the same bits. */

#define WIDTH (1u << WIDTH_LOG)

_Static_assert(WIDTH_LOG == KS_LANES_LOG(KERNELS_PRECISION), "vectors are those of the plan");
_Static_assert(WIDTH << KS_MEMBERS_LOG <= KS_AMPS_MIN, "a state fills a group");

/* Members stay in registers, but where there are not so many or where each access is checked
 * anyway: there it would only take the compiler minutes. */
#if defined(KERNELS_IN_MEMORY) || defined(__SANITIZE_ADDRESS__)
#define UNROLL
#define INLINE
#else
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE inline __attribute__((always_inline))
#endif

#ifdef KERNELS_MOVE
#include "quantum/kernel_move.h"
#else
#define KERNELS_MOVE NULL
#endif

/* --- where the members of a group are ----------------------------------------------------- */

/* Steps from one base to the next: the low half of a word is the vector's place, the high half
 * the group's parities there. */
struct walk {
    uint64_t word;
    uint64_t changes[KS_BASE_LOG_MAX + 1]; /* by how many low bits of the counter turn over */
};

static void walk_init(struct walk *walk, const struct ks_group *group,
                      const struct ks_places *where, uint32_t parities, size_t first)
{
    const unsigned count = group->inner + group->outer;
    uint64_t all = 0;

    walk->word = (uint64_t)parities << 32;
    for (unsigned i = 0; i < count; i++) {
        const uint64_t word = (uint64_t)group->step_parities[i] << 32 | where->steps[i];

        all ^= word;
        walk->word ^= (first >> i & 1) != 0 ? word : 0;
        walk->changes[i] = all;
    }
    walk->changes[count] = 0; /* behind the last base */
}

/* --- stages ------------------------------------------------------------------------------- */

/* a - t b, b + t a, where T has the sign that the group's parity gives it. */
static INLINE void rotate(vec *a, vec *b, vec t)
{
    const vec old = v_copy(*a);

    *a = v_fma(t, *b, *a);
    *b = v_fnma(t, old, *b);
}

static INLINE void plain_stage(vec x[KS_MEMBERS], vec t, unsigned dimension)
{
    UNROLL
    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        const unsigned other = k | 1u << dimension;

        if (k != other) {
            rotate(&x[k], &x[other], t);
        }
    }
}

/* Partners are in other lanes, too. T has the factors for both signs. */
static INLINE void crossed_stage(vec x[KS_MEMBERS], const struct ks_stage *stage,
                                 const real *factors, unsigned sign, unsigned dimension)
{
    const unsigned signs = stage->signs ^ (sign != 0 ? 0xffffu : 0);

    UNROLL
    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        const unsigned other = k ^ 1u << dimension;

        if (k < other) {
            const vec a = x[k];
            const vec b = x[other];

            x[k] = v_fma(v_load(factors + (signs >> k & 1) * WIDTH),
                         v_partner(b, stage->lane_flip), a);
            x[other] = v_fma(v_load(factors + (signs >> other & 1) * WIDTH),
                             v_partner(a, stage->lane_flip), b);
        }
    }
}

static INLINE void lane_stage(vec x[KS_MEMBERS], const struct ks_stage *stage,
                              const real *factors, unsigned sign)
{
    const unsigned signs = stage->signs ^ (sign != 0 ? 0xffffu : 0);

    if (signs == 0 || signs == 0xffff) { /* the same for all members: mostly */
        const vec t = v_load(factors + (signs & 1) * WIDTH);

        UNROLL
        for (unsigned k = 0; k < KS_MEMBERS; k++) {
            x[k] = v_fma(t, v_partner(x[k], stage->lane_flip), x[k]);
        }
        return;
    }
    UNROLL
    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        x[k] = v_fma(v_load(factors + (signs >> k & 1) * WIDTH),
                     v_partner(x[k], stage->lane_flip), x[k]);
    }
}

/* The factors of STAGE for the sign that the group's parities give it. */
static INLINE vec factors_of(const struct ks_stage *stage, const real *entries,
                             uint64_t parities)
{
    return v_load(entries + stage->factors + (parities >> stage->parity & 1) * WIDTH);
}

/* From stage FIRST on. */
static INLINE void stages(vec x[KS_MEMBERS], const struct ks_group *group, const real *entries,
                          uint64_t parities, unsigned first)
{
    for (unsigned i = first; i < group->stage_count; i++) {
        const struct ks_stage *stage = &group->stages[i];
        const unsigned sign = (unsigned)(parities >> stage->parity & 1);
        const real *factors = entries + stage->factors;
        const vec t = v_load(factors + sign * WIDTH);

        switch (stage->dimension + (stage->plain ? 0 : 5)) {
        case 0:
            plain_stage(x, t, 0);
            break;
        case 1:
            plain_stage(x, t, 1);
            break;
        case 2:
            plain_stage(x, t, 2);
            break;
        case 3:
            plain_stage(x, t, 3);
            break;
        case 5:
            crossed_stage(x, stage, factors, sign, 0);
            break;
        case 6:
            crossed_stage(x, stage, factors, sign, 1);
            break;
        case 7:
            crossed_stage(x, stage, factors, sign, 2);
            break;
        case 8:
            crossed_stage(x, stage, factors, sign, 3);
            break;
        default:
            lane_stage(x, stage, factors, sign);
            break;
        }
    }
}

/* --- groups ------------------------------------------------------------------------------- */

/* The members are passed in an order in which one follows from the last by one dimension: the
 * T-th is member T ^ T >> 1. */
#define MEMBER(turn)         ((turn) ^ (turn) >> 1)
#define NEXT_DIMENSION(turn) ((turn) == 0 ? 0 : __builtin_ctz(turn))

/* Where the members of a group are, in bytes. */
struct places {
    size_t base;
    size_t dimensions[KS_MEMBERS_LOG];
};

/* Where the walk begins, of which the compiler knows nothing: it would keep all sixteen places
 * for the next walk, and has no registers for them. */
static INLINE size_t first_place(const struct places *places)
{
    size_t at = places->base;

    __asm__("" : "+r"(at));
    return at;
}

static INLINE size_t next_place(const struct places *places, size_t at, unsigned turn)
{
    return turn == 0 ? at : at ^ places->dimensions[NEXT_DIMENSION(turn)];
}

static INLINE vec load_at(const char *part, size_t at)
{
    return v_load((const real *)(const void *)(part + at));
}

static INLINE void store_at(char *part, size_t at, vec v)
{
    v_store((real *)(void *)(part + at), v);
}

/* Multiplies member K, at AT, by its phase: returns the real part, the imaginary one goes to
 * memory. */
static INLINE vec phase_member(const real *table, unsigned k, const char *re, char *im,
                               size_t at, bool by_lane)
{
    const vec d_re = by_lane ? v_load(table + 2 * k * WIDTH) : v_all(table[k]);
    const vec d_im =
        by_lane ? v_load(table + (2 * k + 1) * WIDTH) : v_all(table[KS_MEMBERS + k]);
    const vec a_re = load_at(re, at);
    const vec a_im = load_at(im, at);

    store_at(im, at, v_fma(d_re, a_im, v_mul(d_im, a_re)));
    return v_fms(d_re, a_re, v_mul(d_im, a_im));
}

static INLINE void phase_members(vec x[KS_MEMBERS], const real *table, const char *re, char *im,
                                 const struct places *places, bool by_lane)
{
    size_t at = first_place(places);

    UNROLL
    for (unsigned turn = 0; turn < KS_MEMBERS; turn++) {
        at = next_place(places, at, turn);
        x[MEMBER(turn)] = phase_member(table, MEMBER(turn), re, im, at, by_lane);
    }
}

static INLINE void load_members(vec x[KS_MEMBERS], const char *part,
                                const struct places *places)
{
    size_t at = first_place(places);

    UNROLL
    for (unsigned turn = 0; turn < KS_MEMBERS; turn++) {
        at = next_place(places, at, turn);
        x[MEMBER(turn)] = load_at(part, at);
    }
}

static INLINE void store_members(const vec x[KS_MEMBERS], char *part,
                                 const struct places *places)
{
    size_t at = first_place(places);

    UNROLL
    for (unsigned turn = 0; turn < KS_MEMBERS; turn++) {
        at = next_place(places, at, turn);
        store_at(part, at, x[MEMBER(turn)]);
    }
}

/* Members with a new slot start as copies of those without it. */
static inline void copy_fresh(const struct ks_group *group, const struct ks_places *where,
                              const struct ks_tile *tile, size_t base)
{
    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        const size_t from = (base ^ where->sources[k]) * WIDTH;
        const size_t to = (base ^ where->members[k]) * WIDTH;

        if ((group->fresh >> k & 1) != 0) {
            v_store((real *)tile->re + to, v_load((const real *)tile->re + from));
            v_store((real *)tile->im + to, v_load((const real *)tile->im + from));
        }
    }
}

static INLINE void part(const struct ks_group *group, const real *entries, char *part,
                        const struct places *places, uint64_t parities)
{
    vec x[KS_MEMBERS];

    load_members(x, part, places);
    stages(x, group, entries, parities, 0);
    store_members(x, part, places);
}

/* --- groups with a rotation along each dimension in turn ---------------------------------- */

/* What of PART has got the first rotation in X gets the others, and goes to memory. */
static INLINE void finish_straight(vec x[KS_MEMBERS], const struct ks_group *group,
                                   const real *entries, char *part, const struct places *places,
                                   uint64_t parities)
{
    const vec t = factors_of(&group->stages[3], entries, parities);
    size_t at = first_place(places);

    plain_stage(x, factors_of(&group->stages[1], entries, parities), 1);
    plain_stage(x, factors_of(&group->stages[2], entries, parities), 2);
    if (group->stage_count > KS_MEMBERS_LOG) {
        plain_stage(x, t, 3);
        stages(x, group, entries, parities, KS_MEMBERS_LOG);
        store_members(x, part, places);
        return;
    }
    UNROLL
    for (unsigned turn = 0; turn < KS_MEMBERS / 2; turn++) {
        const unsigned k = MEMBER(turn);

        at = next_place(places, at, turn);
        rotate(&x[k], &x[k | 8], t);
        store_at(part, at, x[k]);
        store_at(part, at ^ places->dimensions[3], x[k | 8]);
    }
}

static INLINE void part_straight(const struct ks_group *group, const real *entries, char *part,
                                 const struct places *places, uint64_t parities)
{
    const vec t = factors_of(&group->stages[0], entries, parities);
    size_t at = first_place(places);
    vec x[KS_MEMBERS];

    UNROLL
    for (unsigned turn = 0; turn < KS_MEMBERS; turn++) {
        const unsigned k = MEMBER(turn);

        at = next_place(places, at, turn);
        x[k] = load_at(part, at);
        if (turn % 2 == 1) {
            rotate(&x[k & ~1u], &x[k | 1], t);
        }
    }
    finish_straight(x, group, entries, part, places, parities);
}

static INLINE void phases_straight(const struct ks_group *group, const real *entries,
                                   const real *table, char *re, char *im,
                                   const struct places *places, uint64_t parities, bool by_lane)
{
    const vec t = factors_of(&group->stages[0], entries, parities);
    size_t at = first_place(places);
    vec x[KS_MEMBERS];

    UNROLL
    for (unsigned turn = 0; turn < KS_MEMBERS; turn++) {
        const unsigned k = MEMBER(turn);

        at = next_place(places, at, turn);
        x[k] = phase_member(table, k, re, im, at, by_lane);
        if (turn % 2 == 1) {
            rotate(&x[k & ~1u], &x[k | 1], t);
        }
    }
    finish_straight(x, group, entries, re, places, parities);
}

/* A group of phases alone; members are written after those that start as they do. */
static INLINE void run_phases(const struct ks_group *group, const real *entries,
                              const struct ks_tile *tile, struct walk *walk, size_t first,
                              size_t end, bool by_lane)
{
    const size_t variant = (size_t)2 * KS_MEMBERS * (by_lane ? WIDTH : 1);
    const unsigned choices = (1u << group->choices) - 1;
    const struct ks_places *where = &group->places[tile->folded ? 1 : 0];
    real *re = tile->re;
    real *im = tile->im;

    for (size_t i = first; i < end; i++) {
        const uint32_t base = (uint32_t)walk->word;
        const real *table = entries + group->table + (walk->word >> 32 & choices) * variant;

        for (unsigned turn = 0; turn < KS_MEMBERS; turn++) {
            const unsigned k = group->order[turn];
            const size_t from = (size_t)(base ^ where->sources[k]) * WIDTH;
            const size_t to = (size_t)(base ^ where->members[k]) * WIDTH;
            const vec d_re = by_lane ? v_load(table + 2 * k * WIDTH) : v_all(table[k]);
            const vec d_im =
                by_lane ? v_load(table + (2 * k + 1) * WIDTH) : v_all(table[KS_MEMBERS + k]);
            const vec a_re = v_load(re + from);
            const vec a_im = v_load(im + from);

            v_store(re + to, v_fms(d_re, a_re, v_mul(d_im, a_im)));
            v_store(im + to, v_fma(d_re, a_im, v_mul(d_im, a_re)));
        }
        walk->word ^= walk->changes[__builtin_ctzll(i + 1)];
    }
}

static INLINE void run_group(const struct ks_group *group, const real *entries,
                             const struct ks_tile *tile, struct walk *walk, size_t first,
                             size_t end, unsigned table_kind, bool straight)
{
    const size_t variant = (size_t)2 * KS_MEMBERS * (table_kind == 2 ? WIDTH : 1);
    const unsigned choices = (1u << group->choices) - 1;
    const struct ks_places *where = &group->places[tile->folded ? 1 : 0];
    char *re = tile->re;
    char *im = tile->im;
    struct places places;

    for (unsigned d = 0; d < KS_MEMBERS_LOG; d++) {
        places.dimensions[d] = (size_t)where->members[1u << d] * sizeof(vec);
    }
    for (size_t i = first; i < end; i++) {
        const uint32_t base = (uint32_t)walk->word;
        const uint64_t parities = walk->word >> 32;

        places.base = (size_t)base * sizeof(vec);
        if (group->fresh != 0) {
            copy_fresh(group, where, tile, base);
        }
        if (table_kind == 0) {
            (straight ? part_straight : part)(group, entries, re, &places, parities);
            (straight ? part_straight : part)(group, entries, im, &places, parities);
            walk->word ^= walk->changes[__builtin_ctzll(i + 1)];
            continue;
        }
        const real *table = entries + group->table + (parities & choices) * variant;

        if (straight) {
            phases_straight(group, entries, table, re, im, &places, parities, table_kind == 2);
            part_straight(group, entries, im, &places, parities);
        } else {
            vec x[KS_MEMBERS];

            phase_members(x, table, re, im, &places, table_kind == 2);
            stages(x, group, entries, parities, 0);
            store_members(x, re, &places);
            part(group, entries, im, &places, parities);
        }
        walk->word ^= walk->changes[__builtin_ctzll(i + 1)];
    }
}

#define RUN(name, call)                                                                        \
    static void name(const struct ks_group *group, const real *entries,                        \
                     const struct ks_tile *tile, struct walk *walk, size_t first, size_t end)  \
    {                                                                                          \
        call;                                                                                  \
    }

RUN(run_none, run_group(group, entries, tile, walk, first, end, 0, false))
RUN(run_none_straight, run_group(group, entries, tile, walk, first, end, 0, true))
RUN(run_member, run_group(group, entries, tile, walk, first, end, 1, false))
RUN(run_member_straight, run_group(group, entries, tile, walk, first, end, 1, true))
RUN(run_lane, run_group(group, entries, tile, walk, first, end, 2, false))
RUN(run_lane_straight, run_group(group, entries, tile, walk, first, end, 2, true))
RUN(run_member_phases, run_phases(group, entries, tile, walk, first, end, false))
RUN(run_lane_phases, run_phases(group, entries, tile, walk, first, end, true))

static void group(const struct ks_group *group, const void *entries, const struct ks_tile *tile,
                  uint32_t parities, size_t first, size_t end)
{
    struct walk walk;

    walk_init(&walk, group, &group->places[tile->folded ? 1 : 0], parities, first);
    if (group->table_kind == 0) {
        (group->straight ? run_none_straight : run_none)(group, entries, tile, &walk, first,
                                                         end);
    } else if (group->stage_count == 0) {
        (group->table_kind == 1 ? run_member_phases : run_lane_phases)(group, entries, tile,
                                                                       &walk, first, end);
    } else if (group->straight) {
        (group->table_kind == 1 ? run_member_straight : run_lane_straight)(group, entries, tile,
                                                                           &walk, first, end);
    } else {
        (group->table_kind == 1 ? run_member : run_lane)(group, entries, tile, &walk, first,
                                                         end);
    }
}

static void small(const struct ks_group *group, const void *entries, const struct ks_tile *tile)
{
    const real *c = (const real *)entries + group->table;
    const size_t count = (size_t)1 << group->small_slot;
    real *re = tile->re;
    real *im = tile->im;

    for (size_t i = 0; i < count; i++) {
        const real a_re = re[i];
        const real a_im = im[i];

        re[i] = r_fma(c[0], a_re, -(c[1] * a_im));
        im[i] = r_fma(c[0], a_im, c[1] * a_re);
        re[i + count] = r_fma(c[2], a_re, -(c[3] * a_im));
        im[i + count] = r_fma(c[2], a_im, c[3] * a_re);
    }
}

/* --- tiles and the state ------------------------------------------------------------------ */

/* Folding leaves the bits of a vector's number from 6 on as they are: 64 vectors lie together.
 */
#define TOGETHER 64

static void load(const void *source, size_t first, size_t count, void *tile)
{
    const real *from = source;

    if (count < WIDTH) {
        ks_copy((real *)tile + ks_tile_fold(first / WIDTH) * WIDTH + first % WIDTH, from,
                count * sizeof *from);
        return;
    }
    for (size_t i = 0; i < count / WIDTH; i += TOGETHER) {
        const size_t place = ks_tile_fold(first / WIDTH + i);

        for (size_t k = 0; k < TOGETHER && i + k < count / WIDTH; k++) {
            v_store((real *)tile + (place ^ k) * WIDTH, v_load(from + (i + k) * WIDTH));
        }
    }
}

static void store(const void *tile, size_t first, size_t count, void *target, bool past)
{
    real *to = target;

    if (count < WIDTH) {
        ks_copy(to, (const real *)tile + ks_tile_fold(first / WIDTH) * WIDTH + first % WIDTH,
                count * sizeof *to);
        return;
    }
    for (size_t i = 0; i < count / WIDTH; i += TOGETHER) {
        const size_t place = ks_tile_fold(first / WIDTH + i);

        for (size_t k = 0; k < TOGETHER && i + k < count / WIDTH; k++) {
            const vec v = v_load((const real *)tile + (place ^ k) * WIDTH);

            if (past) {
                v_stream(to + (i + k) * WIDTH, v);
            } else {
                v_store(to + (i + k) * WIDTH, v);
            }
        }
    }
}

static void drain(void)
{
    v_drain();
}

static void gather(const void *source, size_t first, const uint32_t *index, size_t count,
                   void *target)
{
    const real *restrict from = source;
    real *restrict to = target;

    for (size_t i = 0; i < count; i++) {
        to[i] = from[(int32_t)((uint32_t)first ^ index[i])];
    }
}

/* --- tables ------------------------------------------------------------------------------- */

/* Entries that lie side by side, all with the same choices: the members of a group, or the
 * lanes of one of its members. First their real parts, then the imaginary ones. */
#define ROW_MAX 16

_Static_assert(KS_MEMBERS <= ROW_MAX && WIDTH <= ROW_MAX, "a row has room for both");
_Static_assert(WIDTH % 8 == 0 && KS_MEMBERS % 8 == 0, "rows are multiplied in eights");

/* What a row is multiplied with, by the bits of its phase's parities that are the same in all
 * of the row. */
struct patterns {
    bool one[1 << KS_FACTORS_MAX]; /* nothing changes */
    double factors[1 << KS_FACTORS_MAX][2 * ROW_MAX];
};

static void make_patterns(const struct ks_step *step, const struct ks_entry_phase *phase,
                          bool by_lane, unsigned width, struct patterns *patterns)
{
    const bool grow = step->kind == KS_STEP_GROW;
    const double *one = &step->values[grow ? 2 : 0];
    const unsigned count = grow ? 1 : step->count;

    for (unsigned pattern = 0; pattern < 1u << count; pattern++) {
        unsigned all = 0xffff;

        for (unsigned i = 0; i < count; i++) {
            const struct ks_reading *reading = &phase->readings[i];
            const bool turned = ((pattern ^ step->inverted) >> i & 1) != 0;

            all &= (by_lane ? reading->lanes : reading->members) ^ (turned ? 0xffffu : 0);
        }
        all &= (1u << width) - 1;
        patterns->one[pattern] = all == 0 && !grow;
        for (unsigned i = 0; i < width; i++) {
            const bool set = (all >> i & 1) != 0;

            patterns->factors[pattern][i] = set ? one[0] : grow ? step->values[0] : 1;
            patterns->factors[pattern][width + i] = set ? one[1] : grow ? step->values[1] : 0;
        }
    }
}

static inline void multiply_eight(double *restrict re, double *restrict im,
                                  const double *restrict factor_re,
                                  const double *restrict factor_im)
{
    for (unsigned i = 0; i < 8; i++) {
        const double x = re[i];
        const double y = im[i];

        re[i] = x * factor_re[i] - y * factor_im[i];
        im[i] = x * factor_im[i] + y * factor_re[i];
    }
}

/* Multiplies PHASE into the first COUNT rows. */
static void multiply_rows(const struct ks_plan *plan, const struct ks_entry_phase *phase,
                          bool by_lane, size_t count, double *rows)
{
    const struct ks_step *step = &plan->steps[phase->step];
    const unsigned width = by_lane ? WIDTH : KS_MEMBERS;
    const unsigned readings = step->kind == KS_STEP_GROW ? 1 : step->count;
    struct patterns patterns;

    make_patterns(step, phase, by_lane, width, &patterns);
    for (size_t row = 0; row < count; row++) {
        const unsigned choice = (unsigned)(by_lane ? row >> KS_MEMBERS_LOG : row);
        double *at = rows + 2 * width * row;
        unsigned pattern = 0;

        for (unsigned i = 0; i < readings; i++) {
            const struct ks_reading *reading = &phase->readings[i];
            const unsigned member = by_lane ? reading->members >> (row % KS_MEMBERS) & 1u : 0;

            pattern |= (ks_parity(choice & reading->choices) ^ member) << i;
        }
        for (unsigned i = 0; i < width && !patterns.one[pattern]; i += 8) {
            multiply_eight(at + i, at + width + i, patterns.factors[pattern] + i,
                           patterns.factors[pattern] + width + i);
        }
    }
}

/* Variants are made by doubling: a phase is multiplied in when the highest choice that it looks
 * at has come in. */
static void fill_table(const struct ks_plan *plan, const struct ks_group *group, double *rows,
                       real *entries)
{
    const bool by_lane = group->table_kind == 2;
    const size_t width = by_lane ? WIDTH : KS_MEMBERS;
    const size_t variant = by_lane ? KS_MEMBERS : 1; /* rows */
    const struct ks_entry_phase *phase = plan->phases + group->first_phase;
    const struct ks_entry_phase *end = phase + group->phase_count;
    size_t count = variant;

    for (size_t i = 0; i < 2 * width * count; i++) {
        rows[i] = i / width % 2 == 0 ? 1 : 0;
    }
    for (unsigned level = 0; level <= group->choices; level++) {
        if (level > 0) {
            ks_copy(rows + 2 * width * count, rows, 2 * width * count * sizeof *rows);
            count *= 2;
        }
        for (; phase < end; phase++) {
            unsigned choices = 0;

            for (unsigned i = 0; i < KS_FACTORS_MAX; i++) {
                choices |= phase->readings[i].choices;
            }
            if (choices >> level != 0) {
                break;
            }
            multiply_rows(plan, phase, by_lane, count, rows);
        }
    }
    for (size_t i = 0; i < 2 * width * count; i++) {
        entries[i] = (real)(rows[i] * group->scale);
    }
}

static void fill(const struct ks_plan *plan, const struct ks_group *group, double *rows,
                 void *entries)
{
    real *table = (real *)entries + group->table;

    if (group->small) {
        const struct ks_step *step = &plan->steps[plan->phases[group->first_phase].step];

        for (unsigned i = 0; i < 4; i++) {
            table[i] = (real)(step->values[i] * group->scale);
        }
    } else if (group->table_kind != 0) {
        fill_table(plan, group, rows, table);
    }
    for (unsigned k = 0; k < group->stage_count; k++) {
        const struct ks_stage *stage = &group->stages[k];
        const real t = (real)plan->steps[stage->step].values[0];
        real *factors = (real *)entries + stage->factors;

        v_store(factors, v_all(-t));
        v_store(factors + WIDTH, v_all(t));
        for (unsigned lanes = stage->lane_signs; lanes != 0; lanes &= lanes - 1) {
            const unsigned lane = (unsigned)__builtin_ctz(lanes);

            factors[lane] = t;
            factors[WIDTH + lane] = -t;
        }
    }
}

/* --- halving ------------------------------------------------------------------------------ */

static void halve(const struct ks_view *source, uint32_t slot, bool value, double scale,
                  const struct ks_view *target)
{
    const size_t run = (size_t)1 << slot;
    const real factor = (real)scale;

    for (size_t start = 0; start < source->count / 2; start += run) {
        const real *from_re = (const real *)source->re + 2 * start + (value ? run : 0);
        const real *from_im = (const real *)source->im + 2 * start + (value ? run : 0);
        real *to_re = (real *)target->re + start;
        real *to_im = (real *)target->im + start;

        for (size_t i = 0; i < run; i++) {
            to_re[i] = from_re[i] * factor;
            to_im[i] = from_im[i] * factor;
        }
    }
    /* Behind a state that does not fill KS_AMPS_MIN are zeros. */
    for (size_t i = source->count / 2; i < source->count && i < KS_AMPS_MIN; i++) {
        ((real *)target->re)[i] = 0;
        ((real *)target->im)[i] = 0;
    }
}

/* --- sums --------------------------------------------------------------------------------- */

#define SUM_LANES 16 /* sums that run side by side, whatever the vectors are */

_Static_assert(SUM_LANES <= KS_AMPS_MIN, "every state fills a chunk");

static void sums(const struct ks_view *view, uint32_t slot, double out_sums[2])
{
    const size_t count = view->count < SUM_LANES ? SUM_LANES : view->count;
    const real *re = view->re;
    const real *im = view->im;
    const bool across = slot >= 4 && slot < KS_BLOCK_LOG;
    double total[2][SUM_LANES] = {{0}};

    for (size_t i = 0; i < count; i += SUM_LANES) {
        double *into = total[across ? i >> slot & 1 : 0];

        for (size_t lane = 0; lane < SUM_LANES; lane++) {
            const double x = (double)re[i + lane];
            const double y = (double)im[i + lane];

            into[lane] += x * x + y * y;
        }
    }
    out_sums[0] = 0;
    out_sums[1] = 0;
    for (size_t lane = 0; lane < SUM_LANES; lane++) {
        if (across) {
            out_sums[0] += total[0][lane];
            out_sums[1] += total[1][lane];
        } else {
            out_sums[slot < 4 ? lane >> slot & 1 : 0] += total[0][lane];
        }
    }
    if (slot != KS_NO_SLOT && slot >= KS_BLOCK_LOG && (view->origin >> slot & 1) != 0) {
        out_sums[1] = out_sums[0];
        out_sums[0] = 0;
    }
}

static size_t find(const struct ks_view *view, size_t from, double *sum, double target)
{
    const real *re = view->re;
    const real *im = view->im;
    double reached = *sum;

    for (size_t i = from; i < view->count; i++) {
        const double x = (double)re[i];
        const double y = (double)im[i];
        const double next = reached + (x * x + y * y);

        if (target < next) {
            *sum = reached;
            return i;
        }
        reached = next;
    }
    *sum = reached;
    return view->count;
}

/* --- for benches -------------------------------------------------------------------------- */

static void spin(void *numbers, size_t rounds)
{
    real *from = numbers;
    const vec factor = v_load(from);
    vec x[KS_MEMBERS];

    UNROLL
    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        x[k] = v_load(from + (size_t)k * WIDTH);
    }
    for (size_t round = 0; round < rounds; round++) {
        UNROLL
        for (unsigned k = 0; k < KS_MEMBERS; k++) {
            x[k] = v_fma(x[k], factor, factor);
        }
    }
    UNROLL
    for (unsigned k = 0; k < KS_MEMBERS; k++) {
        v_store(from + (size_t)k * WIDTH, x[k]);
    }
}

/* --- the table ---------------------------------------------------------------------------- */

extern const struct ks_kernels KERNELS;
const struct ks_kernels KERNELS = {
    .name = KERNELS_NAME,
    .precision = KERNELS_PRECISION,
    .load = load,
    .store = store,
    .drain = drain,
    .gather = gather,
    .move = KERNELS_MOVE,
    .fill = fill,
    .group = group,
    .small = small,
    .sums = sums,
    .find = find,
    .halve = halve,
    .spin = spin,
};
