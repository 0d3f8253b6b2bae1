/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/roster.h"

#include <string.h>

void ks_roster_done(struct ks_roster *roster)
{
    ks_free(roster->entries);
    *roster = (struct ks_roster){0};
}

size_t ks_roster_after(const struct ks_roster *roster, struct ks_bytes name)
{
    size_t low = 0;
    size_t high = roster->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (ks_bytes_compare(ks_bytes_text(roster->entries[middle].device), name) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The entry of DEVICE; NULL. */
static struct ks_roster_entry *find(struct ks_roster *roster, const char *device)
{
    const size_t after = ks_roster_after(roster, ks_bytes_text(device));

    return after > 0 && strcmp(roster->entries[after - 1].device, device) == 0
               ? &roster->entries[after - 1]
               : NULL;
}

/* Those of ROUND who are not in ROSTER. */
static size_t count_new(struct ks_roster *roster, const struct ks_fl_round *round)
{
    size_t count = 0;

    for (size_t i = 0; i < ks_fl_round_participants(round); i++) {
        count += find(roster, ks_fl_round_participant(round, i)->name) == NULL ? 1 : 0;
    }
    return count;
}

enum ks_err ks_roster_invite(struct ks_roster *roster, const struct ks_fl_round *round,
                             uint64_t number)
{
    const size_t asked = ks_fl_round_participants(round);
    const size_t kept =
        roster->count + count_new(roster, round) > KS_ROSTER_MAX ? 0 : roster->count;
    struct ks_roster_entry *merged = ks_calloc(kept + asked, sizeof *merged);
    size_t from = 0;
    size_t count = 0;

    if (merged == NULL) {
        return ks_fail(KS_ERR_NOMEM, "roster of a session");
    }
    for (size_t i = 0; i < asked; i++) { /* both ascend */
        const char *name = ks_fl_round_participant(round, i)->name;

        while (from < kept && strcmp(roster->entries[from].device, name) < 0) {
            merged[count++] = roster->entries[from++];
        }
        if (from < kept && strcmp(roster->entries[from].device, name) == 0) {
            merged[count] = roster->entries[from++];
        }
        ks_copy(merged[count].device, name, strlen(name));
        merged[count].invited = number;
        merged[count++].standing = KS_FL_INVITED;
    }
    while (from < kept) {
        merged[count++] = roster->entries[from++];
    }
    ks_free(roster->entries);
    roster->entries = merged;
    roster->count = count;
    return KS_OK;
}

void ks_roster_count(struct ks_roster *roster, const char *device, uint64_t number,
                     uint32_t samples, double loss)
{
    struct ks_roster_entry *entry = find(roster, device);

    KS_ASSERT(entry != NULL); /* it was asked */
    entry->last = number;
    entry->samples = samples;
    entry->loss = loss;
    entry->updates++;
}

void ks_roster_end(struct ks_roster *roster, const struct ks_fl_round *round)
{
    for (size_t i = 0; i < ks_fl_round_participants(round); i++) {
        const struct ks_fl_participant *participant = ks_fl_round_participant(round, i);
        struct ks_roster_entry *entry = find(roster, participant->name);

        KS_ASSERT(entry != NULL);
        entry->standing = participant->standing;
    }
}
