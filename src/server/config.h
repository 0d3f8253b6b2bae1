/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* config.h: ketseal.yaml, the one file that a site operator writes (docs/formats/config.md).
 * Relative paths in it are relative to its own folder. Read by ketseal-launch and by ketseald.
 */
#ifndef KS_SERVER_CONFIG_H
#define KS_SERVER_CONFIG_H

#include "base/buf.h"
#include "record/record.h"
#include "record/witnesses.h"

#define KS_CONFIG_BYTES_MAX 65536

/* Each may have two keys: their lines and the ledger's two are what a note may have. */
#define KS_CONFIG_WITNESSES_MAX    7
#define KS_CONFIG_WITNESS_KEYS_MAX 2
#define KS_CONFIG_WITNESS_MS_MAX   3600000

struct ks_config_site {
    char *origin; /* name of the ledger: "lab.example/ketseal" */
    char *listen; /* "127.0.0.1:8443", "[::1]:8443"; port 0 for any */
    char *state;  /* directory, created 0700 */
};
struct ks_config_tls {
    char *root; /* PEM files */
    char *certificate;
    char *key;
    char *crl;                  /* NULL: none */
    char *groups;               /* NULL: X25519MLKEM768 */
    char *signature_algorithms; /* NULL: KS_SIGALGS_DEFAULT */
};
struct ks_config_workers {
    unsigned count;      /* at once; default: twice the processors */
    unsigned threads;    /* each; default 1 */
    unsigned memory_mib; /* of one state vector; default 1024 */
    unsigned seconds;    /* of processor time; default 300 */
};
/* Other SDKs than ours; each NULL: it is not there. */
struct ks_config_adapters {
    char *qiskit; /* environments, docs/adapters.md */
    char *cirq;
    unsigned count;      /* of each, at once; default 1 */
    unsigned memory_mib; /* of an interpreter's address space; default 8192 */
};
struct ks_config_http {
    unsigned loops;       /* default 1 */
    unsigned connections; /* default 1024 */
};

/* A listener where devices that have no certificate yet ask for one. */
struct ks_config_enrolment {
    char *listen; /* as site.listen; NULL: none */
};
/* What is demanded of devices. */
struct ks_config_devices {
    char *issued; /* certificates of the root itself: "accept" or "refuse"; default: "refuse"
                     when there is an enrolment listener */
    unsigned attest_every_s;   /* 0 (default): at enrolment only */
    unsigned certificate_days; /* of those issued at enrolment; default 365 */
    char *ek_roots;            /* PEM file: roots of TPM makers; NULL: none */
    char *simulated_ek_roots;  /* PEM file: roots of simulators, such as swtpm's CA */
    char *reference;           /* reference policy (docs/formats/reference.md) */
};
/* The detector of traces (docs/formats/detection.md). */
struct ks_config_detector {
    char *model;               /* path of a model of traces' columns; NULL: none */
    char *fl_model;            /* likewise, for contributions */
    unsigned suspend_after;    /* alerts of one device; 0 (default): nobody is suspended */
    unsigned suspend_window_s; /* within which they come; default 3600 */
};
struct ks_config_enclave {
    unsigned *seal_pcrs; /* NULL: the launch PCR alone */
    unsigned seal_pcrs_count;
    char *update_authority;     /* path of a P-256 public key, DER; NULL: none */
    char *update_authorisation; /* path; NULL: none */
    unsigned counter;           /* NV index of the owner's range; default KS_COUNTER_DEFAULT */
    unsigned epoch_seconds;     /* default 60 */
};
struct ks_config_quote {
    unsigned window_ms;       /* default 0 */
    unsigned refresh_seconds; /* default 300 */
};

/* The site's key manager (ETSI GS QKD 014), to which the enclave speaks through ketseald. */
struct ks_config_kme {
    char *url;           /* "https://host:port"; NULL: there is none */
    char *root;          /* PEM files: who issued the manager's certificate, */
    char *certificate;   /* ours, which says what SAE we are, */
    char *key;           /* and its key */
    char *tls;           /* "post-quantum" (default) or "classical" */
    unsigned timeout_ms; /* default 5000 */
};
/* One-time keys. */
struct ks_config_keys {
    char *source;          /* "kem" (default), "etsi014", "both" */
    char *when_down;       /* "refuse" (default) or "kem" */
    unsigned low;          /* default 16 */
    unsigned stock;        /* of one device; default 512 */
    unsigned life_seconds; /* of a quantum key; default 3600 */
    struct ks_config_kme kme;
};

/* A witness of the ledger's checkpoints. */
struct ks_config_witness_server {
    char *url;   /* "http://host:port/prefix" */
    char **keys; /* its vkeys */
    unsigned keys_count;
};
/* Who cosigns checkpoints (docs/formats/witness.md). */
struct ks_config_witness {
    unsigned quorum;      /* 0: there are no witnesses */
    unsigned interval_ms; /* between two checkpoints that are sent; default 1000 */
    unsigned timeout_ms;  /* of one witness; default 5000 */
    struct ks_config_witness_server *servers;
    unsigned servers_count;
};

/* Rows of executions (docs/formats/trace.md). */
#define KS_CONFIG_TRACES_KEEP     100000
#define KS_CONFIG_TRACES_KEEP_MAX 10000000
struct ks_config_traces {
    unsigned keep; /* the newest rows that stay; default KS_CONFIG_TRACES_KEEP */
};

/* Refusals as entries of the ledger (docs/formats/ledger.md). */
#define KS_CONFIG_REFUSALS_MAX 3600
struct ks_config_refusals {
    unsigned per_hour; /* entries, of known peers and of others each; 0 (default): none */
};

/* Federated learning (docs/federated-learning.md). */
#define KS_CONFIG_FL_MIB_MAX      65536
#define KS_CONFIG_FL_DISK_MIB_MAX 1073741824 /* a PiB */
#define KS_CONFIG_FL_HOURS_MAX    8760
struct ks_config_fl {
    unsigned workers;      /* rounds at once; 0 (default): there is none here */
    unsigned memory_mib;   /* of the address space of one of them; default 4096 */
    unsigned params;       /* numbers of a model at most; default 4194304 */
    unsigned upload_mib;   /* of all uploads that are under way; default 1024 */
    unsigned upload_hours; /* that a complete one waits for its job; default 24 */
    unsigned keep_rounds;  /* whose sealed updates are kept, of each session; default 0 */
    unsigned disk_mib;     /* of all that is kept and under way; default 16384 */
    double suspicion; /* score from which a contribution is an alert; 0 (default): none is */
    unsigned suspend_after;    /* alerts of one device; 0 (default): nobody is suspended */
    unsigned suspend_window_s; /* within which they come; default 3600 */
};

struct ks_config {
    struct ks_config_site site;
    struct ks_config_tls tls;
    struct ks_config_enrolment enrolment;
    struct ks_config_devices devices;
    struct ks_config_detector detector;
    char *tpm; /* "swtpm" or a device such as "/dev/tpmrm0"; default swtpm */
    struct ks_config_workers workers;
    struct ks_config_adapters adapters;
    struct ks_config_http http;
    struct ks_config_enclave enclave;
    struct ks_config_quote quote;
    struct ks_config_keys keys;
    struct ks_config_traces traces;
    struct ks_config_refusals refusals;
    struct ks_config_fl fl;
    struct ks_config_witness witness;
};
/* The mask of enclave.seal_pcrs. */
uint32_t ks_config_seal_pcrs(const struct ks_config *config);

/* The algorithms that keys of the site and of devices may have: KS_SIGALG_BIT. */
uint32_t ks_config_key_algs(const struct ks_config *config);

/* Errors name file and field. Free with ks_config_free. */
KS_MUST_CHECK enum ks_err ks_config_load(const char *path, struct ks_config **out_config);
void ks_config_free(struct ks_config *config); /* NULL is fine */
/* Whether devices without enrolment may take part. */
bool ks_config_accepts_issued(const struct ks_config *config);
/* Where SDK runs; NULL: not here. Borrowed. */
const char *ks_config_environment(const struct ks_config *config, enum ks_sdk sdk);
/* keys.source. */
enum ks_key_source ks_config_key_source(const struct ks_config *config);
/* Host and port of keys.kme.url, and the two together as the URL has them. Without one: empty,
 * and port 0. */
struct ks_config_authority {
    const char *text; /* borrowed: host:port */
    char host[256];
    uint16_t port;
};
KS_MUST_CHECK enum ks_err ks_config_kme_authority(const struct ks_config *config,
                                                  struct ks_config_authority *out_authority);

/* Where the witness INDEX (asserted) is: its URL taken apart. */
struct ks_config_place {
    char host[64];
    uint16_t port;
    const char *authority; /* borrowed: what stands in Host, with AUTHORITY_LEN bytes */
    size_t authority_len;
    const char *prefix; /* borrowed: "" or "/…" */
};
KS_MUST_CHECK enum ks_err ks_config_witness_place(const struct ks_config *config,
                                                  unsigned index,
                                                  struct ks_config_place *out_place);
/* Its keys and those of all others, with the quorum. OUT_WITNESSES is given to
 * ks_witnesses_done after a failure too. */
KS_MUST_CHECK enum ks_err ks_config_witnesses(const struct ks_config *config,
                                              struct ks_witnesses *out_witnesses);

#endif
