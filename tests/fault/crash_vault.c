/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fault/crash_vault.h"

#include "crypto/aead.h"

static const uint8_t nonce[KS_AEAD_NONCE_LEN]; /* as no two masters are the same, never mind */

static enum ks_err seal(void *context, const uint8_t master[KS_VAULT_MASTER_LEN],
                        struct ks_buf *out_blob)
{
    struct crash_vault *vault = context;

    if (crash_disk_is_down(vault->disk)) {
        return ks_fail(KS_ERR_IO, "the machine is down");
    }
    ks_buf_put(out_blob, KS_BYTES(vault->pcrs));
    return ks_aead_seal(vault->secret, nonce, KS_BYTES(vault->pcrs),
                        ks_bytes_of(master, KS_VAULT_MASTER_LEN), out_blob);
}

static enum ks_err unseal(void *context, struct ks_bytes blob,
                          uint8_t out_master[KS_VAULT_MASTER_LEN], bool *out_again)
{
    enum ks_err err = KS_OK;
    struct crash_vault *vault = context;
    static const uint8_t none[32];
    struct ks_buf master = {
        .data = out_master, .cap = KS_VAULT_MASTER_LEN, .max = KS_VAULT_MASTER_LEN};
    struct ks_bytes pcrs = {blob.data, sizeof vault->pcrs};
    bool same = false;

    KS_CHECK(!crash_disk_is_down(vault->disk), KS_ERR_IO, "the machine is down");
    KS_CHECK(blob.len == sizeof vault->pcrs + KS_VAULT_MASTER_LEN + KS_AEAD_TAG_LEN,
             KS_ERR_FORMAT, "a blob of %zu bytes", blob.len);
    same = ks_bytes_equal(pcrs, KS_BYTES(vault->pcrs));
    KS_CHECK(same || (!ks_bytes_equal(KS_BYTES(vault->authorised), KS_BYTES(none)) &&
                      ks_bytes_equal(KS_BYTES(vault->authorised), pcrs)),
             KS_ERR_DENIED, "PCR 14 differs");
    KS_TRY(ks_aead_open(
        vault->secret, nonce, pcrs,
        ks_bytes_of(blob.data + sizeof vault->pcrs, blob.len - sizeof vault->pcrs), &master));
    *out_again = !same;
out:
    return err;
}

static enum ks_err counter_open(void *context)
{
    struct crash_vault *vault = context;

    if (crash_disk_is_down(vault->disk)) {
        return ks_fail(KS_ERR_IO, "the machine is down");
    }
    vault->counter += vault->counts ? 0 : 1;
    vault->counts = true;
    return KS_OK;
}

static enum ks_err counter_read(void *context, uint64_t *out_value)
{
    struct crash_vault *vault = context;

    if (crash_disk_is_down(vault->disk)) {
        return ks_fail(KS_ERR_IO, "the machine is down");
    }
    if (!vault->counts) {
        return ks_fail(KS_ERR_NOT_FOUND, "no such counter");
    }
    *out_value = vault->counter;
    return KS_OK;
}

/* The machine, now: the next step of the disk is the crash. */
static void crash(struct crash_vault *vault)
{
    crash_disk_arm(vault->disk, 1);
    (void)!crash_disk_sync_dir(vault->disk, CRASH_SYNC_DIR);
}

static enum ks_err counter_increment(void *context, uint64_t *out_value)
{
    struct crash_vault *vault = context;
    const uint64_t sides = 2; /* before, after */
    uint64_t drawn = sides;

    if (crash_disk_is_down(vault->disk)) {
        return ks_fail(KS_ERR_IO, "the machine is down");
    }
    if (vault->random != NULL && vault->crash_one_in > 0) {
        drawn = crash_random_below(vault->random, sides * vault->crash_one_in);
    }
    if (drawn == 0) {
        crash(vault);
        return ks_fail(KS_ERR_IO, "crash before the count");
    }
    vault->counter++;
    if (drawn == 1) {
        crash(vault);
        return ks_fail(KS_ERR_IO, "crash after the count");
    }
    *out_value = vault->counter;
    return KS_OK;
}

struct ks_vault crash_vault_of(struct crash_vault *vault)
{
    return (struct ks_vault){
        .context = vault,
        .counter_index = KS_COUNTER_DEFAULT,
        .seal = seal,
        .unseal = unseal,
        .counter_open = counter_open,
        .counter_read = counter_read,
        .counter_increment = counter_increment,
    };
}
