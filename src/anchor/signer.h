/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* signer.h: who signs transactions: a key file, or a program of others that keeps the key. Keys
 * are secp256k1; signatures are deterministic (RFC 6979) and of low s. Each signature is
 * checked to be of the account that the transaction is from before it is given out. One thread
 * at a time. */
#ifndef KS_ANCHOR_SIGNER_H
#define KS_ANCHOR_SIGNER_H

#include "chain/tx.h"

/* Makes a key and writes it to PATH (mode 0600, which must not exist): 64 hexadecimal digits
 * and a newline. */
KS_MUST_CHECK enum ks_err ks_signer_keygen(const char *path,
                                           uint8_t out_address[KS_ADDRESS_LEN]);
/* The account of the key in PATH. As for signing: KS_ERR_DENIED for a file that others than its
 * owner may read or write. */
KS_MUST_CHECK enum ks_err ks_signer_address(const char *path,
                                            uint8_t out_address[KS_ADDRESS_LEN]);

/* Signs TX by the key in PATH. KS_ERR_VERIFY when that is not the key of tx->from. */
KS_MUST_CHECK enum ks_err ks_signer_sign_file(const char *path, struct ks_tx *tx);
/* Has COMMAND sign: a program (a path with a slash in it), run without arguments, environment
 * kept. It reads the hash to sign as 64 hexadecimal digits and a newline on standard input and
 * answers on standard output within TIMEOUT_MS with 130 digits and a newline: r, s, v, where v
 * is 00, 01, 1b or 1c. KS_ERR_IO when it does not. */
KS_MUST_CHECK enum ks_err ks_signer_sign_command(const char *command, unsigned timeout_ms,
                                                 struct ks_tx *tx);
/* Puts SIGNATURE, its s made low, into TX; KS_ERR_VERIFY, and TX as it was, when it is not of
 * tx->from. */
KS_MUST_CHECK enum ks_err ks_signer_put(const struct ks_tx_signature *signature,
                                        struct ks_tx *tx);
/* That the signature of TX is of tx->from: KS_ERR_VERIFY if not. */
KS_MUST_CHECK enum ks_err ks_signer_check(const struct ks_tx *tx);

#endif
