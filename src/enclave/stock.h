/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* stock.h: the quantum keys that the enclave holds, in memory and nowhere else. A key belongs
 * to the device that announced it, is good once and for a time, and is wiped when it is used,
 * when its time is over and at the end. What remains of it is its name, so that a second use is
 * told from a key that was never there. After a crash nothing is known: the manager deleted its
 * copy when it handed the key out. Times are monotonic. One thread. */
#ifndef KS_ENCLAVE_STOCK_H
#define KS_ENCLAVE_STOCK_H

#include "qkd/keyid.h"

#define KS_STOCK_KEYS_MAX    32768 /* all that is remembered */
#define KS_STOCK_DEVICES_MAX 1024
#define KS_STOCK_DEVICE_LEN  32

struct ks_stock;

struct ks_stock_rules {
    uint32_t device_max; /* keys announced and not used, of one device */
    uint64_t life_us;    /* of a key; its name is kept as long once more */
};

KS_MUST_CHECK enum ks_err ks_stock_new(const struct ks_stock_rules *rules,
                                       struct ks_stock **out_stock);
void ks_stock_free(struct ks_stock *stock); /* NULL is fine; wipes */

/* Takes all of the names for DEVICE, or none: KS_ERR_CONFLICT for one that was announced
 * before, whoever did; KS_ERR_LIMIT for too many. They wait for their keys. */
KS_MUST_CHECK enum ks_err ks_stock_announce(struct ks_stock *stock,
                                            const uint8_t device[KS_STOCK_DEVICE_LEN],
                                            const struct ks_etsi014_ids *ids, uint64_t now_us);
/* Their keys, all of KS_ONE_TIME_KEY_LEN bytes (asserted): a name that does not wait is passed
 * over. */
void ks_stock_fill(struct ks_stock *stock, const struct ks_etsi014_key *keys, size_t count,
                   uint64_t now_us);
/* No keys came: those names that wait are free again. */
void ks_stock_forget(struct ks_stock *stock, const struct ks_etsi014_ids *ids);

/* The key ID for checking a signature; uses nothing up. KS_ERR_DENIED, saying why, unless it is
 * there for DEVICE. */
KS_MUST_CHECK enum ks_err ks_stock_key(struct ks_stock *stock, const struct ks_etsi014_id *id,
                                       const uint8_t device[KS_STOCK_DEVICE_LEN],
                                       uint64_t now_us, uint8_t out_key[KS_ONE_TIME_KEY_LEN]);
/* Uses that key up; it is wiped. The same errors. */
KS_MUST_CHECK enum ks_err ks_stock_spend(struct ks_stock *stock, const struct ks_etsi014_id *id,
                                         const uint8_t device[KS_STOCK_DEVICE_LEN],
                                         uint64_t now_us);
/* Keys of DEVICE that are there. */
uint32_t ks_stock_left(const struct ks_stock *stock, const uint8_t device[KS_STOCK_DEVICE_LEN]);

#endif
