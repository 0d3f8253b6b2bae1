/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* philox.h: the random numbers of sampling: a function of a key and a counter, so that each
 * draw of each shot has its own number whatever thread asks for it and in whatever order. Pure;
 * any thread. */
#ifndef KS_QUANTUM_PHILOX_H
#define KS_QUANTUM_PHILOX_H

#include <stdint.h>

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC
 * 2011). */
void ks_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out_words[4]);

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
