/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* launch.h: starting a site. The launcher opens the TPM, copies the enclave's and the worker's
 * programs into sealed memory, measures them (and the shared libraries that the enclave will
 * map) into KS_LAUNCH_PCR, executes exactly those copies, hands the TPM to the enclave alone,
 * and keeps a pool of waiting workers. It never touches the network. When one part dies
 * unexpectedly, all stop. */
#ifndef KS_ENCLAVE_LAUNCH_H
#define KS_ENCLAVE_LAUNCH_H

#include "base/buf.h"
#include "enclave/measure.h"
#include "record/record.h"

#define KS_LAUNCH_WORKERS_MAX 256
#define KS_DEVICE_SECONDS_MAX (UINT64_C(100) * 366 * 24 * 3600) /* of lives and periods */

/* What a site demands of devices. */
struct ks_device_rules {
    bool accept_issued;           /* certificates of the root itself, without enrolment */
    uint32_t key_algs;            /* of their certificates' keys: KS_SIGALG_BIT; enrolment gives
                                     ML-DSA-65 */
    uint64_t attest_every_s;      /* 0: never again after the enrolment */
    uint64_t certificate_s;       /* life of the certificates that are issued here */
    struct ks_bytes ek_roots_pem; /* of TPM makers; may be empty */
    struct ks_bytes simulated_ek_roots_pem; /* of simulators; may be empty */
    struct ks_bytes reference; /* canonical JSON (attest/reference.h); empty: none can enrol */
};

/* How the enclave keeps its state and makes its quotes; from launcher to enclave as it is. */
struct ks_enclave_rules {
    uint32_t seal_pcrs;                   /* mask; KS_LAUNCH_PCR is always among them */
    struct ks_bytes update_authority;     /* P-256 public key, DER; empty: none */
    struct ks_bytes update_authorisation; /* docs/formats/sealed.md; empty: none */
    uint32_t counter;                     /* NV index */
    uint32_t epoch_s; /* at most these seconds between a change and a count */
    bool accept_rollback;
    uint32_t quote_window_ms; /* that a finished job waits for others under its quote */
    uint32_t quote_refresh_s; /* age at which the quote before a job is made anew */
};
#define KS_EPOCH_S_MAX       86400
#define KS_QUOTE_WINDOW_MAX  10000 /* milliseconds */
#define KS_QUOTE_REFRESH_MAX 86400 /* seconds */

/* Which one-time keys count here, and where quantum keys come from; from launcher to enclave as
 * it is. The certificate and its key make the enclave known to its manager: ketseald has
 * neither. */
struct ks_key_rules {
    enum ks_key_source source; /* what requests are to be signed with */
    bool fall_back;            /* keys of our own delivery will do where that cannot be had */
    /* The key manager; all four empty: there is none. */
    struct ks_bytes authority; /* host:port */
    struct ks_bytes root_pem;
    struct ks_bytes certificate_pem;
    struct ks_bytes key_pem;
    bool classical;      /* the manager knows no post-quantum TLS */
    uint32_t timeout_ms; /* of one exchange with it, the connection included */
    uint32_t life_s;     /* of a key that was fetched */
    uint32_t stock_max;  /* keys held for one device */
    uint32_t low;        /* fewer than these are worth a line in the log */
};
#define KS_KEYS_AUTHORITY_MAX 255   /* bytes */
#define KS_KEYS_PEM_MAX       65536 /* bytes of each of the three */
#define KS_KEYS_TIMEOUT_MAX   60000 /* milliseconds */
#define KS_KEYS_LIFE_MAX      86400 /* seconds */
#define KS_KEYS_STOCK_MAX     4096

/* When alerts of the site's detector suspend a device; from launcher to enclave as it is.
 * ketseald says that a job was an alert; how many of them are too many, and what follows, is
 * the enclave's to say. */
struct ks_alert_rules {
    uint32_t suspend_after; /* alerts of one device; 0: they suspend nobody */
    uint32_t window_s;      /* within which these come; 0 if SUSPEND_AFTER is */
};
#define KS_ALERTS_AFTER_MAX    64
#define KS_ALERTS_WINDOW_S_MAX (366 * 24 * 3600)

/* Federated learning on this site; from launcher to enclave as it is. */
struct ks_fl_rules {
    uint32_t workers;    /* rounds at once; 0: none takes place here */
    uint32_t params_max; /* numbers of a model; 0 if WORKERS is */
    uint64_t memory_max; /* bytes of the address space of a worker of rounds; likewise */
    double suspicion;    /* score from which a contribution is an alert; 0: none is */
    struct ks_alert_rules alerts; /* when these suspend a device */
};
#define KS_FL_WORKERS_MAX   16
#define KS_FL_SUSPICION_MAX 1000000

/* What runs jobs of other SDKs. */
struct ks_adapter_rules {
    unsigned count;      /* of each SDK that there is: waiting or working at once */
    uint64_t memory_max; /* bytes of an interpreter's address space */
};
#define KS_ADAPTERS_MAX 64

struct ks_launch_spec {
    uint32_t version; /* 1 */
    struct ks_measure_spec
        programs;               /* ketseal-enclave, ketseal-worker, …; ADAPTER may be NULL */
    const char *daemon_program; /* path of ketseald */
    const char *const *daemon_argv; /* NULL-terminated, from argv[0] on */
    const char *state_dir;  /* holds enclave/ and, with the simulated TPM, tpm/; created 0700 */
    const char *tpm_device; /* "/dev/tpmrm0", or NULL: start swtpm */
    const char *origin;     /* of the ledger */
    struct ks_bytes root_pem; /* who issues device certificates */
    struct ks_bytes crl_pem;  /* may be empty */
    unsigned workers;         /* waiting or working at once */
    unsigned worker_threads;
    uint64_t state_memory_max; /* bytes of one state vector */
    uint64_t job_seconds_max;  /* of processor time per worker thread */
    struct ks_adapter_rules adapters;
    struct ks_device_rules devices;
    struct ks_enclave_rules rules;
    struct ks_key_rules keys;
    struct ks_alert_rules alerts;
    struct ks_fl_rules fl;
};

/* Runs until SIGTERM or SIGINT (KS_OK after a graceful stop) or until a part fails. Must be
 * called with no other thread alive. Logs as events begin and end, since it is the body of a
 * main. */
KS_MUST_CHECK enum ks_err ks_launch(const struct ks_launch_spec *spec);

/* The first frame to the enclave (KS_FRAME_CONFIG): what it is to know, fixed until the next
 * launch. */
struct ks_enclave_config {
    struct ks_bytes origin;
    struct ks_bytes root_pem;
    struct ks_bytes crl_pem;
    struct ks_bytes event_log; /* canonical JSON */
    bool simulated_tpm;
    uint32_t workers;
    uint64_t state_memory_max;
    uint64_t job_seconds_max;
    uint8_t worker_digest[32]; /* SHA-256 of the worker's program: the build of records */
    struct ks_device_rules devices;
    struct ks_enclave_rules rules;
    struct ks_key_rules keys;
    struct ks_alert_rules alerts;
    struct ks_fl_rules fl;
};
void ks_enclave_config_put(const struct ks_enclave_config *config, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_enclave_config_read(struct ks_bytes payload,
                                                 struct ks_enclave_config *out_config);

/* What CONFIG demands of devices, certificates, sealing and quotes, hashed as
 * docs/formats/enclave-state.md says: not what a launch is, nor how much it may use. */
void ks_enclave_config_policy(const struct ks_enclave_config *config, uint8_t out_hash[32]);

/* Descriptors that the enclave starts with. */
#define KS_ENCLAVE_LAUNCHER_FD 3
#define KS_ENCLAVE_DAEMON_FD   4
#define KS_ENCLAVE_TPM_FD      5
#define KS_ENCLAVE_STATE_FD    6
#define KS_ENCLAVE_FILES_FD    7 /* to ketseald: files of rounds */
/* Those that ketseald starts with. */
#define KS_DAEMON_ENCLAVE_FD 3
#define KS_DAEMON_FILES_FD   4
/* In a WORKER frame, where others name their SDK: a worker of rounds. */
#define KS_LAUNCH_FOR_ROUNDS 255

#endif
