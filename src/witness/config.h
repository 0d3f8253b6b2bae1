/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* config.h: the one file that a witness's operator writes (docs/formats/witness.md). Relative
 * paths in it are relative to its own folder. */
#ifndef KS_WITNESS_CONFIG_H
#define KS_WITNESS_CONFIG_H

#include "witness/witness.h"

#define KS_WITNESS_CONFIG_MAX 262144 /* bytes */

struct ks_witness_config_self {
    char *name;   /* of its keys: "witness.example/w1" */
    char *listen; /* "127.0.0.1:8460"; port 0 for any */
    char *prefix; /* of its paths: "/w1"; NULL: none */
    char *state;  /* directory, created 0700 */
};
struct ks_witness_config_keys {
    char *ed25519; /* files of `ketseal witness keygen`; at least one of the two */
    char *mldsa44;
};
struct ks_witness_config_log {
    char *origin; /* NULL: the name of its first key */
    char **keys;  /* vkeys */
    unsigned keys_count;
};

struct ks_witness_config {
    struct ks_witness_config_self witness;
    struct ks_witness_config_keys keys;
    struct ks_witness_config_log *logs;
    unsigned logs_count;
};

/* Errors name file and field. Free with ks_witness_config_free. */
KS_MUST_CHECK enum ks_err ks_witness_config_load(const char *path,
                                                 struct ks_witness_config **out_config);
void ks_witness_config_free(struct ks_witness_config *config); /* NULL is fine */

/* The logs of a configuration with their keys parsed. */
struct ks_witness_logs {
    struct ks_witness_log logs[KS_WITNESS_LOGS_MAX];
    size_t count;
    struct ks_note_key *keys[KS_WITNESS_LOGS_MAX][KS_WITNESS_LOG_KEYS_MAX];
};
/* OUT_LOGS borrows the origins from CONFIG, and is given to ks_witness_logs_done after a
 * failure too. KS_ERR_FORMAT names the log. */
KS_MUST_CHECK enum ks_err ks_witness_config_logs(const struct ks_witness_config *config,
                                                 struct ks_witness_logs *out_logs);
void ks_witness_logs_done(struct ks_witness_logs *logs); /* zeroed is fine */

#endif
