/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Anchors with each of our own allocations failing once: an error, never a verdict. */
#include "unit/expect.h"

#include "chain/anchor.h"
#include "chain/tx.h"
#include "fault/alloc/fail_each.h"
#include "unit/vector_files.h"

static struct ks_buf evidence;
static struct ks_buf pin_text;
static struct ks_buf tx_text;

static int set_up(void **state)
{
    (void)state;
    vector_read("chain", "anvil.anchor", &evidence);
    vector_read("chain", "anvil.pin", &pin_text);
    vector_read("../fuzz/corpus/anchor_tx", "signed", &tx_text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_buf_done(&evidence);
    ks_buf_done(&pin_text);
    ks_buf_done(&tx_text);
    return 0;
}

/* The checks allocate nothing: once both are read, there is a verdict. */
static enum ks_err task_check(void)
{
    enum ks_err err = KS_OK;
    struct ks_anchor *anchor = NULL;
    struct ks_anchor_pin pin = {0};
    struct ks_buf written;

    ks_buf_init(&written, KS_ANCHOR_LEN_MAX);
    KS_TRY(ks_anchor_pin_parse(ks_buf_view(&pin_text), &pin));
    KS_TRY(ks_anchor_parse(ks_buf_view(&evidence), &anchor));
    assert_int_equal(ks_anchor_check_proof(anchor, &pin, anchor->digest), KS_OK);
    ks_anchor_write(anchor, &written);
    KS_TRY(ks_buf_check(&written));
    expect_bytes(ks_buf_view(&written), ks_buf_view(&evidence));
out:
    assert_true(err == KS_OK || anchor == NULL || written.err != KS_OK);
    ks_anchor_free(anchor);
    ks_anchor_pin_done(&pin);
    ks_buf_done(&written);
    return err;
}

static enum ks_err task_transaction(void)
{
    enum ks_err err = KS_OK;
    static struct ks_tx tx;
    struct ks_buf encoded;
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t want[KS_KECCAK256_LEN];

    ks_buf_init(&encoded, 2 * KS_TX_DATA_MAX);
    KS_TRY(ks_tx_parse(ks_buf_view(&tx_text), &tx));
    KS_TRY(ks_tx_hash(&tx, hash));
    ks_tx_encode(&tx, &encoded);
    KS_TRY(ks_buf_check(&encoded));
    ks_keccak256(ks_buf_view(&encoded), want);
    expect_bytes(KS_BYTES(hash), KS_BYTES(want));
out:
    ks_buf_done(&encoded);
    return err;
}

static void test_check(void **state)
{
    (void)state;
    fail_each(task_check, 5, "memory");
}

static void test_transaction(void **state)
{
    (void)state;
    fail_each(task_transaction, 5, "memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_transaction),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
