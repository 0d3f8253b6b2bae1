/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* epoch.h: that nothing older is put back. A file says what the state had reached at some
 * moment, and which value a counter of the TPM was given for it, which never turns back: when
 * the counter is past the file, the file is old; what falls short of the file is old, too.
 * Format and the window that remains: docs/formats/enclave-state.md. One thread. */
#ifndef KS_ENCLAVE_EPOCH_H
#define KS_ENCLAVE_EPOCH_H

#include "base/sys.h"
#include "enclave/chain.h"
#include "enclave/journal.h"
#include "enclave/vault.h"
#include "ledger/ledger.h"

/* How far the state has come. */
struct ks_epoch_reached {
    uint64_t keys; /* how often the file of keys was sealed; 0: never */
    struct ks_journal_position journal;
    struct ks_head head;
    struct ks_chain_position devices;
    struct ks_chain_position rounds; /* zeros: of a version that had none */
    uint8_t policy[32]; /* under which it was reached; zeros: of a version that did not say */
};

struct ks_epoch;

enum ks_epoch_start {
    KS_EPOCH_NEW,      /* keys that were made just now: nothing can be older */
    KS_EPOCH_UNSEALED, /* keys of a version without a counter: the file may not be there yet */
    KS_EPOCH_SEALED,
};

/* Reads the file with the key of MASTER (32 bytes) and holds it against the counter; makes both
 * where START allows it. A write that a crash kept from being counted is counted now.
 * KS_ERR_VERIFY, with both numbers, when the file is older than the counter, is missing, false
 * or of another counter. With FORGIVE set, that is not checked, and the detail of what would
 * have been refused is copied to OUT_FORGIVEN ("" for nothing). */
struct ks_epoch_options {
    enum ks_epoch_start start;
    bool forgive;
};
KS_MUST_CHECK enum ks_err ks_epoch_open(const struct ks_fs *fs, const struct ks_vault *vault,
                                        struct ks_bytes master,
                                        const struct ks_epoch_options *options,
                                        char out_forgiven[KS_ERR_DETAIL_MAX],
                                        struct ks_epoch **out_epoch);
void ks_epoch_close(struct ks_epoch *epoch); /* NULL is fine */

/* What the file says: everything there has to have reached it. All zero when it was forgiven.
 * Borrowed. */
const struct ks_epoch_reached *ks_epoch_reached(const struct ks_epoch *epoch);
/* The counter's value after the last _write. */
uint64_t ks_epoch_counter(const struct ks_epoch *epoch);
bool ks_epoch_is(const struct ks_epoch *epoch, const struct ks_epoch_reached *reached);

/* Writes REACHED with the counter's next value durably, then counts. KS_ERR_CONFLICT when
 * somebody else counts, too. After another failure it can be tried again. */
KS_MUST_CHECK enum ks_err ks_epoch_write(struct ks_epoch *epoch,
                                         const struct ks_epoch_reached *reached);

#endif
