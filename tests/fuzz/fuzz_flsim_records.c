/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The records of a simulated session: whatever they say, they are read or refused. */
#include "cli/flsim_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ks_err see_update(void *context, const struct ks_flsim_update_record *record)
{
    (void)context;
    KS_ASSERT(record->round >= 1);
    return KS_OK;
}

static enum ks_err see_round(void *context, const struct ks_flsim_round_record *record)
{
    (void)context;
    KS_ASSERT(record->round >= 1);
    return KS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ks_flsim_visitor visitor = {NULL, see_update, see_round};
    const struct ks_bytes text = ks_bytes_of(data, size);
    struct ks_flsim_checked checked = {0};

    (void)ks_flsim_records_are(text);
    if (ks_flsim_records_visit(text, &visitor, &checked) == KS_OK) {
        KS_ASSERT(checked.rounds <= size && checked.updates <= size);
    }
    return 0;
}
