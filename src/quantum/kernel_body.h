/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_body.h: the kernels, written once over vectors of WIDTH amplitudes. Included by each
 * kernel_<isa>_<precision>.c after it has defined
 *   real, vec, lanes               element, vector, and a set of lanes
 *   WIDTH, WIDTH_LOG               elements of a vector
 *   v_load v_store                 memory
 *   r_fma                          fma of elements
 *   v_mul v_fma v_fms              a*b, fma(a, b, c), fma(a, b, -c)
 *   v_partner(v, t)                lane i gets lane i ^ (1 << t)
 *   v_lanes(bits), v_pick(l, a, b) lane i is A where L has it, else B
 * and KERNELS, KERNELS_NAME, KERNELS_PRECISION. What an amplitude is multiplied with and in
 * which order is written here alone: that is why all instruction sets give the same bits. */

#define HOLES_MAX (KS_DIAGONAL_SLOTS_MAX + KS_OP_QUBITS_MAX)
#define ALL_LANES ((1u << WIDTH) - 1)

_Static_assert(WIDTH <= KS_AMPS_MIN, "a state fills a vector");
_Static_assert(WIDTH == 1 << WIDTH_LOG, "the width is a power of two");

/* --- which vectors a step touches --------------------------------------------------------- */

/* The vectors whose index has fixed bits at some places. Group g is its free bits. */
struct groups {
    unsigned hole_count;
    unsigned holes[HOLES_MAX]; /* ascending, in vectors */
    size_t set;                /* the fixed bits that are 1 */
    size_t run_log;            /* so many low bits are free: consecutive vectors */
    size_t begin;              /* of this part */
    size_t end;
    unsigned lane_bits; /* the lanes that the controls inside a vector leave */
};

/* Whether SLOT (at most 63) is a bit of the index inside a vector. */
static inline bool in_lanes(uint32_t slot)
{
    return (uint64_t)1 << slot < WIDTH;
}

static void add_hole(struct groups *groups, unsigned slot)
{
    unsigned i = groups->hole_count++;

    for (; i > 0 && groups->holes[i - 1] > slot - WIDTH_LOG; i--) {
        groups->holes[i] = groups->holes[i - 1];
    }
    groups->holes[i] = slot - WIDTH_LOG;
}

/* TARGET: the slot whose 0 half is counted, or KS_NO_SLOT. False when the controls leave
 * nothing. */
static bool groups_init(struct groups *groups, const struct ks_view *view,
                        const struct ks_step *step, uint32_t target, size_t part, size_t parts)
{
    const size_t vectors = (view->count < WIDTH ? WIDTH : view->count) >> WIDTH_LOG;
    const uint64_t inside = view->count - 1;
    uint64_t mask = step->control_mask & inside;
    const uint64_t outside = step->control_mask & ~inside;
    size_t total;

    *groups = (struct groups){0};
    if ((view->origin & outside) != (step->control_value & outside)) {
        return false;
    }
    for (unsigned lane = 0; lane < WIDTH; lane++) {
        const uint64_t low = mask & (WIDTH - 1);

        groups->lane_bits |= (unsigned)((lane & low) == (step->control_value & low)) << lane;
    }
    mask &= ~(uint64_t)(WIDTH - 1);
    groups->set = (size_t)((step->control_value & mask) >> WIDTH_LOG);
    if (target != KS_NO_SLOT && !in_lanes(target)) {
        add_hole(groups, target);
    }
    for (; mask != 0; mask &= mask - 1) {
        add_hole(groups, (unsigned)__builtin_ctzll(mask));
    }
    total = vectors >> groups->hole_count;
    groups->run_log = groups->hole_count > 0 ? groups->holes[0] : 62;
    groups->begin = total / parts * part + total % parts * part / parts;
    groups->end = total / parts * (part + 1) + total % parts * (part + 1) / parts;
    return true;
}

/* The vector of group GROUP. */
static inline size_t group_vector(const struct groups *groups, size_t group)
{
    for (unsigned i = 0; i < groups->hole_count; i++) {
        const unsigned hole = groups->holes[i];

        group = (group & (((size_t)1 << hole) - 1)) | group >> hole << (hole + 1);
    }
    return group | groups->set;
}

/* Groups from GROUP on that are consecutive vectors. */
static inline size_t group_run(const struct groups *groups, size_t group)
{
    const size_t run =
        ((size_t)1 << groups->run_log) - (group & (((size_t)1 << groups->run_log) - 1));

    return run < groups->end - group ? run : groups->end - group;
}

/* --- matrices ----------------------------------------------------------------------------- */

/* One row of a matrix: SELF is the factor of the amplitude itself, OTHER of its partner. */
struct row {
    vec self_re, self_im, self_neg;    /* re, im, -im */
    vec other_re, other_im, other_neg; /* re, im, -im */
};

static inline void row_general(const struct row *row, vec re, vec im, vec other_re,
                               vec other_im, vec *out_re, vec *out_im)
{
    *out_re = v_fma(row->self_re, re,
                    v_fma(row->self_neg, im,
                          v_fma(row->other_re, other_re, v_mul(row->other_neg, other_im))));
    *out_im = v_fma(row->self_re, im,
                    v_fma(row->self_im, re,
                          v_fma(row->other_re, other_im, v_mul(row->other_im, other_re))));
}

static inline void row_real(const struct row *row, vec re, vec im, vec other_re, vec other_im,
                            vec *out_re, vec *out_im)
{
    *out_re = v_fma(row->self_re, re, v_mul(row->other_re, other_re));
    *out_im = v_fma(row->self_re, im, v_mul(row->other_re, other_im));
}

/* Row 0 on lanes whose bit TARGET is 0, row 1 on the others; with TARGET beyond the lanes, row
 * BIT. */
static struct row row_of(const double m[8], uint32_t target, unsigned bit)
{
    real lanes_of[6][WIDTH];
    struct row row;

    for (unsigned lane = 0; lane < WIDTH; lane++) {
        const unsigned r = in_lanes(target) ? lane >> target & 1 : bit;
        const double *self = &m[6 * r];
        const double *other = &m[2 + 2 * r];

        lanes_of[0][lane] = (real)self[0];
        lanes_of[1][lane] = (real)self[1];
        lanes_of[2][lane] = -(real)self[1];
        lanes_of[3][lane] = (real)other[0];
        lanes_of[4][lane] = (real)other[1];
        lanes_of[5][lane] = -(real)other[1];
    }
    row.self_re = v_load(lanes_of[0]);
    row.self_im = v_load(lanes_of[1]);
    row.self_neg = v_load(lanes_of[2]);
    row.other_re = v_load(lanes_of[3]);
    row.other_im = v_load(lanes_of[4]);
    row.other_neg = v_load(lanes_of[5]);
    return row;
}

typedef void row_function(const struct row *row, vec re, vec im, vec other_re, vec other_im,
                          vec *out_re, vec *out_im);

/* The target is a bit of the vector's index: partners are STRIDE elements apart. */
static inline __attribute__((always_inline)) void
matrix_across(real *re, real *im, const struct groups *groups, size_t stride, const double m[8],
              bool all, row_function *function)
{
    const struct row row_0 = row_of(m, WIDTH_LOG, 0);
    const struct row row_1 = row_of(m, WIDTH_LOG, 1);
    const lanes kept = v_lanes(groups->lane_bits);

    for (size_t group = groups->begin; group < groups->end;) {
        const size_t run = group_run(groups, group);
        real *re_0 = re + group_vector(groups, group) * WIDTH;
        real *im_0 = im + (re_0 - re);

        for (size_t i = 0; i < run * WIDTH; i += WIDTH) {
            const vec a_re = v_load(re_0 + i);
            const vec a_im = v_load(im_0 + i);
            const vec b_re = v_load(re_0 + i + stride);
            const vec b_im = v_load(im_0 + i + stride);
            vec x_re, x_im, y_re, y_im;

            function(&row_0, a_re, a_im, b_re, b_im, &x_re, &x_im);
            function(&row_1, b_re, b_im, a_re, a_im, &y_re, &y_im);
            v_store(re_0 + i, all ? x_re : v_pick(kept, x_re, a_re));
            v_store(im_0 + i, all ? x_im : v_pick(kept, x_im, a_im));
            v_store(re_0 + i + stride, all ? y_re : v_pick(kept, y_re, b_re));
            v_store(im_0 + i + stride, all ? y_im : v_pick(kept, y_im, b_im));
        }
        group += run;
    }
}

/* Partners are lanes of one vector. */
static inline __attribute__((always_inline)) void
matrix_within(real *re, real *im, const struct groups *groups, unsigned target,
              const double m[8], row_function *function)
{
    const struct row row = row_of(m, target, 0);
    const lanes kept = v_lanes(groups->lane_bits);

    for (size_t group = groups->begin; group < groups->end;) {
        const size_t run = group_run(groups, group);
        const size_t start = group_vector(groups, group) * WIDTH;

        for (size_t i = start; i < start + run * WIDTH; i += WIDTH) {
            const vec a_re = v_load(re + i);
            const vec a_im = v_load(im + i);
            vec x_re, x_im;

            function(&row, a_re, a_im, v_partner(a_re, target), v_partner(a_im, target), &x_re,
                     &x_im);
            v_store(re + i, v_pick(kept, x_re, a_re));
            v_store(im + i, v_pick(kept, x_im, a_im));
        }
        group += run;
    }
}

static inline __attribute__((always_inline)) void matrix(const struct ks_view *view,
                                                         const struct ks_step *step,
                                                         const struct groups *groups,
                                                         row_function *function)
{
    const unsigned target = step->target;

    if (in_lanes(target)) {
        /* One loop per target, so that each has its own shuffle. */
        switch (target) {
        case 0:
            matrix_within(view->re, view->im, groups, 0, step->matrix, function);
            break;
        case 1:
            matrix_within(view->re, view->im, groups, 1, step->matrix, function);
            break;
        case 2:
            matrix_within(view->re, view->im, groups, 2, step->matrix, function);
            break;
        default:
            matrix_within(view->re, view->im, groups, 3, step->matrix, function);
            break;
        }
    } else if (groups->lane_bits == ALL_LANES) {
        matrix_across(view->re, view->im, groups, (size_t)1 << target, step->matrix, true,
                      function);
    } else {
        matrix_across(view->re, view->im, groups, (size_t)1 << target, step->matrix, false,
                      function);
    }
}

/* --- X ------------------------------------------------------------------------------------ */

static inline __attribute__((always_inline)) void
flip_within(real *part, const struct groups *groups, unsigned target)
{
    const lanes kept = v_lanes(groups->lane_bits);

    for (size_t group = groups->begin; group < groups->end;) {
        const size_t run = group_run(groups, group);
        const size_t start = group_vector(groups, group) * WIDTH;

        for (size_t i = start; i < start + run * WIDTH; i += WIDTH) {
            const vec a = v_load(part + i);

            v_store(part + i, v_pick(kept, v_partner(a, target), a));
        }
        group += run;
    }
}

static void flip_across(real *part, const struct groups *groups, size_t stride)
{
    const lanes kept = v_lanes(groups->lane_bits);

    for (size_t group = groups->begin; group < groups->end;) {
        const size_t run = group_run(groups, group);
        const size_t start = group_vector(groups, group) * WIDTH;

        for (size_t i = start; i < start + run * WIDTH; i += WIDTH) {
            const vec a = v_load(part + i);
            const vec b = v_load(part + i + stride);

            v_store(part + i, v_pick(kept, b, a));
            v_store(part + i + stride, v_pick(kept, a, b));
        }
        group += run;
    }
}

static void flip(real *part, const struct ks_step *step, const struct groups *groups)
{
    if (!in_lanes(step->target)) {
        flip_across(part, groups, (size_t)1 << step->target);
        return;
    }
    switch (step->target) {
    case 0:
        flip_within(part, groups, 0);
        break;
    case 1:
        flip_within(part, groups, 1);
        break;
    case 2:
        flip_within(part, groups, 2);
        break;
    default:
        flip_within(part, groups, 3);
        break;
    }
}

/* --- diagonals ---------------------------------------------------------------------------- */

/* The table of a diagonal with its low slots spread over the lanes. */
struct phases {
    unsigned high_count;
    uint8_t high[KS_DIAGONAL_SLOTS_MAX]; /* slots beyond the lanes */
    real re[WIDTH << KS_DIAGONAL_SLOTS_MAX];
    real im[WIDTH << KS_DIAGONAL_SLOTS_MAX];
};

static void phases_init(struct phases *phases, const struct ks_step *step,
                        const double *entries)
{
    unsigned low_count = 0;

    while (low_count < step->table_size && in_lanes(step->table_slots[low_count])) {
        low_count++;
    }
    phases->high_count = step->table_size - low_count;
    ks_copy(phases->high, step->table_slots + low_count, phases->high_count);
    for (size_t i = 0; i < (size_t)1 << phases->high_count; i++) {
        for (size_t lane = 0; lane < WIDTH; lane++) {
            size_t entry = i << low_count;

            for (unsigned b = 0; b < low_count; b++) {
                entry |= (lane >> step->table_slots[b] & 1) << b;
            }
            phases->re[i * WIDTH + lane] = (real)entries[2 * (step->table + entry)];
            phases->im[i * WIDTH + lane] = (real)entries[2 * (step->table + entry) + 1];
        }
    }
}

static inline size_t phases_index(const struct phases *phases, size_t amp)
{
    size_t index = 0;

    for (unsigned b = 0; b < phases->high_count; b++) {
        index |= (amp >> phases->high[b] & 1) << b;
    }
    return index * WIDTH;
}

static inline __attribute__((always_inline)) void
diagonal_run(real *re, real *im, size_t count, vec d_re, vec d_im, lanes kept, bool all)
{
    for (size_t i = 0; i < count; i += WIDTH) {
        const vec a_re = v_load(re + i);
        const vec a_im = v_load(im + i);
        const vec x_re = v_fms(d_re, a_re, v_mul(d_im, a_im));
        const vec x_im = v_fma(d_re, a_im, v_mul(d_im, a_re));

        v_store(re + i, all ? x_re : v_pick(kept, x_re, a_re));
        v_store(im + i, all ? x_im : v_pick(kept, x_im, a_im));
    }
}

static void diagonal(const struct ks_view *view, const struct ks_step *step,
                     struct groups *groups, const double *entries)
{
    const lanes kept = v_lanes(groups->lane_bits);
    struct phases phases;

    phases_init(&phases, step, entries);
    if (phases.high_count > 0 && phases.high[0] < groups->run_log + WIDTH_LOG) {
        groups->run_log = (size_t)phases.high[0] - WIDTH_LOG; /* one table entry per run */
    }
    for (size_t group = groups->begin; group < groups->end;) {
        const size_t run = group_run(groups, group);
        const size_t start = group_vector(groups, group) * WIDTH;
        const size_t index = phases_index(&phases, view->origin + start);
        const vec d_re = v_load(phases.re + index);
        const vec d_im = v_load(phases.im + index);
        real *re = (real *)view->re + start;
        real *im = (real *)view->im + start;

        if (groups->lane_bits == ALL_LANES) {
            diagonal_run(re, im, run * WIDTH, d_re, d_im, kept, true);
        } else {
            diagonal_run(re, im, run * WIDTH, d_re, d_im, kept, false);
        }
        group += run;
    }
}

/* --- growing and halving ------------------------------------------------------------------ */

/* The product of an amplitude with (C_RE, C_IM), rounded as in diagonal_run. */
static inline real product_re(real c_re, real c_im, real re, real im)
{
    return r_fma(c_re, re, -(c_im * im));
}

static inline real product_im(real c_re, real c_im, real re, real im)
{
    return r_fma(c_re, im, c_im * re);
}

static void grow(const struct ks_view *view, const struct ks_step *step, size_t part,
                 size_t parts)
{
    const real c0_re = (real)step->matrix[0];
    const real c0_im = (real)step->matrix[1];
    const real c1_re = (real)step->matrix[4];
    const real c1_im = (real)step->matrix[5];
    const size_t begin = view->count / parts * part + view->count % parts * part / parts;
    const size_t end =
        view->count / parts * (part + 1) + view->count % parts * (part + 1) / parts;
    real *re = view->re;
    real *im = view->im;
    real *high_re = re + view->count;
    real *high_im = im + view->count;

    if (c0_re == 1 && c0_im == 0 && c1_re == 0 && c1_im == 0) {
        for (size_t i = begin; i < end; i++) {
            high_re[i] = 0;
            high_im[i] = 0;
        }
        return;
    }
    for (size_t i = begin; i < end; i++) {
        const real a_re = re[i];
        const real a_im = im[i];

        re[i] = product_re(c0_re, c0_im, a_re, a_im);
        im[i] = product_im(c0_re, c0_im, a_re, a_im);
        high_re[i] = product_re(c1_re, c1_im, a_re, a_im);
        high_im[i] = product_im(c1_re, c1_im, a_re, a_im);
    }
}

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

_Static_assert(SUM_LANES == KS_AMPS_MIN, "every state fills a chunk");

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

/* --- the table ---------------------------------------------------------------------------- */

static void apply(const struct ks_view *view, const struct ks_step *step, const double *entries,
                  size_t part, size_t parts)
{
    struct groups groups;

    if (step->kind == KS_STEP_GROW) {
        grow(view, step, part, parts);
        return;
    }
    if (!groups_init(&groups, view, step,
                     step->kind == KS_STEP_DIAGONAL ? KS_NO_SLOT : step->target, part, parts)) {
        return;
    }
    switch ((enum ks_step_kind)step->kind) {
    case KS_STEP_MATRIX:
        matrix(view, step, &groups, row_general);
        break;
    case KS_STEP_REAL:
        matrix(view, step, &groups, row_real);
        break;
    case KS_STEP_FLIP:
        flip(view->re, step, &groups);
        flip(view->im, step, &groups);
        break;
    default:
        diagonal(view, step, &groups, entries);
        break;
    }
}

extern const struct ks_kernels KERNELS;
const struct ks_kernels KERNELS = {
    .name = KERNELS_NAME,
    .precision = KERNELS_PRECISION,
    .apply = apply,
    .sums = sums,
    .find = find,
    .halve = halve,
};
