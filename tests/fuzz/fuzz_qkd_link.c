/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Messages of a link. The first byte says who reads: Alice or Bob alone, from a peer that says
 * whatever the other bytes hold, under right headers or under headers of its own; or both ends
 * of a small block, with the bytes changing what goes between them. No end that was lied to has
 * a key, and the keys of two ends are never different. */

#include "qkd/link.h"

#define HEADER_LEN 14 /* kind, more, block, sequence */
#define ROUNDS_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ks_link_params params_of(double distance_km)
{
    struct ks_link_params params = ks_link_params_default();

    params.protocol.pulses = 200000;
    params.protocol.intensity[KS_LINK_SIGNAL] = 1.04;
    params.protocol.intensity[KS_LINK_DECOY] = 0.4;
    params.protocol.probability[KS_LINK_SIGNAL] = 0.25;
    params.protocol.probability[KS_LINK_DECOY] = 0.55;
    params.protocol.probability[KS_LINK_VACUUM] = 0.2;
    params.protocol.basis_x = 0.76;
    params.protocol.secrecy = 1e-3;
    params.protocol.frame_bits = 4096;
    params.fibre.distance_km = distance_km;
    params.detector = (struct ks_link_detector){.efficiency = 1.0, .misalignment = 0.005};
    return params;
}

static struct ks_link *end_of(enum ks_link_role role, double distance_km)
{
    const struct ks_link_params params = params_of(distance_km);
    const uint8_t seed[KS_LINK_SEED_LEN] = {(uint8_t)role};
    const uint8_t secret[KS_LINK_SECRET_MIN] = {1};
    struct ks_link *link = NULL;

    KS_ASSERT(ks_link_new(role, &params, seed, KS_BYTES(secret), &link) == KS_OK);
    KS_ASSERT(ks_link_start(link) == KS_OK);
    return link;
}

/* Lets LINK say all it has to say, to nobody. */
static void drain(struct ks_link *link)
{
    struct ks_buf message;
    enum ks_err err = KS_OK;

    ks_buf_init(&message, KS_LINK_MESSAGE_MAX);
    do {
        ks_buf_clear(&message);
        err = ks_link_send(link, &message);
    } while (err == KS_OK && message.len > 0);
    ks_buf_done(&message);
}

static void deliver(struct ks_link *link, struct ks_bytes message)
{
    if (ks_link_receive(link, message) != KS_OK) {
        KS_ASSERT(ks_link_report(link)->outcome != KS_LINK_OUTCOME_RUNNING);
    }
}

/* Bob hears an honest beginning: nobody guesses its digest. */
static void begin(struct ks_link *bob)
{
    struct ks_link *alice = end_of(KS_LINK_ALICE, 5000.0);
    struct ks_buf message;

    ks_buf_init(&message, KS_LINK_MESSAGE_MAX);
    KS_ASSERT(ks_link_send(alice, &message) == KS_OK);
    deliver(bob, ks_buf_view(&message));
    ks_buf_done(&message);
    ks_link_free(alice);
}

/* A flag, a kind, a length and a body for each message. */
static void lie(enum ks_link_role role, struct ks_reader *reader)
{
    struct ks_link *link = end_of(role, 5000.0);
    uint32_t sequence = 0;
    uint8_t flags = 0;
    uint8_t kind = 0;
    struct ks_bytes body;

    drain(link);
    if (role == KS_LINK_BOB) {
        begin(link);
        sequence++;
    }
    while (ks_read_u8(reader, &flags) == KS_OK && ks_read_u8(reader, &kind) == KS_OK &&
           ks_read_lp16(reader, UINT16_MAX, &body) == KS_OK) {
        struct ks_buf message;

        ks_buf_init(&message, HEADER_LEN + UINT16_MAX);
        if ((flags & 1) == 0) {
            ks_buf_put_u8(&message, kind);
            ks_buf_put_u8(&message, flags >> 1 & 1);
            ks_buf_put_u64(&message, 0);
            ks_buf_put_u32(&message, sequence++);
        }
        ks_buf_put(&message, body);
        deliver(link, ks_buf_view(&message));
        ks_buf_done(&message);
        drain(link);
    }
    KS_ASSERT(ks_link_key(link).len == 0);
    ks_link_free(link);
}

struct change {
    uint32_t index; /* of the message */
    uint8_t flip;
    uint8_t times;
    uint32_t at; /* of the byte, modulo the length */
};

static void read_change(struct ks_reader *reader, struct change *change)
{
    *change = (struct change){.index = UINT32_MAX};
    if (ks_read_u32(reader, &change->index) != KS_OK ||
        ks_read_u8(reader, &change->flip) != KS_OK ||
        ks_read_u8(reader, &change->times) != KS_OK ||
        ks_read_u32(reader, &change->at) != KS_OK) {
        change->index = UINT32_MAX;
    }
    change->index %= change->index == UINT32_MAX ? UINT32_MAX : 1024;
}

static void meddle(struct ks_reader *reader)
{
    struct ks_link *ends[2] = {end_of(KS_LINK_ALICE, 0.0), end_of(KS_LINK_BOB, 0.0)};
    struct change change;
    struct ks_buf message;
    uint32_t index = 0;
    bool spoke = true;

    ks_buf_init(&message, KS_LINK_MESSAGE_MAX);
    read_change(reader, &change);
    for (unsigned round = 0; spoke && round < ROUNDS_MAX; round++) {
        spoke = false;
        for (unsigned end = 0; end < 2; end++) {
            unsigned times = 1;

            ks_buf_clear(&message);
            KS_ASSERT(ks_link_send(ends[end], &message) == KS_OK);
            if (message.len == 0) {
                continue;
            }
            spoke = true;
            if (index == change.index) {
                message.data[change.at % message.len] ^= change.flip;
                times = change.times % 3;
                read_change(reader, &change);
            }
            index++;
            for (unsigned i = 0; i < times; i++) {
                deliver(ends[1 - end], ks_buf_view(&message));
            }
        }
    }
    const struct ks_bytes alice = ks_link_key(ends[0]);
    const struct ks_bytes bob = ks_link_key(ends[1]);

    KS_ASSERT(alice.len == 0 || bob.len == 0 || ks_bytes_equal(alice, bob));
    KS_ASSERT(alice.len == 0 || bob.len > 0);
    ks_buf_done(&message);
    ks_link_free(ends[0]);
    ks_link_free(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_reader reader = ks_reader_of(ks_bytes_of(data, size), "input");
    uint8_t who = 0;

    if (ks_read_u8(&reader, &who) != KS_OK) {
        return 0;
    }
    switch (who % 3) {
    case 0:
        lie(KS_LINK_ALICE, &reader);
        break;
    case 1:
        lie(KS_LINK_BOB, &reader);
        break;
    default:
        meddle(&reader);
        break;
    }
    return 0;
}
