/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* link_pair.h: both ends of a link in one process, with somebody between them. */
#ifndef KS_TESTS_UNIT_LINK_PAIR_H
#define KS_TESTS_UNIT_LINK_PAIR_H

#include "qkd/link.h"

#define LINK_KINDS 12 /* as on the wire, from 1; 0xff is an abort */

struct link_pair {
    struct ks_link *ends[2];
    size_t messages;       /* of the last block */
    enum ks_err errors[2]; /* first that receive or send said, of each end */
    uint8_t digest[32];    /* over all messages of the last block */
};

/* What becomes of message INDEX on its way to END: delivered TIMES times, as it is then. */
struct link_fate {
    unsigned times;
};
typedef struct link_fate (*link_hook)(void *context, size_t index, unsigned end,
                                      struct ks_buf *message);

/* A block of 2 * 10^5 pulses over no distance that gives a key, in a few hundredths of a
 * second. */
struct ks_link_params link_pair_params(void);
/* Ends of the seeds SEED and SEED + 1 with SECRET_LEN bytes of secret. */
void link_pair_init(struct link_pair *pair, const struct ks_link_params *params, uint8_t seed,
                    size_t secret_len);
void link_pair_done(struct link_pair *pair);
/* A block; HOOK may be NULL. Stops when nobody has anything to say. */
void link_pair_run(struct link_pair *pair, link_hook hook, void *context);
/* Fails the test unless both have the same key and the same report. */
void link_pair_expect_key(const struct link_pair *pair);
const struct ks_link_report *link_pair_report(const struct link_pair *pair, unsigned end);

#endif
