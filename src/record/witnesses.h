/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* witnesses.h: who has to have cosigned a checkpoint before it is believed: keys of witnesses
 * and how many of them (docs/formats/witness.md). The same for a site that collects
 * cosignatures and for an auditor who demands them. Pure; owns its keys. */
#ifndef KS_RECORD_WITNESSES_H
#define KS_RECORD_WITNESSES_H

#include "base/json.h"
#include "ledger/cosign.h"

/* Keys of one set: with the ledger's own they stay within what a note is checked against. */
#define KS_WITNESSES_KEYS_MAX  28
#define KS_WITNESSES_LINES_MAX 131072 /* bytes of a file of vkeys */

struct ks_witnesses {
    struct ks_note_key *keys[KS_WITNESSES_KEYS_MAX];
    size_t count;    /* of keys; 0: there are no witnesses */
    uint64_t quorum; /* how many witnesses, told apart by their names, have to cosign */
};

void ks_witnesses_done(struct ks_witnesses *witnesses); /* zeroed is fine */

/* Adds one. KS_ERR_FORMAT for what is no vkey of a cosigner (types 0x04 and 0x06), or is there
 * already; KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_witnesses_add(struct ks_witnesses *witnesses,
                                           struct ks_bytes vkey);
/* Adds those of a file: one in a line; empty lines and lines that begin with '#' are passed
 * over. */
KS_MUST_CHECK enum ks_err ks_witnesses_add_lines(struct ks_witnesses *witnesses,
                                                 struct ks_bytes text);
/* How many witnesses they are: keys of one name are one witness's. */
size_t ks_witnesses_names(const struct ks_witnesses *witnesses);
/* KS_OK when the quorum is 1 to the number of witnesses, and none of them has the name of the
 * ledger, whose own word would count twice. KS_ERR_FORMAT otherwise. */
KS_MUST_CHECK enum ks_err ks_witnesses_check(const struct ks_witnesses *witnesses,
                                             struct ks_bytes origin);

/* {"keys":[vkey,…],"quorum":N}. Reading checks all but the ledger's name; OUT_WITNESSES is
 * given to ks_witnesses_done after a failure too. */
void ks_witnesses_write(const struct ks_witnesses *witnesses, struct ks_json_writer *writer);
KS_MUST_CHECK enum ks_err ks_witnesses_parse(const struct ks_json *object,
                                             struct ks_witnesses *out_witnesses);

/* What the lines of a note come to. */
struct ks_witnesses_said {
    size_t names;      /* witnesses that cosigned */
    size_t unknown;    /* lines by keys that are neither witnesses' nor the ledger's */
    uint64_t newest_s; /* the latest time in a cosignature; 0 without one */
};
/* Checks every line of NOTE, a checkpoint of ORIGIN, that a known witness made: KS_ERR_VERIFY
 * names the first false one. The ledger's own signatures are ks_site_checkpoint_open's matter.
 * That the quorum is reached is for the caller to compare. */
KS_MUST_CHECK enum ks_err ks_witnesses_judge(const struct ks_witnesses *witnesses,
                                             struct ks_bytes origin, struct ks_bytes note,
                                             struct ks_witnesses_said *out_said);

#endif
