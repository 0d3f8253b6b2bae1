/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Evidence of anchors, and pins: what passes is written as the same bytes; the checks take
 * whatever was read. */
#include "chain/anchor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(struct ks_buf *written, struct ks_bytes text)
{
    KS_ASSERT(ks_buf_check(written) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(written), text));
    ks_buf_done(written);
}

static void try_anchor(struct ks_bytes text)
{
    struct ks_anchor *anchor = NULL;
    struct ks_anchor_pin pin = {0};
    struct ks_buf written;
    enum ks_err err;
    bool decided = true;

    if (ks_anchor_parse(text, &anchor) != KS_OK) {
        return;
    }
    ks_buf_init(&written, KS_ANCHOR_LEN_MAX);
    ks_anchor_write(anchor, &written);
    expect_same(&written, text);
    pin.chain_id = anchor->chain_id;
    ks_copy(pin.contract, anchor->contract, sizeof pin.contract);
    ks_copy(pin.code_hash, anchor->code_hash, sizeof pin.code_hash);
    ks_copy(pin.submitter, anchor->submitter, sizeof pin.submitter);
    err = ks_anchor_check_proof(anchor, &pin, anchor->digest);
    KS_ASSERT(err == KS_OK || err == KS_ERR_VERIFY); /* a verdict either way */
    KS_ASSERT(ks_anchor_check_canonical(anchor, &pin, &decided) == KS_OK && !decided);
    ks_anchor_free(anchor);
}

static void try_pin(struct ks_bytes text)
{
    struct ks_anchor_pin pin = {0};
    struct ks_buf written;

    if (ks_anchor_pin_parse(text, &pin) == KS_OK) {
        ks_buf_init(&written, KS_ANCHOR_PIN_LEN_MAX);
        ks_anchor_pin_write(&pin, &written);
        expect_same(&written, text);
    }
    ks_anchor_pin_done(&pin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_anchor(ks_bytes_of(data, size));
    try_pin(ks_bytes_of(data, size));
    return 0;
}
