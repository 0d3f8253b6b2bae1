/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The flags of the commands about learning. */

#include "cli/flags.h"

#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

#define LEARN_DATA_FLAGS                                                                       \
    {"schema",                                                                                 \
     KS_FLAG_TEXT,                                                                             \
     "NAME",                                                                                   \
     "the data are tables of sensors, one for each site: beijing, traffic, city-air, "         \
     "city-traffic, or a file of YAML",                                                        \
     NULL,                                                                                     \
     false},                                                                                   \
        {"test-from", KS_FLAG_TEXT,                                                            \
         "TIME",      "series: later samples are for testing; default: the schema's",          \
         NULL,        false},                                                                  \
    {                                                                                          \
        "threads", KS_FLAG_NUMBER, "N", "threads to work on", "1", false                       \
    }

const struct ks_flag ks_learn_train_flags[] = {
    {"out", KS_FLAG_TEXT, "FILE", "where the model goes, as safetensors (-o FILE)", NULL, true},
    {"model", KS_FLAG_TEXT, "NAME",
     "lenet5, mnist-cnn, mcmahan-cnn, mlp, gru, linear, or a file of YAML; default: mnist-cnn, "
     "of series gru",
     NULL, false},
    {"from", KS_FLAG_TEXT, "FILE", "go on from this model", NULL, false},
    {"epochs", KS_FLAG_NUMBER, "N", "how often each sample is seen", "1", false},
    {"batch", KS_FLAG_NUMBER, "N", "samples of a step", "32", false},
    {"rate", KS_FLAG_TEXT, "X", "learning rate; default: 0.05, of adam 0.001", NULL, false},
    {"optimiser", KS_FLAG_TEXT, "NAME", "sgd or adam", "sgd", false},
    {"momentum", KS_FLAG_TEXT, "X", "of sgd, 0 to below 1", "0", false},
    {"weight-decay", KS_FLAG_TEXT, "X", "pulls each parameter to 0", "0", false},
    {"clip-norm", KS_FLAG_TEXT, "X", "longest gradient; 0: any", "0", false},
    {"proximal", KS_FLAG_TEXT, "MU", "pulls to the model of --from (FedProx)", "0", false},
    {"seed", KS_FLAG_NUMBER, "N", "of first parameters, order, dropout, split", "1", false},
    {"split", KS_FLAG_TEXT, "KIND", "how samples are shared out: iid, shards, dirichlet", "iid",
     false},
    {"parts", KS_FLAG_NUMBER, "N", "among how many sites", "1", false},
    {"part", KS_FLAG_NUMBER, "N", "the site to train as, from 1", "1", false},
    {"shards", KS_FLAG_NUMBER, "N", "shards of each site", "2", false},
    {"alpha", KS_FLAG_TEXT, "X", "of dirichlet; small: sites of few classes", "0.5", false},
    LEARN_DATA_FLAGS,
    END,
};

const struct ks_flag ks_learn_evaluate_flags[] = {
    {"model", KS_FLAG_TEXT, "FILE", "the model, safetensors", NULL, true},
    LEARN_DATA_FLAGS,
    END,
};

const struct ks_flag ks_learn_generate_flags[] = {
    {"site", KS_FLAG_NUMBER, "N", "which site of the city", "0", false},
    {"seed", KS_FLAG_NUMBER, "N", "of the city", "1", false},
    {"start", KS_FLAG_TEXT, "TIME", "its first hour", "2024-01-01 00:00:00", false},
    {"hours", KS_FLAG_NUMBER, "N", "hours, 1 to 100000", "8784", false},
    {"out", KS_FLAG_TEXT, "FILE", "where the table goes (-o FILE)", "-", false},
    END,
};
