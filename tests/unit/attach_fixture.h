/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* attach_fixture.h: what others say of a checkpoint, made in this process: an authority of time
 * stamps, by libcrypto's own issuing side, and a chain of one block with one contract, whose
 * tries have one leaf each and are written by hand (Yellow Paper, appendix D). */
#ifndef KS_TESTS_UNIT_ATTACH_FIXTURE_H
#define KS_TESTS_UNIT_ATTACH_FIXTURE_H

#include <openssl/x509.h>

#include "chain/anchor.h"
#include "crypto/timestamp.h"
#include "record_fixture.h"

#define STAMP_POLICY  "1.3.6.1.4.1.99999.1"
#define STAMP_PURPOSE "critical,timeStamping"

/* One certificate and its key. */
struct stamp_party {
    EVP_PKEY *key;
    X509 *cert;
};
struct stamp_party_spec {
    const char *name;
    const struct stamp_party *issuer; /* NULL: itself */
    bool authority;
    const char *purpose; /* extended key usage as libcrypto's text, or NULL */
    uint64_t not_before_s;
    uint64_t not_after_s;
    const char *algorithm; /* NULL: P-256; "RSA": 2048 bits */
};
struct stamp_party stamp_party_make(const struct stamp_party_spec *spec);
void stamp_party_free(struct stamp_party *party);
/* Appends the certificates in PEM. */
void stamp_party_pem(const struct stamp_party *party, struct ks_buf *out);
/* Appends a list in PEM: of ISSUER, with REVOKED on it (NULL: empty). */
void stamp_crl_pem(const struct stamp_party *issuer, const struct stamp_party *revoked,
                   uint64_t next_update_s, struct ks_buf *out);

struct stamp_spec {
    const struct stamp_party *signer;
    const struct stamp_party *between[2]; /* further certificates in the token */
    struct ks_bytes request;
    uint64_t time_s;
    unsigned time_us;   /* of the second */
    const char *digest; /* NULL: SHA256 */
};
/* Appends the authority's answer (TimeStampResp). */
void stamp_answer(const struct stamp_spec *spec, struct ks_buf *out);
/* Appends a token with the content of TOKEN, signed by PARTY, whatever its certificate is for.
 */
void stamp_resign(struct ks_bytes token, const struct stamp_party *party, struct ks_buf *out);
/* A request for DIGEST. */
void stamp_request(const uint8_t digest[32], struct ks_buf *out);
/* What `timestamp attach` keeps of ANSWER. */
void stamp_token(struct ks_bytes answer, struct ks_buf *out);

/* A root, and the one who stamps below it. */
struct stamp_authority {
    struct stamp_party root;
    struct stamp_party signer;
};
void stamp_authority_make(struct stamp_authority *authority);
void stamp_authority_free(struct stamp_authority *authority);
/* Appends the token that it gives for DIGEST at TIME_S. */
void stamp_make(const struct stamp_authority *authority, const uint8_t digest[32],
                uint64_t time_s, struct ks_buf *out);

/* Where an anchor stands. Zeroed but for what the test wants to be so. */
struct anchor_place {
    uint64_t chain_id;
    uint8_t contract[20];
    uint8_t submitter[20];
    uint8_t code_hash[32];
    uint64_t number;
    uint64_t time_s;
};
/* Appends the canonical document of an anchor of DIGEST there. */
void anchor_make(const struct anchor_place *place, const uint8_t digest[32],
                 struct ks_buf *out);
/* A pin of PLACE, and of the block of the anchor in DOCUMENT where that is not empty; release
 * with ks_anchor_pin_done. */
struct ks_anchor_pin anchor_pin(const struct anchor_place *place, struct ks_bytes document);

#endif
