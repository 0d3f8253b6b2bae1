/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The flags of `fl simulate`. */

#include "cli/flags.h"

#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

const struct ks_flag ks_fl_simulate_flags[] = {
    /* where it goes */
    {"out", KS_FLAG_TEXT, "DIR", "where tables, figures, model and records go", NULL, false},
    {"state", KS_FLAG_TEXT, "DIR",
     "what the same command goes on from after it was ended; default: nothing is kept", NULL,
     false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "tables alone", NULL, false},
    {"test-every", KS_FLAG_NUMBER, "N", "test after each N-th round, and the last", "1", false},
    {"local", KS_FLAG_SWITCH, NULL,
     "series: train each site's own model as long, and compare by site", NULL, false},
    {"commit-every", KS_FLAG_NUMBER, "N",
     "updates at most that one write of the state makes count; or after ten seconds", "256",
     false},
    {"memory", KS_FLAG_NUMBER, "MIB", "that a robust rule may take", "4096", false},
    {"threads", KS_FLAG_NUMBER, "N", "threads to work on", "1", false},
    {"seed", KS_FLAG_NUMBER, "N", "of everything that is drawn", "1", false},
    /* clients */
    {"clients", KS_FLAG_NUMBER, "N", "clients in all; of series: one for each site", "100",
     false},
    {"params", KS_FLAG_NUMBER, "N",
     "without DATA: numbers of a model that nobody trains; updates come from a generator", NULL,
     false},
    {"split", KS_FLAG_TEXT, "KIND", "how images are shared out: iid, shards, dirichlet", "iid",
     false},
    {"shards", KS_FLAG_NUMBER, "N", "shards of each client", "2", false},
    {"alpha", KS_FLAG_TEXT, "X", "of dirichlet; small: clients of few classes", "0.5", false},
    {"schema", KS_FLAG_TEXT, "NAME",
     "DATA are tables of sensors, or one folder of them: beijing, traffic, city-air, "
     "city-traffic, or a file of YAML",
     NULL, false},
    {"test-from", KS_FLAG_TEXT, "TIME", "series: later samples are for testing", NULL, false},
    {"samples-max", KS_FLAG_NUMBER, "N", "samples that one client may weigh at most",
     "2147483647", false},
    {"dropout", KS_FLAG_TEXT, "P", "share of clients that join a round and leave it", "0",
     false},
    {"attackers", KS_FLAG_NUMBER, "N", "clients that lie, spread evenly", "0", false},
    {"attack", KS_FLAG_TEXT, "NAME",
     "sign-flip, label-flip, mimic, ipm, alie or gaussian; default: sign-flip", NULL, false},
    {"strength", KS_FLAG_TEXT, "X",
     "of an attack; default: 1, of ipm 0.1, of alie what the number of clients allows", NULL,
     false},
    /* rounds */
    {"rounds", KS_FLAG_NUMBER, "N", "rounds, or versions of --async", "1", false},
    {"fraction", KS_FLAG_TEXT, "C", "share of clients whose updates make a round", "0.1",
     false},
    {"updates", KS_FLAG_NUMBER, "N", "updates of a round, instead of --fraction", NULL, false},
    {"invite", KS_FLAG_NUMBER, "N", "clients invited; default: as many as updates", NULL,
     false},
    {"updates-min", KS_FLAG_NUMBER, "N", "fewer fail the round", "1", false},
    {"weighted", KS_FLAG_SWITCH, NULL, "select in proportion to samples", NULL, false},
    {"patience", KS_FLAG_NUMBER, "N", "rounds without gain after which to stop; 0: never", "0",
     false},
    {"gain-min", KS_FLAG_TEXT, "X", "least gain of accuracy, or fall of the loss", "0", false},
    {"async", KS_FLAG_NUMBER, "K",
     "FedBuff: no rounds; each K updates, as they come, make a version", "0", false},
    {"concurrent", KS_FLAG_NUMBER, "N",
     "async: clients that train at one time; default: as many as K, twice", NULL, false},
    {"staleness", KS_FLAG_TEXT, "NAME", "async: constant, root or inverse weights", "root",
     false},
    {"staleness-max", KS_FLAG_NUMBER, "N", "async: older updates are refused", "16", false},
    /* how a client trains, and what it sends */
    {"model", KS_FLAG_TEXT, "NAME",
     "lenet5, mnist-cnn, mcmahan-cnn, mlp, gru, linear, or a file of YAML; default: mnist-cnn, "
     "of series gru",
     NULL, false},
    {"from", KS_FLAG_TEXT, "FILE", "begin with the numbers of this model", NULL, false},
    {"epochs", KS_FLAG_NUMBER, "E", "passes of each client over its samples", "1", false},
    {"batch", KS_FLAG_NUMBER, "B", "samples of a step", "32", false},
    {"optimiser", KS_FLAG_TEXT, "NAME", "sgd or adam", "sgd", false},
    {"rate", KS_FLAG_TEXT, "X", "learning rate", "0.05", false},
    {"momentum", KS_FLAG_TEXT, "X", "of sgd, 0 to below 1", "0", false},
    {"weight-decay", KS_FLAG_TEXT, "X", "pulls each parameter to 0", "0", false},
    {"clip-norm", KS_FLAG_TEXT, "X", "longest gradient; 0: any", "0", false},
    {"proximal", KS_FLAG_TEXT, "MU", "pulls to the global model (FedProx)", "0", false},
    {"encoding", KS_FLAG_TEXT, "NAME", "of updates: f32, f16, q8, topk", "f32", false},
    {"keep", KS_FLAG_TEXT, "X", "topk: share of the numbers that are sent", "0.01", false},
    /* what becomes of updates */
    {"rule", KS_FLAG_TEXT, "NAME",
     "mean, median, trimmed-mean, krum, multi-krum, bulyan, rfa, centered-clip, fltrust",
     "mean", false},
    {"stands", KS_FLAG_NUMBER, "F",
     "liars that a rule is to stand; default: their share of a round's updates", NULL, false},
    {"bucket", KS_FLAG_NUMBER, "S", "updates of one bucket, whose mean a rule sees", "1",
     false},
    {"bound", KS_FLAG_TEXT, "X", "longest update; 0: any", "0", false},
    {"radius", KS_FLAG_TEXT, "X", "of centered-clip", "10", false},
    {"server", KS_FLAG_TEXT, "NAME",
     "fedavg, fedavgm, fedadagrad, fedadam, fedyogi or scaffold", "fedavg", false},
    {"server-rate", KS_FLAG_TEXT, "X", "of the server's step; default: the rule's", NULL,
     false},
    {"beta1", KS_FLAG_TEXT, "X", "of the server's rule; default: the rule's", NULL, false},
    {"beta2", KS_FLAG_TEXT, "X", "of the server's rule; default: the rule's", NULL, false},
    {"tau", KS_FLAG_TEXT, "X", "of the server's rule; default: the rule's", NULL, false},
    END,
};
