/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rounds_scene.h: an operator with a certificate, and sessions of federated learning as it
 * orders them. Asserts that all writing works. */
#ifndef KS_TESTS_FAULT_ROUNDS_SCENE_H
#define KS_TESTS_FAULT_ROUNDS_SCENE_H

#include "crypto/cert.h"
#include "enclave/rounds.h"

#define SCENE_NOW_US  UINT64_C(1775000000000000)
#define SCENE_DEVICES 6 /* edge_0 to edge_5 */

struct rounds_scene {
    struct ks_sign_key *key;
    struct ks_verify_key *public_key;
    struct ks_cert *cert;
    struct ks_fl_candidate candidates[SCENE_DEVICES];
    struct ks_fl_order order; /* with the plan; the session is number 1 */
    uint64_t ordered_us;      /* of the last order */
    uint8_t operator_key;     /* first byte of the hash of the key that it is told to be of */
};
void rounds_scene_make(struct rounds_scene *scene);
void rounds_scene_free(struct rounds_scene *scene);

const char *rounds_scene_device(size_t index); /* "edge_0" */
/* Orders VERB at NOW_US, newer than all before. */
enum ks_err rounds_scene_order(struct rounds_scene *scene, struct ks_rounds *rounds,
                               enum ks_fl_verb verb, uint64_t now_us,
                               struct ks_rounds_session **out_session);
/* Begins the next round with all candidates. */
enum ks_err rounds_scene_begin(const struct rounds_scene *scene, struct ks_rounds *rounds,
                               struct ks_rounds_session *session, uint64_t now_us);
enum ks_err rounds_scene_event(struct ks_rounds *rounds, struct ks_rounds_session *session,
                               enum ks_fl_event_kind kind, const char *device, uint64_t now_us,
                               enum ks_fl_answer *out_answer);
/* What DEVICE delivers to the round of that NUMBER. */
struct ks_delivery rounds_scene_delivery(size_t device, uint64_t number, uint64_t now_us);

#endif
