/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/factor.h"

#define LANES      4 /* sums that run side by side, added up in order */
#define SWEEPS_MAX 60
/* Rows whose inner product is smaller than this part of their lengths are orthogonal. */
#define ORTHOGONAL 0x1p-49
/* Part of the cutoff that the elimination may take before the rotations look. */
#define ELIMINATED (1.0 / 1024)

/* --- matrices ----------------------------------------------------------------------------- */

enum ks_err ks_matrix_new(struct ks_budget *budget, size_t rows, size_t cols,
                          struct ks_matrix *out_matrix)
{
    const size_t count = cols != 0 && rows > SIZE_MAX / 4 / cols ? SIZE_MAX / 2 : rows * cols;
    void *memory = NULL;
    const enum ks_err err =
        ks_budget_new(budget, count, 2 * sizeof(double), "matrix product states", &memory);

    if (err == KS_OK) {
        *out_matrix = (struct ks_matrix){
            .re = memory, .im = (double *)memory + count, .rows = rows, .cols = cols};
    }
    return err;
}

void ks_matrix_drop(struct ks_budget *budget, struct ks_matrix *matrix)
{
    ks_budget_drop(budget, matrix->re, matrix->rows * matrix->cols, 2 * sizeof(double));
    *matrix = (struct ks_matrix){0};
}

/* TARGET += (RE + i IM) SOURCE, COUNT entries. */
static void add_multiple(double *target_re, double *target_im, const double *source_re,
                         const double *source_im, const double factor[2], size_t count)
{
    const double re = factor[0];
    const double im = factor[1];

    for (size_t i = 0; i < count; i++) {
        const double x = source_re[i];
        const double y = source_im[i];

        target_re[i] += re * x - im * y;
        target_im[i] += re * y + im * x;
    }
}

enum ks_err ks_matrix_multiply(struct ks_budget *budget, const struct ks_matrix *a,
                               const struct ks_matrix *b, struct ks_matrix *out_product)
{
    struct ks_matrix product = {0};
    enum ks_err err = KS_OK;

    KS_ASSERT(a->cols == b->rows);
    KS_TRY(ks_budget_spend(budget, 4 * a->rows * a->cols * b->cols));
    KS_TRY(ks_matrix_new(budget, a->rows, b->cols, &product));
    for (size_t i = 0; i < a->rows; i++) {
        KS_TRY(ks_budget_go_on(budget));
        for (size_t k = 0; k < a->cols; k++) {
            const double factor[2] = {a->re[i * a->cols + k], a->im[i * a->cols + k]};

            add_multiple(product.re + i * b->cols, product.im + i * b->cols,
                         b->re + k * b->cols, b->im + k * b->cols, factor, b->cols);
        }
    }
    *out_product = product;
    product = (struct ks_matrix){0};
out:
    ks_matrix_drop(budget, &product);
    return err;
}

enum ks_err ks_matrix_transpose(struct ks_budget *budget, const struct ks_matrix *a,
                                struct ks_matrix *out_transposed)
{
    struct ks_matrix transposed = {0};
    const enum ks_err err = ks_matrix_new(budget, a->cols, a->rows, &transposed);

    if (err != KS_OK) {
        return err;
    }
    for (size_t i = 0; i < a->rows; i++) {
        for (size_t k = 0; k < a->cols; k++) {
            transposed.re[k * a->rows + i] = a->re[i * a->cols + k];
            transposed.im[k * a->rows + i] = a->im[i * a->cols + k];
        }
    }
    *out_transposed = transposed;
    return KS_OK;
}

/* --- elimination -------------------------------------------------------------------------- */

/* The sum of A conj(B) over COUNT entries. */
static void inner(const double *a_re, const double *a_im, const double *b_re,
                  const double *b_im, size_t count, double out[2])
{
    double re[LANES] = {0};
    double im[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            re[lane] += a_re[i + lane] * b_re[i + lane] + a_im[i + lane] * b_im[i + lane];
            im[lane] += a_im[i + lane] * b_re[i + lane] - a_re[i + lane] * b_im[i + lane];
        }
    }
    for (; i < count; i++) {
        re[0] += a_re[i] * b_re[i] + a_im[i] * b_im[i];
        im[0] += a_im[i] * b_re[i] - a_re[i] * b_im[i];
    }
    out[0] = (re[0] + re[1]) + (re[2] + re[3]);
    out[1] = (im[0] + im[1]) + (im[2] + im[3]);
}

/* The sum of squares of each column of A. */
static double column_squares(const struct ks_matrix *a, double *squares)
{
    double sum = 0;

    ks_zero(squares, a->cols * sizeof *squares);
    for (size_t i = 0; i < a->rows; i++) {
        const double *re = a->re + i * a->cols;
        const double *im = a->im + i * a->cols;

        for (size_t k = 0; k < a->cols; k++) {
            squares[k] += re[k] * re[k] + im[k] * im[k];
        }
    }
    for (size_t k = 0; k < a->cols; k++) {
        sum += squares[k];
    }
    return sum;
}

/* Row RANK of ROWS becomes what column PIVOT, normalised, has of each column of A, and A loses
 * it. */
static void eliminate(struct ks_matrix *a, struct ks_matrix *rows, size_t rank, size_t pivot,
                      double square)
{
    const double scale = 1 / __builtin_sqrt(square);
    double *re = rows->re + rank * a->cols;
    double *im = rows->im + rank * a->cols;

    for (size_t i = 0; i < a->rows; i++) {
        const size_t at = i * a->cols;
        const double adjoint[2] = {a->re[at + pivot] * scale, -a->im[at + pivot] * scale};

        add_multiple(re, im, a->re + at, a->im + at, adjoint, a->cols);
    }
    for (size_t i = 0; i < a->rows; i++) {
        const size_t at = i * a->cols;
        const double minus[2] = {-a->re[at + pivot] * scale, -a->im[at + pivot] * scale};

        add_multiple(a->re + at, a->im + at, re, im, minus, a->cols);
        a->re[at + pivot] = 0;
        a->im[at + pivot] = 0;
    }
}

/* Rows that span those of A, which is used up: A = Q ROWS for some Q with orthonormal columns,
 * but for *OUT_REST of the sum of squares, which is at most REST_MAX of it. */
static enum ks_err find_rows(struct ks_budget *budget, struct ks_matrix *a, double rest_max,
                             struct ks_matrix *rows, size_t *out_rank, double *out_rest)
{
    const size_t rank_max = a->rows < a->cols ? a->rows : a->cols;
    enum ks_err err = KS_OK;
    double *squares = NULL;
    double total = 0;
    double rest = 0;
    size_t rank = 0;

    squares = ks_calloc(a->cols, sizeof *squares);
    KS_CHECK(squares != NULL, KS_ERR_NOMEM, "no memory for %zu columns", a->cols);
    total = column_squares(a, squares);
    rest = total;
    while (rank < rank_max && rest > rest_max * total) {
        size_t pivot = 0;

        for (size_t k = 1; k < a->cols; k++) {
            pivot = squares[k] > squares[pivot] ? k : pivot;
        }
        eliminate(a, rows, rank++, pivot, squares[pivot]);
        rest = column_squares(a, squares);
        KS_TRY(ks_budget_spend(budget, 10 * a->rows * a->cols));
    }
    *out_rank = rank;
    *out_rest = rank == rank_max ? 0 : rest;
out:
    ks_free(squares);
    return err;
}

/* --- rotations ---------------------------------------------------------------------------- */

/* Turns rows A and B of COUNT entries, whose inner product is G and squares are in SQUARES, so
 * that they are orthogonal. */
static void rotate(const struct ks_matrix *m, size_t a, size_t b, const double g[2],
                   double *squares)
{
    const double length = __builtin_sqrt(g[0] * g[0] + g[1] * g[1]);
    const double zeta = (squares[b] - squares[a]) / (2 * length);
    const double root = __builtin_sqrt(1 + zeta * zeta);
    const double t = zeta >= 0 ? 1 / (zeta + root) : -1 / (root - zeta);
    const double c = 1 / __builtin_sqrt(1 + t * t);
    const double s = c * t;
    const double phase_re = g[0] / length;
    const double phase_im = g[1] / length;
    double *a_re = m->re + a * m->cols;
    double *a_im = m->im + a * m->cols;
    double *b_re = m->re + b * m->cols;
    double *b_im = m->im + b * m->cols;

    for (size_t i = 0; i < m->cols; i++) {
        const double turned_re = phase_re * b_re[i] - phase_im * b_im[i];
        const double turned_im = phase_re * b_im[i] + phase_im * b_re[i];
        const double x = a_re[i];
        const double y = a_im[i];

        a_re[i] = c * x - s * turned_re;
        a_im[i] = c * y - s * turned_im;
        b_re[i] = s * x + c * turned_re;
        b_im[i] = s * y + c * turned_im;
    }
    squares[a] -= t * length;
    squares[b] += t * length;
}

static void row_squares(const struct ks_matrix *m, size_t rank, double *squares)
{
    for (size_t i = 0; i < rank; i++) {
        const double *re = m->re + i * m->cols;
        const double *im = m->im + i * m->cols;
        double sum[2];

        inner(re, im, re, im, m->cols, sum);
        squares[i] = sum[0];
    }
}

/* One round over all pairs of the first RANK rows; *OUT_TURNED is whether any was turned. */
static enum ks_err sweep(const struct ks_budget *budget, const struct ks_matrix *m, size_t rank,
                         double *squares, bool *out_turned)
{
    bool turned = false;
    enum ks_err err = KS_OK;

    row_squares(m, rank, squares);
    for (size_t a = 0; a + 1 < rank; a++) {
        KS_TRY(ks_budget_go_on(budget));
        for (size_t b = a + 1; b < rank; b++) {
            double g[2];
            double square;

            inner(m->re + a * m->cols, m->im + a * m->cols, m->re + b * m->cols,
                  m->im + b * m->cols, m->cols, g);
            square = g[0] * g[0] + g[1] * g[1];
            /* Squares are kept up to date, and may be rounded below zero until the next round.
             */
            if (square > 0 && square > ORTHOGONAL * ORTHOGONAL * squares[a] * squares[b]) {
                rotate(m, a, b, g, squares);
                turned = true;
            }
        }
    }
    *out_turned = turned;
out:
    return err;
}

static enum ks_err orthogonalise(struct ks_budget *budget, const struct ks_matrix *m,
                                 size_t rank, double *squares)
{
    enum ks_err err = KS_OK;
    unsigned rounds = 0;
    bool turned = rank > 1;

    while (turned && rounds < SWEEPS_MAX) {
        KS_TRY(sweep(budget, m, rank, squares, &turned));
        if (turned) {
            KS_TRY(ks_budget_spend(budget, 8 * rank * rank * m->cols));
            rounds++;
        }
    }
    KS_CHECK(rounds < SWEEPS_MAX, KS_ERR_INTERNAL, "%zu rows do not become orthogonal", rank);
    row_squares(m, rank, squares);
out:
    return err;
}

/* --- truncation --------------------------------------------------------------------------- */

/* ORDER of the RANK rows, longest first; equal ones stay in order. */
static void sort_rows(const double *squares, size_t rank, size_t *order)
{
    for (size_t i = 0; i < rank; i++) {
        size_t at = i;

        for (; at > 0 && squares[order[at - 1]] < squares[i]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
}

/* How many of the rows are kept, and the share of the whole, REST included, that is not. */
static size_t kept_count(const double *squares, const size_t *order, size_t rank, double rest,
                         const struct ks_truncation *truncation, double *out_discarded)
{
    const double cutoff =
        truncation->cutoff > KS_CUTOFF_MIN ? truncation->cutoff : KS_CUTOFF_MIN;
    double total = rest;
    double left_out = rest;
    size_t kept = rank;

    for (size_t i = rank; i-- > 0;) {
        total += squares[order[i]];
    }
    while (kept > 1 && (kept > truncation->rank_max ||
                        left_out + squares[order[kept - 1]] <= cutoff * total)) {
        left_out += squares[order[--kept]];
    }
    *out_discarded = left_out / total;
    return kept;
}

/* LEFT = A times the adjoint of RIGHT, times SCALE. */
static void project(const struct ks_matrix *a, const struct ks_matrix *right, double scale,
                    const struct ks_matrix *left)
{
    for (size_t i = 0; i < a->rows; i++) {
        for (size_t k = 0; k < right->rows; k++) {
            double sum[2];

            inner(a->re + i * a->cols, a->im + i * a->cols, right->re + k * a->cols,
                  right->im + k * a->cols, a->cols, sum);
            left->re[i * right->rows + k] = sum[0] * scale;
            left->im[i * right->rows + k] = sum[1] * scale;
        }
    }
}

/* The first KEPT of ORDER, normalised. */
static void normalise(const struct ks_matrix *rows, const double *squares, const size_t *order,
                      const struct ks_matrix *right)
{
    for (size_t k = 0; k < right->rows; k++) {
        const double scale = 1 / __builtin_sqrt(squares[order[k]]);

        for (size_t i = 0; i < right->cols; i++) {
            right->re[k * right->cols + i] = rows->re[order[k] * right->cols + i] * scale;
            right->im[k * right->cols + i] = rows->im[order[k] * right->cols + i] * scale;
        }
    }
}

enum ks_err ks_matrix_factor(struct ks_budget *budget, const struct ks_matrix *matrix,
                             const struct ks_truncation *truncation, struct ks_matrix *out_left,
                             struct ks_matrix *out_right, double *out_discarded)
{
    const size_t rank_max = matrix->rows < matrix->cols ? matrix->rows : matrix->cols;
    const double rest_max = truncation->cutoff * ELIMINATED > KS_CUTOFF_MIN
                                ? truncation->cutoff * ELIMINATED
                                : KS_CUTOFF_MIN;
    struct ks_matrix work = {0};
    struct ks_matrix rows = {0};
    struct ks_matrix left = {0};
    struct ks_matrix right = {0};
    double *squares = ks_calloc(rank_max, sizeof *squares);
    size_t *order = ks_calloc(rank_max, sizeof *order);
    enum ks_err err = KS_OK;
    double discarded = 0;
    double rest = 0;
    size_t rank = 0;
    size_t kept = 0;

    KS_CHECK(squares != NULL && order != NULL, KS_ERR_NOMEM, "no memory for %zu rows",
             rank_max);
    KS_TRY(ks_matrix_new(budget, matrix->rows, matrix->cols, &work));
    ks_copy(work.re, matrix->re, 2 * matrix->rows * matrix->cols * sizeof *work.re);
    KS_TRY(ks_matrix_new(budget, rank_max, matrix->cols, &rows));
    KS_TRY(find_rows(budget, &work, rest_max, &rows, &rank, &rest));
    KS_CHECK(rank > 0, KS_ERR_INTERNAL, "the state has no amplitude left");
    KS_TRY(orthogonalise(budget, &rows, rank, squares));
    sort_rows(squares, rank, order);
    kept = kept_count(squares, order, rank, rest, truncation, &discarded);
    KS_TRY(ks_matrix_new(budget, kept, matrix->cols, &right));
    normalise(&rows, squares, order, &right);
    KS_TRY(ks_matrix_new(budget, matrix->rows, kept, &left));
    KS_TRY(ks_budget_spend(budget, 4 * matrix->rows * matrix->cols * kept));
    project(matrix, &right, 1 / __builtin_sqrt(1 - discarded), &left);
    *out_left = left;
    *out_right = right;
    *out_discarded = discarded;
    left = (struct ks_matrix){0};
    right = (struct ks_matrix){0};
out:
    ks_matrix_drop(budget, &work);
    ks_matrix_drop(budget, &rows);
    ks_matrix_drop(budget, &left);
    ks_matrix_drop(budget, &right);
    ks_free(squares);
    ks_free(order);
    return err;
}
