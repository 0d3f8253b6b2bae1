/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* peer.h: another simulator beside ours. */
#ifndef KS_BENCH_PEER_H
#define KS_BENCH_PEER_H

#include "quantum/circuit.h"

/* Seconds of the command in environment variable VARIABLE with CIRCUIT's OpenQASM file as its
 * last argument, its start included; below zero without one or when it fails. */
double peer_seconds(const char *variable, const struct ks_circuit *circuit);

#endif
