/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* machine.h: the machine on which a device's client runs: its TPM, what of it is measured, and
 * the identity that the TPM seals to that. Hides swtpm, the launch log, the sealed file. In the
 * device's directory (docs/formats/device.md):
 *
 *   platform.json      which TPM, which files are measured, which PCRs open the identity
 *   launch.json        the launch log of KS_LAUNCH_PCR: this program and those files
 *   tpm/               the state of swtpm, where that is the TPM
 *   identity.sealed    the seeds of the ML-DSA-65 and ML-KEM-768 keys
 *   identity.update    the update authority's word for another state, while it waits for one
 *
 * One thread. Programs set TSS2_LOG=all+none in their environment first (tpm/tpm.h). */
#ifndef KS_CLIENT_MACHINE_H
#define KS_CLIENT_MACHINE_H

#include "crypto/kem.h"
#include "crypto/sign.h"
#include "record/enrol.h"
#include "tpm/tpm.h"

#define KS_MACHINE_FILES_MAX     32 /* measured beside this program */
#define KS_MACHINE_PLATFORM      "platform.json"
#define KS_MACHINE_IDENTITY      "identity.sealed"
#define KS_MACHINE_IDENTITY_NEXT "identity.next" /* sealed before the site learns of it */
#define KS_MACHINE_UPDATE        "identity.update"
#define KS_MACHINE_PURPOSE       "ketseal/device/" /* and the device's id: of authorisations */
#define KS_MACHINE_MEASURED_MAX  ((size_t)1 << 30) /* bytes of a measured file */

struct ks_machine;

struct ks_machine_spec {
    const char *directory; /* of the device; must exist */
    const char *tpm;       /* "swtpm", or a device such as /dev/tpmrm0 */
    const char *swtpm_ca; /* directory of the CA that makes simulated TPMs; NULL: beside tpm/ */
    uint32_t pcr_mask;    /* seals the identity; KS_LAUNCH_PCR is always one of them */
    const char *const *files; /* absolute paths: measured into KS_LAUNCH_PCR, by their names */
    size_t file_count;
};
/* Writes DIRECTORY/platform.json. KS_ERR_CONFLICT when there is one; KS_ERR_USAGE for a
 * relative path, or two files of one name. */
KS_MUST_CHECK enum ks_err ks_machine_create(const struct ks_machine_spec *spec);

/* Starts or opens the TPM of DIRECTORY/platform.json, measures this program and the files as
 * they are now, and opens the attestation key. */
KS_MUST_CHECK enum ks_err ks_machine_open(const char *directory,
                                          struct ks_machine **out_machine);
void ks_machine_close(struct ks_machine *machine);         /* NULL is fine; ends swtpm */
struct ks_tpm *ks_machine_tpm(struct ks_machine *machine); /* borrowed */

/* What the machine shows for EXTRA: a quote over the PCRs of PCR_MASK, their values, the launch
 * log, and the logs of firmware and kernel where the system has them. OUT is initialised. */
KS_MUST_CHECK enum ks_err ks_machine_show(struct ks_machine *machine, uint32_t pcr_mask,
                                          const uint8_t extra[32], struct ks_platform *out);

/* What an identity is sealed under. platform.json is measured by nobody, so what a blob was
 * first sealed with stays, through updates and rotations: no PCR is dropped, no authority
 * changed. */
struct ks_identity_policy {
    uint32_t pcr_mask; /* beside the machine's own */
    bool has_authority;
    uint8_t x[32]; /* of the authority's key */
    uint8_t y[32];
    char purpose[KS_SEALED_PURPOSE_MAX + 1];
};
/* With the update authority of AUTHORITY_DER (empty: none), for the device DEVICE. */
KS_MUST_CHECK enum ks_err ks_identity_policy_make(struct ks_bytes authority_der,
                                                  struct ks_bytes device,
                                                  struct ks_identity_policy *out_policy);

/* The device's own keys. */
#define KS_IDENTITY_LEN (32 + KS_KEM_SEED_LEN) /* xi, d || z */
struct ks_identity {
    uint8_t seeds[KS_IDENTITY_LEN];
    struct ks_sign_key *sign; /* ML-DSA-65 */
    struct ks_kem_key *kem;   /* ML-KEM-768 */
    struct ks_identity_policy policy;
};
/* Fresh keys, from the TPM's randomness and the kernel's: as good as the better of the two.
 * Their policy is the caller's to set; without one, the machine's PCRs as they are. */
KS_MUST_CHECK enum ks_err ks_identity_new(struct ks_machine *machine,
                                          struct ks_identity *out_identity);
void ks_identity_done(struct ks_identity *identity); /* zeroed is fine; wipes */
/* Seals IDENTITY under its policy to the PCRs as they are now, into NAME of the directory,
 * which it replaces. */
KS_MUST_CHECK enum ks_err ks_identity_seal(struct ks_machine *machine,
                                           const struct ks_identity *identity,
                                           const char *name);
/* The identity whose key LEAF certifies (NULL: the one that is kept). Where it is the next one,
 * as after a crash between its certificate and its place, that is put in place. Where the state
 * is another than at the sealing and KS_MACHINE_UPDATE authorises it, the identity is sealed
 * again, to this state alone, and that file removed. KS_ERR_DENIED names the PCRs that differ;
 * KS_ERR_NOT_FOUND when nothing was sealed yet; KS_ERR_VERIFY when LEAF is for another key, or
 * the authorisation of another authority or for another device. */
KS_MUST_CHECK enum ks_err ks_identity_unseal(struct ks_machine *machine,
                                             const struct ks_cert *leaf,
                                             struct ks_identity *out_identity);
/* The next identity, which nobody may have certified. KS_ERR_NOT_FOUND when there is none. */
KS_MUST_CHECK enum ks_err ks_identity_unseal_next(struct ks_machine *machine,
                                                  struct ks_identity *out_identity);
/* What the next start will find: the PCR values that this program and the measured files, as
 * they are now, will give, and what the kept identity is sealed under. No TPM is opened, but
 * one of the system's. KS_ERR_DENIED when the identity has no update authority. */
struct ks_machine_coming {
    uint32_t pcr_mask;
    uint8_t pcr_values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    struct ks_identity_policy policy;
};
KS_MUST_CHECK enum ks_err ks_machine_foresee(const char *directory,
                                             struct ks_machine_coming *out_coming);
/* The authority of a policy that has one (asserted). Borrows POLICY. */
struct ks_sealed_authority ks_identity_authority(const struct ks_identity_policy *policy);

/* The next identity becomes the one that is kept. */
KS_MUST_CHECK enum ks_err ks_identity_take_next(const char *directory);
/* Whether IDENTITY has the key that LEAF certifies. */
KS_MUST_CHECK enum ks_err ks_identity_check(const struct ks_identity *identity,
                                            const struct ks_cert *leaf);

#endif
