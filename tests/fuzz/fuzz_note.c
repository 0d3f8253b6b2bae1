/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Signed notes: what passes prints as the same bytes, and verifies or not without harm. */
#include "ledger/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key of the seeds in corpus/note. */
static struct ks_note_key *known_key(void)
{
    static struct ks_note_key *key = NULL;

    if (key == NULL) {
        KS_ASSERT(ks_note_key_parse(KS_LITERAL("example.com/foo+530d903a+"
                                               "AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"),
                                    &key) == KS_OK);
    }
    return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_note_key *const keys[] = {known_key()};
    const struct ks_note_trust trust = {keys, 1, true};
    struct ks_note_verdict verdict;
    struct ks_note note;
    struct ks_buf printed;

    if (ks_note_parse(ks_bytes_of(data, size), &note) != KS_OK) {
        return 0;
    }
    KS_ASSERT(note.count >= 1 && note.count <= KS_NOTE_SIGNATURES_MAX);
    KS_ASSERT(note.text.len >= 1 && note.text.data[note.text.len - 1] == '\n');
    ks_buf_init(&printed, KS_NOTE_LEN_MAX);
    ks_note_print(&note, &printed);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&printed), ks_bytes_of(data, size)));
    (void)!ks_note_verify(&note, &trust, &verdict);
    ks_buf_done(&printed);
    ks_note_done(&note);
    return 0;
}
