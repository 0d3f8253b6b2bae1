/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* json_attack.h: changes a canonical document in every way that its format forbids, one at a
 * time, and expects its reader to refuse each. Works on the text alone, so it shares no code
 * with the readers. Include after cmocka. */
#ifndef KS_TESTS_UNIT_JSON_ATTACK_H
#define KS_TESTS_UNIT_JSON_ATTACK_H

#include "base/buf.h"

struct json_attack {
    struct ks_bytes pattern; /* a canonical object */
    /* Makes the document around a changed PATTERN, signed by whoever could have; NULL: the
     * pattern is the document. */
    void (*wrap)(struct ks_bytes pattern, struct ks_buf *out);
    enum ks_err (*read)(struct ks_bytes document);
    const char *opaque[2]; /* members whose inside is somebody else's to read; NULL: none */
    const char *nullable;  /* member that may be null; NULL: none */
    const char *optional;  /* member that may be missing; NULL: none */
};

/* Takes out every member, gives it twice, gives it every other type, puts an unknown one into
 * every object; at any depth. Each must be KS_ERR_FORMAT or KS_ERR_LIMIT: anything else, a
 * false signature too, fails the test. Returns how many documents there were. */
size_t json_attack_members(const struct json_attack *attack);

/* Flips one bit of each byte of DOCUMENT in [BEGIN, END), chosen by *SEED. None may be
 * accepted. */
void json_attack_bytes(struct ks_bytes document, size_t begin, size_t end, uint64_t *seed,
                       enum ks_err (*read)(struct ks_bytes document));

/* Replaces the value of member NAME, the first of that name, by VALUE. */
void json_attack_set(struct ks_bytes pattern, const char *name, const char *value,
                     struct ks_buf *out);
/* Where the value of member NAME stands, the first of that name. */
struct ks_bytes json_attack_value(struct ks_bytes pattern, const char *name);

#endif
