/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/mps.h"

#include "quantum/factor.h"
#include "quantum/line.h"
#include "quantum/philox.h"
#include "quantum/plan.h"

#define PLACES_MAX KS_OP_QUBITS_MAX
#define BASIS_MAX  (1u << PLACES_MAX)

/* The tensors stand in a line: place i has entries [left][bit][right] in a matrix of 2 left
 * rows and right columns. Those before the centre are orthonormal seen from the left, those
 * behind it from the right; the centre has norm 1. */
struct state {
    const struct ks_engine_context *context;
    struct ks_truncation truncation;
    size_t count;
    struct ks_matrix *places;
    uint32_t *place_of; /* qubit: its place */
    uint32_t *qubit_at; /* place: its qubit */
    uint32_t *degrees;  /* qubit: how many others it meets */
    size_t centre;
    size_t bond; /* the largest */
    double discarded;
};

static void destroy(void *context)
{
    struct state *state = context;

    if (state != NULL) {
        for (size_t i = 0; state->places != NULL && i < state->count; i++) {
            ks_matrix_drop(state->context->budget, &state->places[i]);
        }
        ks_free(state->places);
        ks_free(state->place_of);
        ks_free(state->qubit_at);
        ks_free(state->degrees);
        ks_free(state);
    }
}

/* Without tensors. */
static enum ks_err state_new(const struct ks_engine_context *context, struct state **out_state)
{
    const struct ks_simulate_spec *spec = context->spec;
    enum ks_err err = KS_OK;
    struct state *state = ks_calloc(1, sizeof *state);

    KS_CHECK(state != NULL, KS_ERR_NOMEM, "no memory for matrix product states");
    state->context = context;
    state->count = context->circuit->qubit_count;
    state->truncation.rank_max = spec->bond_max == 0 ? KS_BOND_DEFAULT : spec->bond_max;
    state->truncation.cutoff = spec->cutoff;
    state->bond = 1;
    state->places = ks_calloc(state->count, sizeof *state->places);
    state->place_of = ks_calloc(state->count, sizeof *state->place_of);
    state->qubit_at = ks_calloc(state->count, sizeof *state->qubit_at);
    state->degrees = ks_calloc(state->count, sizeof *state->degrees);
    KS_CHECK(state->places != NULL && state->place_of != NULL && state->qubit_at != NULL &&
                 state->degrees != NULL,
             KS_ERR_NOMEM, "no memory for matrix product states");
    *out_state = state;
    state = NULL;
out:
    destroy(state);
    return err;
}

static enum ks_err create(const struct ks_engine_context *context, void **out_state)
{
    enum ks_err err = KS_OK;
    struct state *state = NULL;

    KS_TRY(state_new(context, &state));
    KS_TRY(ks_line_order(context->circuit, state->qubit_at, state->degrees));
    for (size_t i = 0; i < state->count; i++) {
        KS_TRY(ks_matrix_new(context->budget, 2, 1, &state->places[i]));
        state->places[i].re[0] = 1;
        state->place_of[state->qubit_at[i]] = (uint32_t)i;
    }
    *out_state = state;
    state = NULL;
out:
    destroy(state);
    return err;
}

static enum ks_err copy(const void *source, void **out_copy)
{
    const struct state *state = source;
    enum ks_err err = KS_OK;
    struct state *made = NULL;

    KS_TRY(state_new(state->context, &made));
    for (size_t i = 0; i < state->count; i++) {
        const struct ks_matrix *place = &state->places[i];

        KS_TRY(
            ks_matrix_new(state->context->budget, place->rows, place->cols, &made->places[i]));
        ks_copy(made->places[i].re, place->re,
                2 * place->rows * place->cols * sizeof *place->re);
    }
    ks_copy(made->place_of, state->place_of, state->count * sizeof *made->place_of);
    ks_copy(made->qubit_at, state->qubit_at, state->count * sizeof *made->qubit_at);
    ks_copy(made->degrees, state->degrees, state->count * sizeof *made->degrees);
    made->centre = state->centre;
    made->bond = state->bond;
    made->discarded = state->discarded;
    *out_copy = made;
    made = NULL;
out:
    destroy(made);
    return err;
}

/* --- the line ------------------------------------------------------------------------------
 */

/* MATRIX with ROWS rows: the same entries in order, other dimensions. */
static struct ks_matrix reshaped(const struct ks_matrix *matrix, size_t rows)
{
    struct ks_matrix view = *matrix;

    view.rows = rows;
    view.cols = matrix->rows * matrix->cols / rows;
    return view;
}

static void set_place(struct state *state, size_t place, struct ks_matrix *tensor)
{
    ks_matrix_drop(state->context->budget, &state->places[place]);
    state->places[place] = *tensor;
    *tensor = (struct ks_matrix){0};
}

static enum ks_err factor(struct state *state, const struct ks_matrix *matrix,
                          struct ks_matrix *out_left, struct ks_matrix *out_right)
{
    double discarded = 0;
    const enum ks_err err = ks_matrix_factor(state->context->budget, matrix, &state->truncation,
                                             out_left, out_right, &discarded);

    if (err == KS_OK) {
        state->discarded += discarded;
        state->bond = out_right->rows > state->bond ? out_right->rows : state->bond;
    }
    return err;
}

/* Moves the centre one place to the left. */
static enum ks_err move_left(struct state *state)
{
    struct ks_budget *budget = state->context->budget;
    const size_t at = state->centre;
    const struct ks_matrix wide = reshaped(&state->places[at], state->places[at].rows / 2);
    struct ks_matrix left = {0};
    struct ks_matrix right = {0};
    struct ks_matrix product = {0};
    struct ks_matrix tensor;
    enum ks_err err = KS_OK;

    KS_TRY(factor(state, &wide, &left, &right));
    KS_TRY(ks_matrix_multiply(budget, &state->places[at - 1], &left, &product));
    tensor = reshaped(&right, 2 * right.rows);
    right = (struct ks_matrix){0};
    set_place(state, at, &tensor);
    set_place(state, at - 1, &product);
    state->centre--;
out:
    ks_matrix_drop(budget, &left);
    ks_matrix_drop(budget, &right);
    ks_matrix_drop(budget, &product);
    return err;
}

/* Moves the centre one place to the right: the same on the transposed tensor. */
static enum ks_err move_right(struct state *state)
{
    struct ks_budget *budget = state->context->budget;
    const size_t at = state->centre;
    const struct ks_matrix next =
        reshaped(&state->places[at + 1], state->places[at + 1].rows / 2);
    struct ks_matrix turned = {0};
    struct ks_matrix left = {0};
    struct ks_matrix right = {0};
    struct ks_matrix rest = {0};
    struct ks_matrix product = {0};
    struct ks_matrix tensor;
    enum ks_err err = KS_OK;

    KS_TRY(ks_matrix_transpose(budget, &state->places[at], &turned));
    KS_TRY(factor(state, &turned, &left, &right));
    KS_TRY(ks_matrix_transpose(budget, &left, &rest));
    KS_TRY(ks_matrix_multiply(budget, &rest, &next, &product));
    ks_matrix_drop(budget, &left);
    KS_TRY(ks_matrix_transpose(budget, &right, &left));
    tensor = reshaped(&product, 2 * product.rows);
    product = (struct ks_matrix){0};
    set_place(state, at + 1, &tensor);
    set_place(state, at, &left);
    state->centre++;
out:
    ks_matrix_drop(budget, &turned);
    ks_matrix_drop(budget, &left);
    ks_matrix_drop(budget, &right);
    ks_matrix_drop(budget, &rest);
    ks_matrix_drop(budget, &product);
    return err;
}

/* Moves the centre to the nearest of the places FIRST to LAST. */
static enum ks_err move_centre(struct state *state, size_t first, size_t last)
{
    enum ks_err err = KS_OK;

    while (state->centre < first) {
        KS_TRY(move_right(state));
    }
    while (state->centre > last) {
        KS_TRY(move_left(state));
    }
out:
    return err;
}

/* --- gates ---------------------------------------------------------------------------------
 */

/* A gate on COUNT qubits side by side: entry (row, column) re, im; the first place is the
 * highest bit. */
struct gate_matrix {
    unsigned count;
    double entries[BASIS_MAX][BASIS_MAX][2];
};

/* The middle dimension of TENSOR, 2^COUNT after LEFT, goes through the gate. */
static enum ks_err apply_middle(struct state *state, struct ks_matrix *tensor, size_t left,
                                const struct gate_matrix *gate)
{
    struct ks_budget *budget = state->context->budget;
    const size_t basis = (size_t)1 << gate->count;
    const size_t right = tensor->rows * tensor->cols / left / basis;
    struct ks_matrix result = {0};
    enum ks_err err = KS_OK;

    KS_TRY(ks_matrix_new(budget, tensor->rows, tensor->cols, &result));
    KS_TRY(ks_budget_spend(budget, 4 * basis * tensor->rows * tensor->cols));
    for (size_t l = 0; l < left; l++) {
        for (size_t row = 0; row < basis; row++) {
            const size_t target = (l * basis + row) * right;

            for (size_t column = 0; column < basis; column++) {
                const double re = gate->entries[row][column][0];
                const double im = gate->entries[row][column][1];
                const size_t source = (l * basis + column) * right;

                for (size_t r = 0; (re != 0 || im != 0) && r < right; r++) {
                    const double x = tensor->re[source + r];
                    const double y = tensor->im[source + r];

                    result.re[target + r] += re * x - im * y;
                    result.im[target + r] += re * y + im * x;
                }
            }
        }
    }
    ks_matrix_drop(budget, tensor);
    *tensor = result;
    result = (struct ks_matrix){0}; /* transferred */
out:
    ks_matrix_drop(budget, &result);
    return err;
}

/* The gate on the places from FIRST on; the centre is at FIRST after it. */
static enum ks_err apply_side_by_side(struct state *state, size_t first,
                                      const struct gate_matrix *gate)
{
    struct ks_budget *budget = state->context->budget;
    struct ks_matrix theta = {0};
    struct ks_matrix left = {0};
    struct ks_matrix right = {0};
    enum ks_err err = KS_OK;
    size_t left_bond = 0;

    KS_TRY(move_centre(state, first, first + gate->count - 1));
    left_bond = state->places[first].rows / 2; /* moving may have lowered it */
    KS_TRY(ks_matrix_transpose(budget, &state->places[first], &left));
    KS_TRY(ks_matrix_transpose(budget, &left, &theta));
    ks_matrix_drop(budget, &left);
    for (size_t i = 1; i < gate->count; i++) {
        const struct ks_matrix *place = &state->places[first + i];
        const struct ks_matrix next = reshaped(place, place->rows / 2);
        const size_t rows = theta.rows;

        KS_TRY(ks_matrix_multiply(budget, &theta, &next, &left));
        ks_matrix_drop(budget, &theta);
        theta = reshaped(&left, 2 * rows);
        left = (struct ks_matrix){0};
    }
    KS_TRY(apply_middle(state, &theta, left_bond, gate));
    for (size_t i = gate->count; i-- > 1;) {
        const struct ks_matrix wide = reshaped(&theta, left_bond << i);
        struct ks_matrix tensor;

        KS_TRY(factor(state, &wide, &left, &right));
        tensor = reshaped(&right, 2 * right.rows);
        right = (struct ks_matrix){0};
        set_place(state, first + i, &tensor);
        ks_matrix_drop(budget, &theta);
        theta = left;
        left = (struct ks_matrix){0};
    }
    set_place(state, first, &theta);
    state->centre = first;
out:
    ks_matrix_drop(budget, &theta);
    ks_matrix_drop(budget, &left);
    ks_matrix_drop(budget, &right);
    return err;
}

static void exchange(struct state *state, size_t a, size_t b)
{
    const uint32_t qubit = state->qubit_at[a];

    state->qubit_at[a] = state->qubit_at[b];
    state->qubit_at[b] = qubit;
    state->place_of[state->qubit_at[a]] = (uint32_t)a;
    state->place_of[state->qubit_at[b]] = (uint32_t)b;
}

/* Brings the qubit at place FROM to place TO. */
static enum ks_err bring(struct state *state, size_t from, size_t to)
{
    static const struct gate_matrix swap = {
        .count = 2,
        .entries = {{{1, 0}},
                    {{0, 0}, {0, 0}, {1, 0}},
                    {{0, 0}, {1, 0}},
                    {{0, 0}, {0, 0}, {0, 0}, {1, 0}}},
    };
    enum ks_err err = KS_OK;

    for (size_t at = from; at > to; at--) {
        KS_TRY(apply_side_by_side(state, at - 1, &swap));
        exchange(state, at - 1, at);
    }
    for (size_t at = from; at < to; at++) {
        KS_TRY(apply_side_by_side(state, at, &swap));
        exchange(state, at, at + 1);
    }
out:
    return err;
}

/* The bit of basis state INDEX that belongs to operand I of OP. */
static bool operand_bit(const struct gate_matrix *gate, const unsigned *order, unsigned i,
                        size_t index)
{
    return (index >> (gate->count - 1 - order[i]) & 1) != 0;
}

static size_t flipped(const struct gate_matrix *gate, const unsigned *order, unsigned i,
                      size_t index)
{
    return index ^ (size_t)1 << (gate->count - 1 - order[i]);
}

static void set_entry(struct gate_matrix *gate, size_t row, size_t column, const double *value)
{
    gate->entries[row][column][0] = value[0];
    gate->entries[row][column][1] = value[1];
}

/* Column COLUMN of the gate that is no controlled one on a single qubit. */
static void set_special(const struct ks_op *op, const double *params, const unsigned *order,
                        size_t column, struct gate_matrix *gate)
{
    static const double one[2] = {1, 0};
    const enum ks_gate kind = (enum ks_gate)op->gate;
    const unsigned last = gate->count - 1;
    const bool first = operand_bit(gate, order, last - 1, column);
    const bool second = operand_bit(gate, order, last, column);
    const size_t both = flipped(gate, order, last - 1, flipped(gate, order, last, column));
    const struct ks_op single = {.gate = kind == KS_GATE_RXX ? KS_GATE_RX : KS_GATE_CRZ};
    double m[8];

    if (kind == KS_GATE_SWAP || kind == KS_GATE_CSWAP) {
        const bool swaps =
            first != second && (kind == KS_GATE_SWAP || operand_bit(gate, order, 0, column));

        set_entry(gate, swaps ? both : column, column, one);
        return;
    }
    ks_gate_matrix(&single, params, m);
    if (kind == KS_GATE_RXX) {
        set_entry(gate, column, column, m);
        set_entry(gate, both, column, m + 2);
    } else {
        set_entry(gate, column, column, first != second ? m + 6 : m);
    }
}

/* ORDER: for each operand of OP, which of the places side by side it stands at. */
static void gate_matrix_of(const struct ks_op *op, const double *params, const unsigned *order,
                           struct gate_matrix *gate)
{
    static const double one[2] = {1, 0};
    const enum ks_gate kind = (enum ks_gate)op->gate;
    const unsigned last = gate->count - 1;
    const bool special = kind == KS_GATE_SWAP || kind == KS_GATE_CSWAP || kind == KS_GATE_RXX ||
                         kind == KS_GATE_RZZ;
    double m[8];

    if (!special) {
        ks_gate_matrix(op, params, m);
    }
    for (size_t column = 0; column < (size_t)1 << gate->count; column++) {
        const bool bit = operand_bit(gate, order, last, column);
        bool controlled = true;

        for (unsigned i = 0; i < last; i++) {
            controlled = controlled && operand_bit(gate, order, i, column);
        }
        if (special) {
            set_special(op, params, order, column, gate);
        } else if (!controlled) {
            set_entry(gate, column, column, one);
        } else {
            set_entry(gate, column, column, m + 4 * bit + 2 * bit);
            set_entry(gate, flipped(gate, order, last, column), column, m + 4 * !bit + 2 * bit);
        }
    }
}

/* Brings the COUNT qubits of OP side by side; *OUT_FIRST is where they begin, ORDER as above.
 * Of two, the one that meets more others moves; of three, those at the ends do. */
static enum ks_err gather(struct state *state, const struct ks_op *op, unsigned count,
                          unsigned *order, size_t *out_first)
{
    enum ks_err err = KS_OK;
    uint32_t line[PLACES_MAX]; /* the qubits as they stand */
    size_t first;

    for (unsigned i = 0; i < count; i++) {
        unsigned at = i;

        for (; at > 0 && state->place_of[line[at - 1]] > state->place_of[op->qubits[i]]; at--) {
            line[at] = line[at - 1];
        }
        line[at] = op->qubits[i];
    }
    if (count == 3 || state->degrees[line[0]] > state->degrees[line[1]]) {
        KS_TRY(bring(state, state->place_of[line[0]], state->place_of[line[1]] - 1));
    }
    for (unsigned i = 1; i < count; i++) {
        KS_TRY(bring(state, state->place_of[line[i]], state->place_of[line[i - 1]] + 1));
    }
    first = state->place_of[line[0]];
    for (unsigned i = 0; i < count; i++) {
        order[i] = (unsigned)(state->place_of[op->qubits[i]] - first);
    }
    *out_first = first;
out:
    return err;
}

static enum ks_err gate(void *context, const struct ks_op *op)
{
    struct state *state = context;
    const unsigned count = ks_gate_info((enum ks_gate)op->gate)->qubits;
    const double *params = ks_op_params(state->context->circuit, op);
    enum ks_err err = KS_OK;
    struct gate_matrix matrix = {.count = count};
    unsigned order[PLACES_MAX] = {0};
    size_t first = 0;

    if (op->gate == KS_GATE_SWAP) {
        exchange(state, state->place_of[op->qubits[0]], state->place_of[op->qubits[1]]);
        return KS_OK;
    }
    if (count == 1) {
        struct ks_matrix *place = &state->places[state->place_of[op->qubits[0]]];

        gate_matrix_of(op, params, order, &matrix);
        return apply_middle(state, place, place->rows / 2, &matrix);
    }
    KS_TRY(gather(state, op, count, order, &first));
    gate_matrix_of(op, params, order, &matrix);
    KS_TRY(apply_side_by_side(state, first, &matrix));
out:
    return err;
}

/* --- measurement ---------------------------------------------------------------------------
 */

static enum ks_err weigh(void *context, uint32_t qubit, double *out_p1)
{
    struct state *state = context;
    const size_t place = state->place_of[qubit];
    const struct ks_matrix *tensor = &state->places[place];
    enum ks_err err = KS_OK;
    double weights[2] = {0, 0};

    KS_TRY(move_centre(state, place, place));
    for (size_t row = 0; row < tensor->rows; row++) {
        for (size_t i = row * tensor->cols; i < (row + 1) * tensor->cols; i++) {
            weights[row % 2] += tensor->re[i] * tensor->re[i] + tensor->im[i] * tensor->im[i];
        }
    }
    KS_CHECK(weights[0] + weights[1] > 0, KS_ERR_INTERNAL, "the state has no amplitude left");
    *out_p1 = weights[1] / (weights[0] + weights[1]);
out:
    return err;
}

/* weigh has moved the centre to QUBIT. */
static enum ks_err collapse(void *context, uint32_t qubit, bool outcome, double probability)
{
    struct state *state = context;
    const size_t place = state->place_of[qubit];
    const struct ks_matrix *tensor = &state->places[place];
    const double scale = 1 / __builtin_sqrt(probability);
    enum ks_err err = KS_OK;

    KS_TRY(move_centre(state, place, place));
    for (size_t row = 0; row < tensor->rows; row++) {
        const double factor_of_row = (row % 2 != 0) == outcome ? scale : 0;

        for (size_t i = row * tensor->cols; i < (row + 1) * tensor->cols; i++) {
            tensor->re[i] *= factor_of_row;
            tensor->im[i] *= factor_of_row;
        }
    }
out:
    return err;
}

/* --- sampling ------------------------------------------------------------------------------
 */

/* Shots that have drawn the same so far walk together; where they part, those that drew 1
 * wait. */
struct waiting {
    size_t first; /* shots [first, end) */
    size_t end;
};

struct walk {
    const struct state *state;
    struct ks_sampling *sampling;
    size_t places;               /* that are looked at */
    size_t width;                /* of a vector: the largest bond */
    struct ks_matrix vectors[2]; /* by place: what the line up to it makes of 0 and of 1 */
    struct waiting *waiting;     /* by place */
    uint64_t *bits;              /* by qubit */
};

/* VECTORS[b] at PLACE from the one that came in, which is VECTORS[bit] at PLACE - 1;
 * OUT_WEIGHTS are their squares. */
static void extend(const struct walk *walk, size_t place, unsigned bit, double out_weights[2])
{
    static const double one = 1;
    static const double zero = 0;
    const struct ks_matrix *tensor = &walk->state->places[place];
    const size_t width = walk->width;
    const double *in_re = place == 0 ? &one : walk->vectors[bit].re + (place - 1) * width;
    const double *in_im = place == 0 ? &zero : walk->vectors[bit].im + (place - 1) * width;

    for (unsigned b = 0; b < 2; b++) {
        double *re = walk->vectors[b].re + place * width;
        double *im = walk->vectors[b].im + place * width;

        ks_zero(re, tensor->cols * sizeof *re);
        ks_zero(im, tensor->cols * sizeof *im);
        for (size_t row = b; row < tensor->rows; row += 2) {
            const double *tensor_re = tensor->re + row * tensor->cols;
            const double *tensor_im = tensor->im + row * tensor->cols;
            const double x = in_re[row / 2];
            const double y = in_im[row / 2];

            for (size_t i = 0; i < tensor->cols; i++) {
                re[i] += x * tensor_re[i] - y * tensor_im[i];
                im[i] += x * tensor_im[i] + y * tensor_re[i];
            }
        }
        out_weights[b] = 0;
        for (size_t i = 0; i < tensor->cols; i++) {
            out_weights[b] += re[i] * re[i] + im[i] * im[i];
        }
    }
}

static void scale_vector(const struct walk *walk, size_t place, unsigned bit, double weight)
{
    const size_t cols = walk->state->places[place].cols;
    const double scale = weight > 0 ? 1 / __builtin_sqrt(weight) : 0;

    for (size_t i = place * walk->width; i < place * walk->width + cols; i++) {
        walk->vectors[bit].re[i] *= scale;
        walk->vectors[bit].im[i] *= scale;
    }
}

/* Moves the shots that draw 1 at PLACE behind the others; returns where they begin. */
static size_t part(const struct walk *walk, size_t place, const struct waiting *group,
                   double p1)
{
    const struct ks_sampling *sampling = walk->sampling;
    size_t middle = group->first;

    for (size_t i = group->first; i < group->end; i++) {
        const uint32_t shot = sampling->shots[i];
        const uint64_t draw = ks_philox_draw(sampling->seed, shot,
                                             sampling->draws + (uint32_t)place, KS_DRAW_SAMPLE);

        if ((double)draw * (1.0 / ((uint64_t)1 << KS_DRAW_BITS)) >= p1) {
            sampling->shots[i] = sampling->shots[middle];
            sampling->shots[middle++] = shot;
        }
    }
    return middle;
}

/* Follows GROUP from *PLACE on, where it came with BIT, to the end of the line. */
static void follow(const struct walk *walk, size_t from, struct waiting *group, unsigned bit)
{
    for (size_t place = from; place < walk->places; place++) {
        double weights[2];
        size_t middle;

        extend(walk, place, bit, weights);
        middle = part(walk, place, group, weights[1] / (weights[0] + weights[1]));
        scale_vector(walk, place, 0, weights[0]);
        scale_vector(walk, place, 1, weights[1]);
        bit = middle == group->first;
        walk->waiting[place] = (struct waiting){0};
        if (middle > group->first && middle < group->end) {
            walk->waiting[place] = (struct waiting){middle, group->end};
            group->end = middle;
        }
        ks_bit_set(walk->bits, walk->state->qubit_at[place], bit != 0);
    }
}

static enum ks_err walk_all(const struct walk *walk)
{
    struct waiting group = {0, walk->sampling->shot_count};
    enum ks_err err = KS_OK;
    size_t place = 0;
    bool more = true;

    follow(walk, 0, &group, 0);
    while (more) {
        KS_TRY(ks_sampling_add(walk->sampling, walk->bits, group.end - group.first));
        place = walk->places;
        while (place > 0 && walk->waiting[place - 1].end == 0) {
            place--;
        }
        more = place > 0;
        if (more) {
            group = walk->waiting[place - 1];
            walk->waiting[place - 1] = (struct waiting){0};
            ks_bit_set(walk->bits, walk->state->qubit_at[place - 1], true);
            follow(walk, place, &group, 1);
        }
    }
out:
    return err;
}

static enum ks_err sample(void *context, struct ks_sampling *sampling)
{
    struct state *state = context;
    struct ks_budget *budget = state->context->budget;
    struct walk walk = {.state = state, .sampling = sampling};
    enum ks_err err = KS_OK;

    KS_TRY(move_centre(state, 0, 0));
    for (size_t i = 0; i < state->count; i++) {
        const size_t cols = state->places[i].cols;

        walk.width = cols > walk.width ? cols : walk.width;
        walk.places = ks_bit(sampling->wanted, state->qubit_at[i]) ? i + 1 : walk.places;
    }
    walk.waiting = ks_calloc(walk.places, sizeof *walk.waiting);
    walk.bits = ks_calloc(state->count / 64 + 1, sizeof *walk.bits);
    KS_CHECK(walk.waiting != NULL && walk.bits != NULL, KS_ERR_NOMEM, "no memory for shots");
    for (unsigned b = 0; b < 2; b++) {
        KS_TRY(ks_matrix_new(budget, walk.places, walk.width, &walk.vectors[b]));
    }
    KS_TRY(walk_all(&walk));
out:
    ks_matrix_drop(budget, &walk.vectors[0]);
    ks_matrix_drop(budget, &walk.vectors[1]);
    ks_free(walk.waiting);
    ks_free(walk.bits);
    return err;
}

static void report(const void *context, struct ks_simulate_facts *facts)
{
    const struct state *state = context;

    facts->bond = state->bond > facts->bond ? (uint32_t)state->bond : facts->bond;
    facts->discarded_weight =
        state->discarded > facts->discarded_weight ? state->discarded : facts->discarded_weight;
}

const struct ks_engine ks_mps_engine = {
    .method = KS_METHOD_MPS,
    .create = create,
    .destroy = destroy,
    .copy = copy,
    .gate = gate,
    .weigh = weigh,
    .collapse = collapse,
    .sample = sample,
    .report = report,
};
