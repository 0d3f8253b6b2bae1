/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/flsim_scene.h"

#include <stdio.h>

#include "base/philox.h"
#include "base/tensors.h"

void flsim_scene_fill(uint32_t a, uint32_t b, uint32_t c, float *values)
{
    for (uint32_t i = 0; i < SCENE_PARAMS; i++) {
        const uint32_t key[2] = {a, b};
        const uint32_t counter[4] = {i, c, 0, 0};
        uint32_t words[4];

        ks_philox(key, counter, words);
        values[i] = (float)(words[0] % 2001) / 1000 - 1;
    }
}

void flsim_scene_make(struct flsim_scene *scene)
{
    float values[SCENE_PARAMS] = {0};
    const struct ks_tensor tensor = {.name = KS_LITERAL("weights"),
                                     .dtype = KS_DTYPE_F32,
                                     .dims = 1,
                                     .shape = {SCENE_PARAMS},
                                     .data = ks_tensor_data(values, SCENE_PARAMS)};

    *scene = (struct flsim_scene){
        .plan = {.text = KS_LITERAL("{\"a\":1}"),
                 .seed = 5,
                 .count = SCENE_CLIENTS,
                 .rounds = SCENE_ROUNDS,
                 .invited = 30,
                 .wanted = 20,
                 .updates_min = 1,
                 .samples_max = 1000,
                 .dropout = 0.1,
                 .bucket = 1,
                 .commit_every = 3,
                 .encode = {.encoding = KS_FL_F32, .keep = 9},
                 .server = ks_fl_server_defaults(KS_FL_FEDAVG, SCENE_PARAMS)}};
    for (size_t i = 0; i < SCENE_CLIENTS; i++) {
        (void)snprintf(scene->names[i], sizeof scene->names[i], "c%02zu", i);
        scene->clients[i].name = ks_bytes_text(scene->names[i]);
        scene->clients[i].samples = (uint32_t)(1 + i);
    }
    scene->plan.clients = scene->clients;
    flsim_scene_fill(0, 0, 0, values);
    ks_buf_init(&scene->first, 65536);
    ks_tensors_write(&tensor, 1, NULL, 0, &scene->first);
}

void flsim_scene_done(struct flsim_scene *scene)
{
    ks_buf_done(&scene->first);
}
