/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* peer.h: another simulator beside ours. */
#ifndef KS_BENCH_PEER_H
#define KS_BENCH_PEER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "quantum/circuit.h"

/* Seconds of the command in environment variable VARIABLE with CIRCUIT's OpenQASM file as its
 * last argument, its start included; below zero without one or when it fails. */
double peer_seconds(const char *variable, const struct ks_circuit *circuit);

/* A peer that stays: a command as above that runs the circuit once for each line of its
 * standard input, and answers with a line of two numbers, its seconds and those of its CPU.
 * bench/peers/ has some. */
struct peer {
    pid_t pid;
    FILE *ask; /* NULL: there is none, or it has failed */
    FILE *answer;
    char path[32]; /* of the circuit's file where that is ours */
};

struct peer_time {
    double seconds;
    double cpu_seconds;
};

/* Starts COMMAND; NULL: there is no peer. CIRCUIT is in the file PATH; NULL: one is written. */
void peer_open(struct peer *peer, const char *command, const char *path,
               const struct ks_circuit *circuit);
void peer_close(struct peer *peer);
/* One run; false, and the peer is gone, when it gives no answer. */
bool peer_run(struct peer *peer, struct peer_time *out_time);

#endif
