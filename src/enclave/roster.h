/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* roster.h: who has been asked in a session of federated learning, by device id: how it stood
 * in the last round that asked it, what of it counts. In memory alone: after a start it begins
 * with the round that is open then. One thread. */
#ifndef KS_ENCLAVE_ROSTER_H
#define KS_ENCLAVE_ROSTER_H

#include "fl/round.h"

#define KS_ROSTER_MAX                                                                          \
    KS_FL_CLIENTS_MAX /* entries; beyond, it begins anew with the next round */

struct ks_roster_entry {
    char device[KS_FL_CLIENT_NAME_MAX + 1];
    enum ks_fl_standing standing; /* of the round `invited`, as that ended */
    uint32_t samples;             /* of the update of the round `last` */
    uint64_t invited;             /* the last round that asked it */
    uint64_t last;                /* and the last one that has an update of it; 0: none */
    uint64_t updates;             /* that counted */
    double loss;
};

/* ENTRIES ascending, each device once. Zeroed: empty. */
struct ks_roster {
    struct ks_roster_entry *entries;
    size_t count;
};

void ks_roster_done(struct ks_roster *roster);
/* NUMBER, which is ROUND, asks its participants. */
KS_MUST_CHECK enum ks_err ks_roster_invite(struct ks_roster *roster,
                                           const struct ks_fl_round *round, uint64_t number);
/* An update of DEVICE counts in round NUMBER. */
void ks_roster_count(struct ks_roster *roster, const char *device, uint64_t number,
                     uint32_t samples, double loss);
/* ROUND ends: as its participants stand is what is remembered. */
void ks_roster_end(struct ks_roster *roster, const struct ks_fl_round *round);
/* The first entry behind NAME ("": of all); the number of entries when there is none. */
size_t ks_roster_after(const struct ks_roster *roster, struct ks_bytes name);

#endif
