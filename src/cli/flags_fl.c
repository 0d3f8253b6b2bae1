/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The flags of the commands about federated learning. */

#include "cli/flags.h"

#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

#define CONFIG_FLAG                                                                            \
    {                                                                                          \
        "config", KS_FLAG_TEXT, "FILE",                                                        \
            "YAML that says what flags would, with '_' for '-'; flags win", NULL, false        \
    }

const struct ks_flag ks_fl_create_flags[] = {
    OPERATOR_FLAGS,
    CONFIG_FLAG,
    {"first", KS_FLAG_TEXT, "FILE", "the model to begin with, in place of the operand", NULL,
     false},
    {"name", KS_FLAG_TEXT, "NAME", "of the model, for people", "model", false},
    {"device", KS_FLAG_MANY, "ID", "a device to ask (repeatable); default: all that are there",
     NULL, false},
    {"rounds", KS_FLAG_NUMBER, "N", "rounds in all", "1", false},
    {"invite", KS_FLAG_NUMBER, "N", "devices invited to a round; default: as many as --updates",
     NULL, false},
    {"updates", KS_FLAG_NUMBER, "N", "updates that a round waits for", "2", false},
    {"updates-min", KS_FLAG_NUMBER, "N",
     "fewer fail the round; default: as many as "
     "--updates",
     NULL, false},
    {"prepare", KS_FLAG_NUMBER, "S", "seconds to join a round", "600", false},
    {"train", KS_FLAG_NUMBER, "S", "seconds to train in a round", "3600", false},
    {"samples-max", KS_FLAG_NUMBER, "N",
     "samples that one device may weigh at most; 0: as many as leave the others room in a sum",
     "0", false},
    {"select-seed", KS_FLAG_NUMBER, "N", "of the selection", "1", false},
    {"select", KS_FLAG_TEXT, "KIND", "random, or weighted by samples", "random", false},
    {"patience", KS_FLAG_NUMBER, "N", "stop after so many rounds without gain; 0: never", "0",
     false},
    {"gain-min", KS_FLAG_TEXT, "X", "less mean loss that counts as gain", "0", false},
    {"encoding", KS_FLAG_TEXT, "NAME", "of updates: f32, f16, q8, topk", "f32", false},
    {"topk", KS_FLAG_NUMBER, "N", "topk: numbers of an update that are sent", NULL, false},
    {"rule", KS_FLAG_TEXT, "NAME",
     "of aggregation: mean, median, trimmed-mean, krum, multi-krum, bulyan, rfa, centered-clip",
     "mean", false},
    {"attackers", KS_FLAG_NUMBER, "F", "liars that the rule is to stand", "0", false},
    {"bucket", KS_FLAG_NUMBER, "S", "devices in a bucket, whose mean the rule sees; 0: none",
     "0", false},
    {"bound", KS_FLAG_TEXT, "X", "longer updates are shortened to this norm; 0: none", "0",
     false},
    {"keep", KS_FLAG_NUMBER, "N", "multi-krum: updates that are averaged; 0: all but F + 2",
     "0", false},
    {"iterations", KS_FLAG_NUMBER, "N", "rfa, centered-clip: steps; 0: 8 and 3", "0", false},
    {"radius", KS_FLAG_TEXT, "X", "centered-clip: the longest step to an update; 0: 10", "0",
     false},
    {"smoothing", KS_FLAG_TEXT, "X", "rfa: the least distance that is told apart; 0: 1e-6", "0",
     false},
    {"server", KS_FLAG_TEXT, "RULE", "fedavg, fedavgm, fedadagrad, fedadam, fedyogi", "fedavg",
     false},
    {"server-rate", KS_FLAG_TEXT, "X",
     "how much of the aggregate the model takes; default: 1, adaptive rules 0.01", NULL, false},
    {"beta1", KS_FLAG_TEXT, "X", "of the server's momentum; default: the rule's", NULL, false},
    {"beta2", KS_FLAG_TEXT, "X", "of its second moment (fedadam, fedyogi); default: 0.99", NULL,
     false},
    {"tau", KS_FLAG_TEXT, "X", "how little it adapts (adaptive rules); default: 0.001", NULL,
     false},
    {"epochs", KS_FLAG_NUMBER, "N", "passes of each device over its samples", "1", false},
    {"batch", KS_FLAG_NUMBER, "N", "samples of a step", "32", false},
    {"optimiser", KS_FLAG_TEXT, "NAME", "sgd or adam", "sgd", false},
    {"rate", KS_FLAG_TEXT, "X", "learning rate of the devices", "0.05", false},
    {"momentum", KS_FLAG_TEXT, "X", "of sgd, 0 to below 1", "0", false},
    {"weight-decay", KS_FLAG_TEXT, "X", "pulls each parameter to 0", "0", false},
    {"clip-norm", KS_FLAG_TEXT, "X", "longest gradient; 0: any", "0", false},
    {"proximal", KS_FLAG_TEXT, "MU", "pulls to the global model (FedProx)", "0", false},
    END,
};

const struct ks_flag ks_fl_operator_flags[] = {
    OPERATOR_FLAGS,
    END,
};

const struct ks_flag ks_fl_status_flags[] = {
    OPERATOR_FLAGS,
    {"watch", KS_FLAG_SWITCH, NULL,
     "say on standard error what changes, until the session has ended", NULL, false},
    END,
};

const struct ks_flag ks_fl_history_flags[] = {
    OPERATOR_FLAGS,
    {"csv", KS_FLAG_TEXT, "FILE", "the rounds as a table; -: in place of what is shown", NULL,
     false},
    {"out", KS_FLAG_TEXT, "DIR",
     "figures and their tables: loss and participation by round, loss of each device", NULL,
     false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    END,
};

const struct ks_flag ks_fl_fetch_flags[] = {
    OPERATOR_FLAGS,
    {"out", KS_FLAG_TEXT, "FILE", "where the model, or the bundle, goes (-o FILE)", NULL, true},
    END,
};

const struct ks_flag ks_fl_audit_flags[] = {
    {"operator", KS_FLAG_TEXT, "DIR",
     "the operator's directory: operator.pem, operator.key, root.pem", ".", false},
    {"url", KS_FLAG_TEXT, "URL", "the site, https://host:port", NULL, false},
    {"offline", KS_FLAG_TEXT, "DIR", "what an earlier audit has kept, in place of a site", NULL,
     false},
    {"policy", KS_FLAG_TEXT, "FILE", "what to verify against", NULL, true},
    {"round", KS_FLAG_NUMBER, "N", "this round alone; 0: all", "0", false},
    {"no-replay", KS_FLAG_SWITCH, NULL, "leave the rounds' computations alone", NULL, false},
    {"out", KS_FLAG_TEXT, "DIR",
     "where everything is kept: round-N.json, list-N.json, update-N-DEVICE.json, audit-N.json",
     NULL, false},
    END,
};

const struct ks_flag ks_fl_join_flags[] = {
    DEVICE_FLAGS,
    CONFIG_FLAG,
    {"device-id", KS_FLAG_TEXT, "ID",
     "who takes part: the certificate has to be this device's; without --device its folder is "
     "called so, where there is one",
     NULL, false},
    {"session", KS_FLAG_TEXT, "SESSION",
     "in place of the operand; default: the only one that has not ended", NULL, false},
    {"data", KS_FLAG_MANY, "PATH", "what to train on, in place of operands (repeatable)", NULL,
     false},
    {"policy", KS_FLAG_TEXT, "FILE",
     "verify against this policy before anything is kept; default: what the device pins", NULL,
     false},
    {"out", KS_FLAG_TEXT, "DIR", "where bundles go, one for each round: SESSION-ROUND.json",
     ".", false},
    {"rounds", KS_FLAG_NUMBER, "N", "rounds to take part in; 0: until the session ends", "0",
     false},
    {"seconds", KS_FLAG_NUMBER, "S", "give up when nothing has begun for so long", "86400",
     false},
    {"seed", KS_FLAG_NUMBER, "N",
     "of the split; with the device's name and the round of order, dropout, rounding", "1",
     false},
    {"split", KS_FLAG_TEXT, "KIND", "how samples are shared out: iid, shards, dirichlet", "iid",
     false},
    {"parts", KS_FLAG_NUMBER, "N", "among how many sites", "1", false},
    {"part", KS_FLAG_NUMBER, "N", "the site to train as, from 1", "1", false},
    {"shards", KS_FLAG_NUMBER, "N", "shards of each site", "2", false},
    {"alpha", KS_FLAG_TEXT, "X", "of dirichlet; small: sites of few classes", "0.5", false},
    {"schema", KS_FLAG_TEXT, "NAME",
     "the data are tables of sensors: beijing, traffic, city-air, city-traffic, or a file of "
     "YAML",
     NULL, false},
    {"test-from", KS_FLAG_TEXT, "TIME",
     "series: later samples are not trained on; default: the schema's", NULL, false},
    {"threads", KS_FLAG_NUMBER, "N", "threads to work on", "1", false},
    {"detector", KS_FLAG_TEXT, "FILE",
     "judges the trace of each contribution; default: fl-detector.model in the device's "
     "directory",
     NULL, false},
    END,
};
