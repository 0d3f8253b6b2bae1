/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* lab.h: a throw-away site of our own in one folder: a CA, certificates, a simulated TPM,
 * ketseal.yaml, ketseal-launch and all that it starts, and devices that are ready for
 * ks_client_open_device. For measurements over the real path, where nothing but the programs of
 * an installation is at hand.
 *
 * Its programs end with the thread that started the lab, however that ends: so it is one that
 * lives as long as the lab. Getters may be called from any thread. */
#ifndef KS_CLI_LAB_H
#define KS_CLI_LAB_H

#include <sys/types.h>

#include "base/buf.h"
#include "crypto/sign.h"
#include "ketseal/client.h"

/* How the lab's certificates are signed:
 *  name     text               the root's key      the leaves' keys */
#define KS_LAB_SUITE_LIST(X)                                                                   \
    X(MLDSA65, "slhdsa-mldsa65", SLHDSA_SHA2_128S, MLDSA65) /* as `ketseal ca` makes them */   \
    X(ALL_MLDSA, "mldsa87-mldsa65", MLDSA87, MLDSA65)                                          \
    X(MLDSA44, "mldsa87-mldsa44", MLDSA87, MLDSA44)                                            \
    X(MLDSA87, "mldsa87-mldsa87", MLDSA87, MLDSA87)                                            \
    X(SLHDSA_128S, "slhdsa-slhdsa128s", SLHDSA_SHA2_128S, SLHDSA_SHA2_128S)                    \
    X(SLHDSA_128F, "slhdsa-slhdsa128f", SLHDSA_SHA2_128S, SLHDSA_SHA2_128F)

enum ks_lab_suite {
#define KS_LAB_SUITE_ENUM(name, text, root, leaf) KS_LAB_##name,
    KS_LAB_SUITE_LIST(KS_LAB_SUITE_ENUM)
#undef KS_LAB_SUITE_ENUM
        KS_LAB_SUITES
};
const char *ks_lab_suite_name(enum ks_lab_suite suite);
/* The TLS signature algorithm of its leaves, which site, devices and operator name in their
 * settings where it is not one of the default. */
const char *ks_lab_suite_sigalg(enum ks_lab_suite suite);
KS_MUST_CHECK enum ks_err ks_lab_suite_find(const char *name, enum ks_lab_suite *out_suite);

#define KS_LAB_DEVICES_MAX 64
#define KS_LAB_WORKERS     4
#define KS_LAB_START_MS    60000 /* until the site is ready, the making of its TPM included */

struct ks_lab_spec {
    uint32_t version; /* 1 */
    /* Made, with what is missing in it. A lab that was here before is started again, with its
     * keys, its TPM and its ledger; suite and devices are then as they were, and more devices
     * are added. */
    const char *directory;
    /* Where the programs are: an installation's folder of programs, or src of a build. NULL:
     * KS_LIBEXEC_DIR. ketseal-launch and ketseal-kme are looked for there first, and then
     * beside this program. */
    const char *libexec;
    /* A folder with the CA (in ca/, docs/formats/ca.md) and all keys and certificates, made
     * where they are absent, so that several labs can share them. NULL: DIRECTORY/authority. */
    const char *authority;
    enum ks_lab_suite suite;
    const char *groups; /* of TLS, the site's and its devices'; NULL: the default */
    unsigned workers;   /* 0: KS_LAB_WORKERS */
    unsigned devices;   /* 1 to KS_LAB_DEVICES_MAX */
    const char *yaml;   /* further sections of ketseal.yaml, lines with their ends; or NULL */
    /* One program of the site replaced by another, such as "ketseal-worker" by one that lies.
     * NULL: all are what they should be. */
    const char *program;
    const char *instead; /* its path */
    /* Two key managers and their simulated link, in DIRECTORY/link: requests are signed with
     * quantum keys and the site's own, combined; with the site's own alone while there are
     * none. */
    bool quantum;
};

struct ks_lab;

/* Whether a lab would find the program NAME; LIBEXEC as in its specification. */
bool ks_lab_has(const char *libexec, const char *name);

/* Starts it and waits until it is ready. KS_ERR_UNAVAILABLE where swtpm or a program is absent,
 * KS_ERR_IO, with the last line of its log, when it does not start. SPEC is copied. */
KS_MUST_CHECK enum ks_err ks_lab_start(const struct ks_lab_spec *spec, struct ks_lab **out_lab);
/* Stops it as an operator would, waits, and frees LAB whatever comes: KS_ERR_IO when a program
 * did not end cleanly. NULL is fine. The folder stays. */
KS_MUST_CHECK enum ks_err ks_lab_stop(struct ks_lab *lab);
/* The same in a hurry, for a failure: kills. NULL is fine. */
void ks_lab_kill(struct ks_lab *lab);

/* Borrowed, as long as LAB. */
const char *ks_lab_directory(const struct ks_lab *lab);
const char *ks_lab_authority(const struct ks_lab *lab);
const char *ks_lab_url(const struct ks_lab *lab); /* "https://127.0.0.1:PORT" */
uint16_t ks_lab_port(const struct ks_lab *lab);
pid_t ks_lab_pid(const struct ks_lab *lab); /* ketseal-launch */
/* The directory of device INDEX (asserted), and of an operator. */
const char *ks_lab_device(const struct ks_lab *lab, unsigned index);
const char *ks_lab_operator(const struct ks_lab *lab);

/* A client of device INDEX with the lab's groups, connecting to URL; NULL: to the site itself.
 * TIMEOUT_MS is that of an exchange; 0 for the client's default. */
struct ks_lab_client {
    unsigned device;
    const char *url;
    const char *groups; /* NULL: the lab's */
    uint32_t timeout_ms;
};
KS_MUST_CHECK enum ks_err ks_lab_client_open(const struct ks_lab *lab,
                                             const struct ks_lab_client *spec,
                                             struct ks_client **out_client);

/* Starts the lab's quantum link anew, without a key, and with somebody who listens on SHARE of
 * its pulses, or nobody (0). The keys that devices hold already are still good.
 * KS_ERR_USAGE for a lab without a link. */
KS_MUST_CHECK enum ks_err ks_lab_eavesdrop(struct ks_lab *lab, double share);

#endif
