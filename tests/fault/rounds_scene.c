/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/rounds_scene.h"

#include <stdio.h>
#include <string.h>

#define OK(call) KS_ASSERT((call) == KS_OK)

const char *rounds_scene_device(size_t index)
{
    static const char *const names[SCENE_DEVICES] = {"edge_0", "edge_1", "edge_2",
                                                     "edge_3", "edge_4", "edge_5"};

    KS_ASSERT(index < SCENE_DEVICES);
    return names[index];
}

void rounds_scene_make(struct rounds_scene *scene)
{
    static const uint8_t seed[32] = {1, 2, 3};
    static const uint8_t serial[KS_CERT_SERIAL_LEN] = {1};
    const struct ks_cert_spec spec = {.role = KS_CERT_ROOT,
                                      .subject = "ada",
                                      .not_before_s = SCENE_NOW_US / 1000000 - 1000,
                                      .not_after_s = SCENE_NOW_US / 1000000 + 1000000,
                                      .serial = serial};

    *scene = (struct rounds_scene){.ordered_us = SCENE_NOW_US, .operator_key = 7};
    OK(ks_sign_key_from_seed(KS_SIG_MLDSA65, KS_BYTES(seed), &scene->key));
    OK(ks_sign_key_verify_key(scene->key, &scene->public_key));
    OK(ks_cert_issue_root(scene->key, &spec, &scene->cert));
    for (size_t i = 0; i < SCENE_DEVICES; i++) {
        scene->candidates[i] =
            (struct ks_fl_candidate){ks_bytes_text(rounds_scene_device(i)), 100};
    }
    scene->order = (struct ks_fl_order){
        .session = {1},
        .site = KS_LITERAL("lab.example/ketseal"),
        .plan = {.model = KS_LITERAL("lenet5"),
                 .parent = {0xaa},
                 .shape = {0xbb},
                 .params = 5,
                 .seed = 3,
                 .rounds = 1000,
                 .invited = SCENE_DEVICES,
                 .wanted = SCENE_DEVICES,
                 .updates_min = 1,
                 .samples_max = 1000,
                 .prepare_s = 60,
                 .train_s = 600,
                 .local = {.encoding = KS_LITERAL("f32"),
                           .optimiser = KS_LITERAL("sgd"),
                           .batch = 10,
                           .epochs = 1,
                           .rate = 0.1},
                 .rule = {.aggregate = KS_LITERAL("mean"),
                          .server = KS_LITERAL("fedavg"),
                          .rate = 1}},
    };
}

void rounds_scene_free(struct rounds_scene *scene)
{
    ks_sign_key_free(scene->key);
    ks_verify_key_free(scene->public_key);
    ks_cert_free(scene->cert);
}

enum ks_err rounds_scene_order(struct rounds_scene *scene, struct ks_rounds *rounds,
                               enum ks_fl_verb verb, uint64_t now_us,
                               struct ks_rounds_session **out_session)
{
    struct ks_rounds_order order = {.certificate = ks_cert_der(scene->cert),
                                    .key = scene->public_key,
                                    .key_hash = {scene->operator_key},
                                    .now_us = now_us};
    enum ks_fl_verb said = KS_FL_VERBS;
    enum ks_err err = KS_OK;
    struct ks_buf document;

    ks_buf_init(&document, 65536);
    scene->order.verb = verb;
    scene->order.created_us = ++scene->ordered_us;
    OK(ks_fl_order_write(&scene->order, scene->key, &document));
    order.document = ks_buf_view(&document);
    err = ks_rounds_order(rounds, &order, out_session, &said);
    KS_ASSERT(err != KS_OK || said == verb);
    ks_buf_done(&document);
    return err;
}

enum ks_err rounds_scene_begin(const struct rounds_scene *scene, struct ks_rounds *rounds,
                               struct ks_rounds_session *session, uint64_t now_us)
{
    struct ks_fl_round *round = NULL;

    OK(ks_rounds_draft(session, scene->candidates, SCENE_DEVICES, now_us, &round));
    return ks_rounds_begin(rounds, session, round, scene->candidates, SCENE_DEVICES,
                           KS_LITERAL("a descriptor"), now_us);
}

enum ks_err rounds_scene_event(struct ks_rounds *rounds, struct ks_rounds_session *session,
                               enum ks_fl_event_kind kind, const char *device, uint64_t now_us,
                               enum ks_fl_answer *out_answer)
{
    struct ks_fl_event event = {.kind = kind, .now_us = now_us, .samples = 100};

    if (device != NULL) {
        event.client = ks_bytes_text(device);
    }
    if (kind == KS_FL_EVENT_AGGREGATED) { /* a model and a state for each round */
        const uint8_t state[32] = {0xdd, (uint8_t)session->last};

        event.update[0] = 0xcc;
        event.update[1] = (uint8_t)session->last;
        *out_answer = ks_fl_round_check(session->round, &event);
        return *out_answer == KS_FL_ANSWER_OK
                   ? ks_rounds_complete(rounds, session, event.update, state, now_us)
                   : KS_OK;
    }
    return ks_rounds_event(rounds, session, &event, out_answer);
}

struct ks_delivery rounds_scene_delivery(size_t device, uint64_t number, uint64_t now_us)
{
    struct ks_delivery delivery = {.update = {1, (uint8_t)device, (uint8_t)number},
                                   .sealed = {2, (uint8_t)device, (uint8_t)number},
                                   .record = {3, (uint8_t)device, (uint8_t)number},
                                   .at_us = now_us,
                                   .length = 4096 + device,
                                   .samples = 100 + (uint32_t)device,
                                   .norm = 1.5,
                                   .loss = 0.25 * (double)device,
                                   .reason = "none"};

    ks_uuid_text(delivery.record, delivery.job);
    (void)snprintf(delivery.device, sizeof delivery.device, "%s", rounds_scene_device(device));
    return delivery;
}
