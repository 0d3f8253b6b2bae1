/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_learn.h: the clients of a simulated session, and how they train: shares of images, one
 * site each of sensors' series, or nobody's data: numbers from a generator. Hides src/learn. */
#ifndef KS_CLI_FLSIM_LEARN_H
#define KS_CLI_FLSIM_LEARN_H

#include "cli/flsim.h"
#include "cli/learn_data.h"

struct ks_flsim_learn {
    struct ks_cli *cli;
    bool synthetic;
    size_t params;
    struct ks_learn_data data;
    uint8_t data_hash[KS_FL_HASH_LEN];
    char **paths; /* of series */
    size_t paths_count;
    struct ks_split split;
    struct ks_samples flipped; /* as train, the labels turned round; borrows all else */
    struct ks_model *model;
    struct ks_train_params how;
    struct ks_trainer *trainer;
    struct ks_pool *pool;
    unsigned epochs;
    uint64_t test_every;
    uint64_t rounds;
    float *values;   /* of one client */
    float *gradient; /* SCAFFOLD */
    uint32_t *order; /* of one client's samples */
    char *names;
    struct ks_fl_candidate *clients; /* in the order of their names */
    struct ks_subset *shares;        /* of each */
    size_t count;
    uint32_t *root; /* samples that the server has, for FLTrust */
    size_t root_count;
};

/* By the flags of `fl simulate`. SAMPLES_MAX bounds what a client claims. LEARN points into
 * itself, so it stays where it is; it is to be _done whether this succeeds or not. */
KS_MUST_CHECK enum ks_err ks_flsim_learn_init(struct ks_flsim_learn *learn, struct ks_cli *cli,
                                              struct ks_pool *pool, uint32_t samples_max);
void ks_flsim_learn_done(struct ks_flsim_learn *learn); /* {0} is fine */
/* The file of the model that a session begins with. */
KS_MUST_CHECK enum ks_err ks_flsim_learn_first(const struct ks_flsim_learn *learn,
                                               struct ks_buf *out);
struct ks_flsim_hooks ks_flsim_learn_hooks(struct ks_flsim_learn *learn);

/* One site's error in the target's unit. LOCAL is its own model after as many passes over its
 * samples as it would see in all rounds, LOCAL_BEST the best of that model after each round's
 * passes, chosen by what is tested: more than a site could know. */
struct ks_flsim_site {
    const char *name;
    double federated;
    double local;
    double local_best;
    double persistence;
    double mean;
    size_t samples;
};
/* For sites of series alone. */
KS_MUST_CHECK enum ks_err ks_flsim_learn_site(struct ks_flsim_learn *learn, size_t site,
                                              const float *model, uint64_t rounds,
                                              struct ks_flsim_site *out_site);

#endif
