/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Keys of notes: what passes prints as the same bytes. */
#include "ledger/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_note_key *key = NULL;
    struct ks_buf printed;

    if (ks_note_key_parse(ks_bytes_of(data, size), &key) != KS_OK) {
        return 0;
    }
    ks_buf_init(&printed, KS_NOTE_VKEY_MAX);
    ks_note_key_print(key, &printed);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&printed), ks_bytes_of(data, size)));
    ks_buf_done(&printed);
    ks_note_key_free(key);
    return 0;
}
