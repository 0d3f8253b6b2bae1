/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/flags.h"

/* Flags of the commands of the detector. */

#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

#define COLUMN_FLAGS                                                                           \
    {"ignore", KS_FLAG_MANY, "COLUMN", "a column that is no feature; may be repeated",         \
     NULL,     false},                                                                         \
        {"kind", KS_FLAG_TEXT, "COLUMN", "names what kind of anomaly a row is", NULL, false},  \
        {"label", KS_FLAG_TEXT, "COLUMN", "1 for an anomaly, 0 for none; never a feature",     \
         NULL,    false},                                                                      \
    {                                                                                          \
        "threads", KS_FLAG_NUMBER, "N", "threads to score with", "1", false                    \
    }

#define FOREST_FLAGS                                                                           \
    {"trees", KS_FLAG_NUMBER, "N", "trees of the forest", "100", false},                       \
        {"sample", KS_FLAG_NUMBER, "N", "rows that each tree grows from, 2 to 256",            \
         "256",    false},                                                                     \
        {"seed", KS_FLAG_NUMBER, "N", "seed of the forest", "1", false},                       \
    {                                                                                          \
        "contamination", KS_FLAG_TEXT, "SHARE",                                                \
            "share of the rows that are called anomalies, 0 to 0.5", "0.01", false             \
    }

const struct ks_flag ks_detect_train_flags[] = {
    {"out", KS_FLAG_TEXT, "FILE", "where the model goes", NULL, true},
    FOREST_FLAGS,
    COLUMN_FLAGS,
    END,
};

const struct ks_flag ks_detect_score_flags[] = {
    {"model", KS_FLAG_TEXT, "FILE", "the model", NULL, true},
    {"out", KS_FLAG_TEXT, "FILE", "where the scores go; default: standard output", NULL, false},
    COLUMN_FLAGS,
    END,
};

const struct ks_flag ks_detect_explain_flags[] = {
    {"model", KS_FLAG_TEXT, "FILE", "the model", NULL, true},
    {"row", KS_FLAG_MANY, "N", "a row, from 1; may be repeated; default: all anomalies", NULL,
     false},
    {"reasons", KS_FLAG_NUMBER, "N", "how many features to name", "3", false},
    COLUMN_FLAGS,
    END,
};

const struct ks_flag ks_detect_evaluate_flags[] = {
    {"label", KS_FLAG_TEXT, "COLUMN", "1 for an anomaly, 0 for none; never a feature", NULL,
     true},
    {"model", KS_FLAG_TEXT, "FILE", "a model; default: one is grown from the rows, unlabelled",
     NULL, false},
    {"bootstrap", KS_FLAG_NUMBER, "N", "draws behind the intervals of 95 %, 40 to 10000", "200",
     false},
    FOREST_FLAGS,
    {"ignore", KS_FLAG_MANY, "COLUMN", "a column that is no feature; may be repeated", NULL,
     false},
    {"kind", KS_FLAG_TEXT, "COLUMN", "names what kind of anomaly a row is", NULL, false},
    {"threads", KS_FLAG_NUMBER, "N", "threads to score with", "1", false},
    END,
};

const struct ks_flag ks_detect_figures_flags[] = {
    {"out", KS_FLAG_TEXT, "DIR", "where the figures and their tables go", NULL, true},
    {"model", KS_FLAG_TEXT, "FILE", "a model; default: one is grown from the rows, unlabelled",
     NULL, false},
    {"x", KS_FLAG_TEXT, "COLUMN", "the categories of the boxes", "qubits", false},
    {"y", KS_FLAG_TEXT, "COLUMN", "what the boxes are of", "round_trip_us", false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    FOREST_FLAGS,
    COLUMN_FLAGS,
    END,
};

const struct ks_flag ks_detect_report_flags[] = {
    {"out", KS_FLAG_TEXT, "FILE", "where the page goes; default: standard output", NULL, false},
    {"model", KS_FLAG_TEXT, "FILE", "a model; default: one is grown from the rows, unlabelled",
     NULL, false},
    {"top", KS_FLAG_NUMBER, "N", "rows that are shown with their reasons, up to 1000", "25",
     false},
    {"bootstrap", KS_FLAG_NUMBER, "N", "draws behind the intervals of 95 %, 40 to 10000", "200",
     false},
    FOREST_FLAGS,
    COLUMN_FLAGS,
    END,
};
