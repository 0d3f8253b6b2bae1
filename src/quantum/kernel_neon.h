/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_neon.h: vectors as four registers of NEON, for both precisions. Included after real,
 * vec, the QUAD_… of the precision and QUAD_LANES_LOG, its elements in a register, are defined,
 * before kernel_body.h. */

#define QUAD_LANES (1u << QUAD_LANES_LOG)

static inline vec v_load(const real *from)
{
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] = QUAD_LOAD(from + (size_t)i * QUAD_LANES);
    }
    return v;
}

static inline void v_store(real *to, vec v)
{
    for (unsigned i = 0; i < QUADS; i++) {
        QUAD_STORE(to + (size_t)i * QUAD_LANES, v.quad[i]);
    }
}

static inline void v_stream(real *to, vec v)
{
    v_store(to, v);
}

static inline void v_drain(void)
{
}

/* In a register of its own, so that what follows can change the original in place. */
static inline vec v_copy(vec v)
{
    return v;
}

static inline vec v_all(real number)
{
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] = QUAD_ALL(number);
    }
    return v;
}

static inline vec v_mul(vec a, vec b)
{
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] = QUAD_MUL(a.quad[i], b.quad[i]);
    }
    return v;
}

static inline vec v_fma(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] = QUAD_FMA(a.quad[i], b.quad[i], c.quad[i]);
    }
    return v;
}

static inline vec v_fms(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] = QUAD_FMA(a.quad[i], b.quad[i], QUAD_NEGATE(c.quad[i]));
    }
    return v;
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] = QUAD_FMA(QUAD_NEGATE(a.quad[i]), b.quad[i], c.quad[i]);
    }
    return v;
}

static inline vec v_partner(vec a, unsigned flip)
{
    static const uint8_t places[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const uint8_t bytes = (uint8_t)((flip & (QUAD_LANES - 1)) * sizeof(real));
    const uint8x16_t from = veorq_u8(vld1q_u8(places), vdupq_n_u8(bytes));
    vec v;

    for (unsigned i = 0; i < QUADS; i++) {
        v.quad[i] =
            QUAD_FROM_BYTES(vqtbl1q_u8(QUAD_BYTES(a.quad[i ^ flip >> QUAD_LANES_LOG]), from));
    }
    return v;
}
