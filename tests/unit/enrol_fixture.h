/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* enrol_fixture.h: one of each document of an enrolment, written from fixed seeds: token,
 * enrolment, challenge, second exchange, order. What a TPM made in them is filler: the readers
 * of src/record do not look into it. ML-DSA signs hedged: signatures differ from run to run. */
#ifndef KS_TESTS_UNIT_ENROL_FIXTURE_H
#define KS_TESTS_UNIT_ENROL_FIXTURE_H

#include "record/enrol.h"

#define ENROL_NOW_US UINT64_C(1775000000000000)
#define ENROL_DEVICE "edge-1"
#define ENROL_SITE   "lab.example/ketseal"

struct enrol_fixture {
    struct ks_sign_key *root_key; /* ML-DSA-44: quick */
    struct ks_cert *root;
    struct ks_sign_key *operator_key; /* ML-DSA-44 */
    struct ks_cert *operator_cert;
    struct ks_verify_key *operator_public;
    struct ks_sign_key *device_key; /* ML-DSA-65 */
    struct ks_site site;
    struct ks_buf site_document;
    struct ks_buf root_pem;
    uint8_t token_seed[32];
    uint8_t token_id[KS_TOKEN_ID_LEN];
    struct ks_buf token_text;
    struct ks_token token; /* the same, read */
    struct ks_buf enrol;
    struct ks_buf challenge;
    struct ks_buf finish;
    struct ks_buf order;
};
void enrol_fixture_make(struct enrol_fixture *fixture);
void enrol_fixture_free(struct enrol_fixture *fixture);

/* What the documents say; the caller frees it. LEN bytes of filler in each part of variable
 * length that has room for them. */
void enrol_fixture_enrol(size_t len, struct ks_enrol *out_enrol);
void enrol_fixture_challenge(size_t len, struct ks_challenge *out_challenge);
void enrol_fixture_finish(const struct enrol_fixture *fixture, size_t len,
                          struct ks_finish *out_finish);
void enrol_fixture_platform(size_t len, struct ks_platform *out_platform);
struct ks_order enrol_fixture_order(void);
struct ks_token_spec enrol_fixture_token(const struct enrol_fixture *fixture);

#endif
