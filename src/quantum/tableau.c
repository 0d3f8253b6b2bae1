/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/tableau.h"

#include "quantum/engine.h"

#define LANES 4 /* words that the loops over lines take at once */

static size_t words_of(uint32_t qubits)
{
    const size_t words = ((size_t)qubits + 63) / 64;

    return (words + LANES - 1) / LANES * LANES;
}

uint64_t ks_tableau_bytes(uint32_t qubits)
{
    const uint64_t words = words_of(qubits);

    return (KS_PLANES * 64 * words * words + (2 + 32) * words) * sizeof(uint64_t);
}

static void place(struct ks_tableau *tableau, void *memory)
{
    uint64_t *at = memory;

    for (unsigned plane = 0; plane < KS_PLANES; plane++) {
        tableau->planes[plane] = at;
        at += tableau->side * tableau->words;
    }
    tableau->signs[0] = at;
    tableau->signs[1] = at + tableau->words;
    tableau->list = (uint32_t *)(at + 2 * tableau->words);
}

void ks_tableau_init(struct ks_tableau *tableau, uint32_t qubits, void *memory)
{
    const size_t words = words_of(qubits);

    *tableau = (struct ks_tableau){.qubits = qubits, .side = 64 * words, .words = words};
    place(tableau, memory);
    for (size_t q = 0; q < tableau->side; q++) {
        ks_bit_set(tableau->planes[KS_PLANE_XX] + q * words, q, true);
        ks_bit_set(tableau->planes[KS_PLANE_ZZ] + q * words, q, true);
    }
}

void ks_tableau_copy(struct ks_tableau *target, const struct ks_tableau *source)
{
    uint64_t *const memory = target->planes[0];

    *target = *source;
    place(target, memory);
    ks_copy(memory, source->planes[0], (size_t)ks_tableau_bytes(source->qubits));
}

/* --- transposition ------------------------------------------------------------------------ */

/* Swaps the bits of MASK << HALF in the first HALF rows with those of MASK in the others. */
static void swap_halves(uint64_t *rows, size_t half, uint64_t mask)
{
    for (size_t i = 0; i < half; i++) {
        const uint64_t swap = (rows[i] >> half ^ rows[i + half]) & mask;

        rows[i] ^= swap << half;
        rows[i + half] ^= swap;
    }
}

void ks_transpose_64(uint64_t rows[64])
{
    uint64_t mask = UINT32_MAX;

    for (size_t half = 32; half > 0; half /= 2, mask ^= mask << half) {
        for (size_t i = 0; i < 64; i += 2 * half) {
            swap_halves(rows + i, half, mask);
        }
    }
}

/* The squares behind the last qubit are those of |0…0>, and symmetric. */
static void transpose_plane(uint64_t *plane, size_t words, size_t used)
{
    uint64_t upper[64];
    uint64_t lower[64];

    for (size_t row = 0; row < used; row++) {
        for (size_t column = 0; column <= row; column++) {
            for (size_t i = 0; i < 64; i++) {
                upper[i] = plane[(64 * row + i) * words + column];
                lower[i] = plane[(64 * column + i) * words + row];
            }
            ks_transpose_64(upper);
            for (size_t i = 0; i < 64; i++) {
                plane[(64 * column + i) * words + row] = upper[i];
            }
            if (column < row) {
                ks_transpose_64(lower);
                for (size_t i = 0; i < 64; i++) {
                    plane[(64 * row + i) * words + column] = lower[i];
                }
            }
        }
    }
}

static void set_transposed(struct ks_tableau *tableau, bool transposed)
{
    const size_t used = ((size_t)tableau->qubits + 63) / 64;

    if (tableau->transposed != transposed) {
        for (unsigned plane = 0; plane < KS_PLANES; plane++) {
            transpose_plane(tableau->planes[plane], tableau->words, used);
        }
        tableau->transposed = transposed;
    }
}

/* --- strings ------------------------------------------------------------------------------ */

/* One string: its X part, Z part, and where its sign is. */
struct string {
    uint64_t *x;
    uint64_t *z;
    uint64_t *signs;
    uint32_t qubit;
};

static struct string string_of(const struct ks_tableau *tableau, bool of_z, uint32_t qubit)
{
    const size_t at = qubit * tableau->words;

    return (struct string){
        .x = tableau->planes[of_z ? KS_PLANE_ZX : KS_PLANE_XX] + at,
        .z = tableau->planes[of_z ? KS_PLANE_ZZ : KS_PLANE_XZ] + at,
        .signs = tableau->signs[of_z],
        .qubit = qubit,
    };
}

static void negate(const struct string *string)
{
    string->signs[string->qubit / 64] ^= (uint64_t)1 << string->qubit % 64;
}

/* TARGET becomes i^POWER TARGET SOURCE, which is Hermitian. */
static void multiply(const struct string *target, const struct string *source, unsigned power,
                     size_t words)
{
    uint64_t ones[LANES] = {0}; /* the power of i that the positions give, in two bits */
    uint64_t twos[LANES] = {0};
    unsigned sum = power;

    for (size_t i = 0; i < words; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            const uint64_t x1 = target->x[i + lane];
            const uint64_t z1 = target->z[i + lane];
            const uint64_t x2 = source->x[i + lane];
            const uint64_t z2 = source->z[i + lane];
            const uint64_t x1z2 = x1 & z2;
            const uint64_t differ = x1z2 ^ (z1 & x2);

            twos[lane] ^= (ones[lane] ^ x1z2 ^ x1 ^ x2 ^ z1 ^ z2) & differ;
            ones[lane] ^= differ;
            target->x[i + lane] = x1 ^ x2;
            target->z[i + lane] = z1 ^ z2;
        }
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        sum += (unsigned)__builtin_popcountll(ones[lane]);
        sum += 2 * (unsigned)__builtin_popcountll(twos[lane]);
    }
    sum += ks_bit(source->signs, source->qubit) ? 2 : 0;
    if ((sum & 2) != 0) {
        negate(target);
    }
}

static void swap_strings(const struct string *a, const struct string *b, size_t words)
{
    const bool sign_a = ks_bit(a->signs, a->qubit);
    const bool sign_b = ks_bit(b->signs, b->qubit);

    for (size_t i = 0; i < words; i++) {
        const uint64_t x = a->x[i];
        const uint64_t z = a->z[i];

        a->x[i] = b->x[i];
        a->z[i] = b->z[i];
        b->x[i] = x;
        b->z[i] = z;
    }
    ks_bit_set(a->signs, a->qubit, sign_b);
    ks_bit_set(b->signs, b->qubit, sign_a);
}

static void apply_local(const struct ks_tableau *tableau, unsigned local, uint32_t qubit)
{
    const struct string x = string_of(tableau, false, qubit);
    const struct string z = string_of(tableau, true, qubit);

    if ((local & KS_LOCAL_MUL_X) != 0) {
        multiply(&x, &z, 1, tableau->words);
    }
    if ((local & KS_LOCAL_MUL_Z) != 0) {
        multiply(&z, &x, 3, tableau->words); /* i X Z = -i Z X */
    }
    if ((local & KS_LOCAL_SWAP) != 0) {
        swap_strings(&x, &z, tableau->words);
    }
    if ((local & KS_LOCAL_NEG_X) != 0) {
        negate(&x);
    }
    if ((local & KS_LOCAL_NEG_Z) != 0) {
        negate(&z);
    }
}

static void apply_step(const struct ks_tableau *tableau, const struct ks_clifford_step *step)
{
    const size_t words = tableau->words;
    struct string x[2];
    struct string z[2];

    if (step->kind == KS_CLIFFORD_LOCAL) {
        apply_local(tableau, step->local, step->a);
        return;
    }
    x[0] = string_of(tableau, false, step->a);
    z[0] = string_of(tableau, true, step->a);
    x[1] = string_of(tableau, false, step->b);
    z[1] = string_of(tableau, true, step->b);
    switch ((enum ks_clifford_kind)step->kind) {
    case KS_CLIFFORD_CX:
        multiply(&x[0], &x[1], 0, words);
        multiply(&z[1], &z[0], 0, words);
        break;
    case KS_CLIFFORD_CZ:
        multiply(&x[0], &z[1], 0, words);
        multiply(&x[1], &z[0], 0, words);
        break;
    default:
        swap_strings(&x[0], &x[1], words);
        swap_strings(&z[0], &z[1], words);
        break;
    }
}

void ks_tableau_apply(struct ks_tableau *tableau, const struct ks_clifford *clifford)
{
    set_transposed(tableau, false);
    for (unsigned i = 0; i < clifford->count; i++) {
        apply_step(tableau, &clifford->steps[i]);
    }
}

/* --- measurement -------------------------------------------------------------------------- */

bool ks_tableau_open(const struct ks_tableau *tableau, uint32_t qubit, bool *out_outcome)
{
    const uint64_t *x = tableau->planes[KS_PLANE_ZX];
    uint64_t any = 0;

    if (tableau->transposed) {
        for (size_t i = 0; i < tableau->qubits; i++) {
            any |= x[i * tableau->words + qubit / 64] >> qubit % 64 & 1;
        }
    } else {
        for (size_t i = 0; i < tableau->words; i++) {
            any |= x[qubit * tableau->words + i];
        }
    }
    *out_outcome = ks_bit(tableau->signs[1], qubit);
    return any != 0;
}

/* The bits of all strings at one position: words [0, WORDS) of the strings of X_q or Z_q. */
struct position {
    uint64_t *x;
    uint64_t *z;
};

static struct position position_of(const struct ks_tableau *tableau, bool of_z, size_t at)
{
    return (struct position){
        .x = tableau->planes[of_z ? KS_PLANE_ZX : KS_PLANE_XX] + at * tableau->words,
        .z = tableau->planes[of_z ? KS_PLANE_ZZ : KS_PLANE_XZ] + at * tableau->words,
    };
}

/* Conjugates LANES words of strings by CX of position PIVOT on each of the COUNT positions in
 * tableau->list, then PIVOT by S, if so told, and by H. */
static void fold_lanes(const struct ks_tableau *tableau, bool of_z, size_t pivot, size_t count,
                       bool with_s, size_t word)
{
    const struct position p = position_of(tableau, of_z, pivot);
    const uint64_t turned = with_s ? UINT64_MAX : 0;
    uint64_t *const signs = tableau->signs[of_z] + word;
    uint64_t x[LANES];
    uint64_t z[LANES];
    uint64_t sign[LANES];

    for (size_t lane = 0; lane < LANES; lane++) {
        x[lane] = p.x[word + lane];
        z[lane] = p.z[word + lane];
        sign[lane] = signs[lane];
    }
    for (size_t i = 0; i < count; i++) {
        const struct position other = position_of(tableau, of_z, tableau->list[i]);

        for (size_t lane = 0; lane < LANES; lane++) {
            const uint64_t other_x = other.x[word + lane];
            const uint64_t other_z = other.z[word + lane];

            sign[lane] ^= x[lane] & other_z & ~(other_x ^ z[lane]);
            other.x[word + lane] = other_x ^ x[lane];
            z[lane] ^= other_z;
        }
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        sign[lane] ^= turned & x[lane] & ~z[lane];
        z[lane] ^= turned & x[lane];
        signs[lane] = sign[lane] ^ (x[lane] & z[lane]);
        p.x[word + lane] = z[lane];
        p.z[word + lane] = x[lane];
    }
}

/* Keeps the strings of X_q too when FIRST is 0, those of Z_q alone when it is 1. */
static void collapse(struct ks_tableau *tableau, uint32_t qubit, bool outcome, unsigned first)
{
    size_t pivot = SIZE_MAX;
    size_t count = 0;
    bool with_s = false;
    uint64_t turn;

    set_transposed(tableau, true);
    for (size_t i = 0; i < tableau->qubits; i++) {
        const struct position p = position_of(tableau, true, i);

        if (ks_bit(p.x, qubit)) {
            /* Each CX takes the Z of its position to the pivot; an X with a Z there is a Y. */
            with_s ^= ks_bit(p.z, qubit);
            if (pivot == SIZE_MAX) {
                pivot = i;
            } else {
                tableau->list[count++] = (uint32_t)i;
            }
        }
    }
    KS_ASSERT(pivot != SIZE_MAX);
    for (unsigned of_z = first; of_z < 2; of_z++) {
        for (size_t word = 0; word < tableau->words; word += LANES) {
            fold_lanes(tableau, of_z != 0, pivot, count, with_s, word);
        }
    }
    turn = ks_bit(tableau->signs[1], qubit) != outcome ? UINT64_MAX : 0;
    for (unsigned of_z = first; of_z < 2; of_z++) {
        const struct position p = position_of(tableau, of_z != 0, pivot);

        for (size_t word = 0; word < tableau->words; word++) {
            tableau->signs[of_z][word] ^= turn & p.z[word];
        }
    }
}

void ks_tableau_collapse(struct ks_tableau *tableau, uint32_t qubit, bool outcome)
{
    collapse(tableau, qubit, outcome, 0);
}

void ks_tableau_collapse_last(struct ks_tableau *tableau, uint32_t qubit, bool outcome)
{
    collapse(tableau, qubit, outcome, 1);
}

const uint64_t *ks_tableau_flips(struct ks_tableau *tableau)
{
    set_transposed(tableau, true);
    return tableau->planes[KS_PLANE_ZX];
}
