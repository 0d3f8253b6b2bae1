/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Prints tests/vectors/checkpoint/accept/ketseal-both: the checkpoint of go-both (standard
 * input), signed anew by ketseal with the test keys, for `vectors_ledger check`. Run by hand;
 * see the SOURCE file there. */
#include <stdio.h>

#include "base/sys.h"
#include "ledger/checkpoint.h"

static enum ks_err make(struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes name = KS_LITERAL("example.org/ledger");
    struct ks_sign_key *ed25519 = NULL;
    struct ks_sign_key *mldsa = NULL;
    struct ks_checkpoint checkpoint;
    struct ks_note note = {0};
    struct ks_buf input;
    uint8_t seed[2][32];

    ks_buf_init(&input, KS_NOTE_LEN_MAX);
    for (size_t i = 0; i < 32; i++) {
        seed[0][i] = (uint8_t)(0x01 + i);
        seed[1][i] = (uint8_t)(0x81 + i);
    }
    KS_TRY(ks_file_read("-", KS_NOTE_LEN_MAX, &input));
    KS_TRY(ks_note_parse(ks_buf_view(&input), &note));
    KS_TRY(ks_checkpoint_parse(note.text, &checkpoint));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed[0]), &ed25519));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seed[1]), &mldsa));
    const struct ks_note_signer signers[] = {
        {name, KS_NOTE_ED25519, ed25519},
        {name, KS_NOTE_COSIGNED_MLDSA44, mldsa},
    };
    KS_TRY(ks_checkpoint_sign(&checkpoint, signers, 2, 1790000000, out));
out:
    ks_note_done(&note);
    ks_buf_done(&input);
    ks_sign_key_free(ed25519);
    ks_sign_key_free(mldsa);
    return err;
}

int main(void)
{
    struct ks_buf out;
    enum ks_err err = KS_OK;

    ks_buf_init(&out, KS_NOTE_LEN_MAX);
    err = make(&out);
    if (err == KS_OK) {
        (void)fwrite(out.data, 1, out.len, stdout);
    } else {
        (void)fprintf(stderr, "sign: %s\n", ks_err_detail());
    }
    ks_buf_done(&out);
    return ks_err_exit_code(err);
}
