/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* philox.h: the random numbers of sampling, those of base/philox.h: each draw of each shot has
 * its own number. Pure; any thread. */
#ifndef KS_QUANTUM_PHILOX_H
#define KS_QUANTUM_PHILOX_H

#include <stdint.h>

/* What a draw decides; part of the counter, so the values are part of KS_NUMERICS. */
enum ks_draw { KS_DRAW_SPLIT = 1, KS_DRAW_SAMPLE = 2, KS_DRAW_FLIP = 3, KS_DRAW_NOISE = 4 };

/* 53 uniform bits for draw INDEX of SHOT. Key: SEED, low word first. Counter: low and high word
 * of SHOT, INDEX, PURPOSE. The bits are the top 27 of word 0 above the top 26 of word 1. */
#define KS_DRAW_BITS 53
uint64_t ks_philox_draw(uint64_t seed, uint64_t shot, uint32_t index, enum ks_draw purpose);

/* 128 uniform bits, KS_DRAW_FLIP: counter low and high word of BLOCK, INDEX, PURPOSE; bit b is
 * bit b % 64 of word b / 64, each the even one of Philox's below the odd one. */
void ks_philox_bits(uint64_t seed, uint64_t block, uint32_t index, uint64_t out_bits[2]);

#endif
