/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "link_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/digest.h"

struct ks_link_params link_pair_params(void)
{
    struct ks_link_params params = ks_link_params_default();

    params.protocol = (struct ks_link_protocol){
        .pulses = 200000,
        .intensity = {1.04, 0.4, 0.0},
        .probability = {0.25, 0.55, 0.2},
        .basis_x = 0.76,
        .sample = 1.0 / 64,
        .secrecy = 1e-3,
        .correctness = 1e-15,
        .frame_bits = 4096,
    };
    params.fibre.distance_km = 0.0;
    params.detector = (struct ks_link_detector){.efficiency = 1.0, .misalignment = 0.005};
    return params;
}

void link_pair_init(struct link_pair *pair, const struct ks_link_params *params, uint8_t seed,
                    size_t secret_len)
{
    uint8_t secret[KS_LINK_SECRET_MAX];

    *pair = (struct link_pair){0};
    for (size_t i = 0; i < secret_len; i++) {
        secret[i] = (uint8_t)(17 * i + seed);
    }
    for (unsigned end = 0; end < 2; end++) {
        const uint8_t bytes[KS_LINK_SEED_LEN] = {(uint8_t)(seed + end), (uint8_t)(end + 1)};

        assert_int_equal(ks_link_new((enum ks_link_role)end, params, bytes,
                                     ks_bytes_of(secret, secret_len), &pair->ends[end]),
                         KS_OK);
    }
}

void link_pair_done(struct link_pair *pair)
{
    ks_link_free(pair->ends[0]);
    ks_link_free(pair->ends[1]);
    *pair = (struct link_pair){0};
}

const struct ks_link_report *link_pair_report(const struct link_pair *pair, unsigned end)
{
    return ks_link_report(pair->ends[end]);
}

static void note(struct link_pair *pair, unsigned end, enum ks_err err)
{
    if (pair->errors[end] == KS_OK) {
        pair->errors[end] = err;
    }
}

/* True when END had something to say. */
static bool turn(struct link_pair *pair, unsigned end, link_hook hook, void *context,
                 struct ks_sha256 *hash)
{
    struct ks_buf message;
    struct link_fate fate = {1};
    bool spoke;

    ks_buf_init(&message, KS_LINK_MESSAGE_MAX + 64);
    note(pair, end, ks_link_send(pair->ends[end], &message));
    spoke = message.len > 0;
    if (spoke) {
        ks_sha256_update(hash, ks_buf_view(&message));
        if (hook != NULL) {
            fate = hook(context, pair->messages, 1 - end, &message);
        }
        pair->messages++;
        for (unsigned i = 0; i < fate.times; i++) {
            note(pair, 1 - end, ks_link_receive(pair->ends[1 - end], ks_buf_view(&message)));
        }
    }
    ks_buf_done(&message);
    return spoke;
}

void link_pair_run(struct link_pair *pair, link_hook hook, void *context)
{
    struct ks_sha256 *hash = NULL;
    bool spoke = true;

    assert_int_equal(ks_sha256_new(&hash), KS_OK);
    pair->messages = 0;
    for (unsigned end = 0; end < 2; end++) {
        pair->errors[end] = KS_OK;
        assert_int_equal(ks_link_start(pair->ends[end]), KS_OK);
    }
    while (spoke) {
        const bool alice = turn(pair, 0, hook, context, hash);

        spoke = turn(pair, 1, hook, context, hash) || alice;
    }
    ks_sha256_final(hash, pair->digest);
    ks_sha256_free(hash);
}

void link_pair_expect_key(const struct link_pair *pair)
{
    const struct ks_bytes keys[2] = {ks_link_key(pair->ends[0]), ks_link_key(pair->ends[1])};
    struct ks_link_report alice = *link_pair_report(pair, 0);
    struct ks_link_report bob = *link_pair_report(pair, 1);

    assert_true(ks_link_done(pair->ends[0]) && ks_link_done(pair->ends[1]));
    assert_int_equal(alice.outcome, KS_LINK_OUTCOME_KEY);
    assert_true(keys[0].len > 0 && ks_bytes_equal(keys[0], keys[1]));
    assert_int_equal(alice.secret_bits, 8 * keys[0].len);
    assert_int_equal(alice.sent, bob.received);
    assert_int_equal(bob.sent, alice.received);
    bob.sent = alice.sent;
    bob.received = alice.received;
    assert_memory_equal(&alice, &bob, sizeof alice);
}
