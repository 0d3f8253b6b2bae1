/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* naive_merkle.h: RFC 6962 §2.1 written down as it is defined, recursively, to compare with.
 * Slow. */
#ifndef KS_TESTS_ORACLE_NAIVE_MERKLE_H
#define KS_TESTS_ORACLE_NAIVE_MERKLE_H

#include <stddef.h>
#include <stdint.h>

/* LEAVES are COUNT leaf hashes of 32 bytes. MTH(D[n]). */
void naive_root(const uint8_t *leaves, size_t count, uint8_t out_root[32]);
/* PATH(m, D[n]): returns the number of hashes written to OUT_PATH. */
size_t naive_path(const uint8_t *leaves, size_t count, size_t index, uint8_t (*out_path)[32]);
/* PROOF(m, D[n]), 0 < m <= n: returns the number of hashes written to OUT_PROOF. */
size_t naive_proof(const uint8_t *leaves, size_t count, size_t old_count,
                   uint8_t (*out_proof)[32]);

#endif
