/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/checkpoint.h"

enum ks_err ks_checkpoint_sign(const struct ks_checkpoint *checkpoint,
                               const struct ks_note_signer *signers, size_t count,
                               uint64_t time_s, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;

    ks_buf_init(&body, KS_CHECKPOINT_BODY_MAX);
    for (size_t i = 0; i < count; i++) {
        KS_CHECK(ks_bytes_equal(signers[i].name, checkpoint->origin), KS_ERR_USAGE,
                 "checkpoint: signer %zu is not named like the origin", i + 1);
    }
    KS_TRY(ks_checkpoint_print(checkpoint, &body));
    KS_TRY(ks_note_sign(ks_buf_view(&body), signers, count, time_s, out));
out:
    ks_buf_done(&body);
    return err;
}

/* That every own key of ORIGIN has signed; with the latest time of its ML-DSA-44 keys. */
static enum ks_err check_own_keys(struct ks_bytes origin, const struct ks_note_trust *trust,
                                  const struct ks_note_verdict *verdict, uint64_t *out_time_s)
{
    enum ks_err err = KS_OK;
    uint64_t time_s = 0;
    size_t own = 0;

    for (size_t i = 0; i < trust->count; i++) {
        if (!ks_bytes_equal(ks_note_key_name(trust->keys[i]), origin)) {
            continue;
        }
        own++;
        KS_CHECK(verdict->has_signed[i], KS_ERR_VERIFY,
                 "checkpoint: key %08x of the ledger has not signed",
                 (unsigned)ks_note_key_id(trust->keys[i]));
        if (ks_note_key_type(trust->keys[i]) == KS_NOTE_COSIGNED_MLDSA44 &&
            verdict->time_s[i] > time_s) {
            time_s = verdict->time_s[i];
        }
    }
    KS_CHECK(own != 0, KS_ERR_USAGE, "checkpoint: no known key is named like the origin");
    *out_time_s = time_s;
out:
    return err;
}

enum ks_err ks_checkpoint_open(struct ks_bytes note, struct ks_bytes origin,
                               const struct ks_note_trust *trust,
                               struct ks_checkpoint_opened *out_opened)
{
    enum ks_err err = KS_OK;
    struct ks_checkpoint_opened opened = {0};
    struct ks_note parsed = {0};

    KS_TRY(ks_note_parse(note, &parsed));
    KS_TRY(ks_checkpoint_parse(parsed.text, &opened.checkpoint));
    KS_CHECK(ks_bytes_equal(opened.checkpoint.origin, origin), KS_ERR_VERIFY,
             "checkpoint: of the ledger '%.*s', not '%.*s'", (int)opened.checkpoint.origin.len,
             (const char *)opened.checkpoint.origin.data, (int)origin.len,
             (const char *)origin.data);
    KS_TRY(ks_note_verify(&parsed, trust, &opened.verdict));
    KS_TRY(check_own_keys(origin, trust, &opened.verdict, &opened.time_s));
    *out_opened = opened;
out:
    ks_note_done(&parsed);
    return err;
}
