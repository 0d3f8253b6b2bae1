/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_lanes.h: vectors as loops over LANES elements, for machines without wider registers.
 * Included after real, vec, LANES and r_fma are defined, before kernel_body.h. */

static inline vec v_load(const real *from)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = from[i];
    }
    return v;
}

static inline void v_store(real *to, vec v)
{
    for (unsigned i = 0; i < LANES; i++) {
        to[i] = v.lane[i];
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

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = number;
    }
    return v;
}

static inline vec v_mul(vec a, vec b)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = a.lane[i] * b.lane[i];
    }
    return v;
}

static inline vec v_fma(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = r_fma(a.lane[i], b.lane[i], c.lane[i]);
    }
    return v;
}

static inline vec v_fms(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = r_fma(a.lane[i], b.lane[i], -c.lane[i]);
    }
    return v;
}

static inline vec v_fnma(vec a, vec b, vec c)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = r_fma(-a.lane[i], b.lane[i], c.lane[i]);
    }
    return v;
}

static inline vec v_partner(vec a, unsigned flip)
{
    vec v;

    for (unsigned i = 0; i < LANES; i++) {
        v.lane[i] = a.lane[i ^ flip];
    }
    return v;
}
