/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* config.h: the file that configures one key manager (docs/formats/kme.md). Relative paths in
 * it are relative to its own folder. */
#ifndef KS_KME_CONFIG_H
#define KS_KME_CONFIG_H

#include "net/tls.h"
#include "qkd/etsi014.h"
#include "qkd/link.h"

#define KS_KME_CONFIG_MAX  65536      /* bytes */
#define KS_KME_STORED_MAX  100000     /* keys of the usual size in a half */
#define KS_KME_HALF_MAX    (16 << 20) /* bytes of them */
#define KS_KME_HOURS_MAX   8760
#define KS_KME_LOOPS_MAX   64
#define KS_KME_CLIENTS_MAX 65536

struct ks_kme_config_kme {
    char *id;     /* of this manager: the subject of its certificates */
    char *listen; /* where SAEs come: "127.0.0.1:9443"; port 0 for any */
    char *state;  /* directory, created 0700 */
};
struct ks_kme_config_tls {
    char *root; /* PEM files */
    char *certificate;
    char *key;
    char *crl;     /* NULL: none */
    char *groups;  /* NULL: the profile's */
    char *profile; /* NULL, "post-quantum" or "classical" */
};
struct ks_kme_config_link {
    char *peer;    /* id of the other manager */
    char *role;    /* "alice" or "bob": the other one is the other */
    char *listen;  /* exactly one of these two */
    char *connect; /* "192.0.2.1:9444", a literal address */
    char *root;    /* PEM files; of a manager that connects: a device's certificate */
    char *certificate;
    char *key;
    char *crl;
    uint64_t pulses;    /* in a block; 0: the link's default */
    double distance_km; /* and what else says how the link is simulated */
    double eve_share;
    char *eve; /* NULL or "none", "intercept", "pns" */
};
struct ks_kme_config_keys {
    unsigned size; /* bits; default 256 */
    unsigned size_min;
    unsigned size_max;
    unsigned per_request;
    unsigned stored_max; /* keys of the usual size in each half; default 10 000 */
    unsigned hold_hours; /* that a key waits for its slaves; default 24 */
    unsigned saes_max;   /* additional ones in one request; default 8 */
    char *optional;      /* extension_optional: NULL or "refuse", "ignore" */
};
struct ks_kme_config_admin {
    char *listen; /* a loopback address; NULL: no metrics */
};
struct ks_kme_config_http {
    unsigned loops;       /* default 1 */
    unsigned connections; /* default 1024 */
};

struct ks_kme_config {
    struct ks_kme_config_kme kme;
    struct ks_kme_config_tls tls;
    struct ks_kme_config_link link;
    struct ks_kme_config_keys keys;
    struct ks_kme_config_admin admin;
    struct ks_kme_config_http http;
};

/* Errors name file and field. Free with ks_kme_config_free. */
KS_MUST_CHECK enum ks_err ks_kme_config_load(const char *path,
                                             struct ks_kme_config **out_config);
void ks_kme_config_free(struct ks_kme_config *config); /* NULL is fine */

bool ks_kme_config_alice(const struct ks_kme_config *config);
enum ks_tls_profile ks_kme_config_profile(const struct ks_kme_config *config);
/* Of the simulated link, within range: checked when it was loaded. */
struct ks_link_params ks_kme_config_params(const struct ks_kme_config *config);
/* Whether a request with extension_optional is served as if it had none. */
bool ks_kme_config_ignores_optional(const struct ks_kme_config *config);
/* What every status says but for SAEs and stored keys. */
struct ks_etsi014_status ks_kme_config_status(const struct ks_kme_config *config);

#endif
