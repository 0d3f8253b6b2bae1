/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_scene.h: a simulated session of federated learning for tests: clients, a plan, a first
 * model, and numbers for them to send. */
#ifndef KS_TESTS_FAULT_FLSIM_SCENE_H
#define KS_TESTS_FAULT_FLSIM_SCENE_H

#include "cli/flsim.h"

#define SCENE_CLIENTS 60
#define SCENE_PARAMS  37
#define SCENE_ROUNDS  4

/* Points into itself: it stays where it is made. */
struct flsim_scene {
    char names[SCENE_CLIENTS][16];
    struct ks_fl_candidate clients[SCENE_CLIENTS];
    struct ks_flsim_plan plan;
    struct ks_buf first;
};

/* Rounds of the mean and of FedAvg; some clients leave, more are invited than are wanted. */
void flsim_scene_make(struct flsim_scene *scene);
void flsim_scene_done(struct flsim_scene *scene);
/* SCENE_PARAMS numbers from -1 to 1 that follow from A, B, C. */
void flsim_scene_fill(uint32_t a, uint32_t b, uint32_t c, float *values);

#endif
