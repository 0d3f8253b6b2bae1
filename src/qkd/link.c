/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/internal.h"

/* Most that any phase says at once. */
#define PAYLOAD_MAX ((size_t)KS_LINK_DETECTED_MAX * 8 + 4)
#define ANSWER_MAX  ((size_t)KS_CASCADE_WINDOW * KS_CASCADE_FRAME_MAX / 8)

/* --- life --------------------------------------------------------------------------------- */

static void forget_key(struct ks_link *link)
{
    if (link->key != NULL) {
        ks_wipe(link->key, link->key_len);
    }
    ks_free(link->key);
    link->key = NULL;
    link->key_len = 0;
}

/* All of a block but its report and its key. */
static void forget_block(struct ks_link *link)
{
    ks_qkd_detector_done(&link->detector);
    ks_qkd_stream_done(&link->public);
    ks_wipe(&link->channel, sizeof link->channel);
    ks_wipe(&link->source, sizeof link->source);
    ks_wipe(&link->block_key, sizeof link->block_key);
    ks_sift_done(&link->sift);
    ks_cascade_free(link->cascade);
    link->cascade = NULL;
    ks_auth_hash_done(&link->transcript);
    ks_buf_wipe(&link->outbox);
    ks_buf_wipe(&link->inbox);
    ks_buf_wipe(&link->answer);
}

void ks_link_end(struct ks_link *link, enum ks_link_outcome outcome)
{
    link->report.outcome = outcome;
    link->report.pool_bits = 8 * (uint64_t)link->pool.len;
    forget_block(link);
    if (outcome != KS_LINK_OUTCOME_KEY) {
        forget_key(link);
        link->report.secret_bits = 0;
    }
}

enum ks_err ks_link_new(enum ks_link_role role, const struct ks_link_params *params,
                        const uint8_t seed[KS_LINK_SEED_LEN], struct ks_bytes secret,
                        struct ks_link **out_link)
{
    enum ks_err err = KS_OK;
    struct ks_link *link = ks_calloc(1, sizeof *link);

    KS_CHECK(link != NULL, KS_ERR_NOMEM, "a link");
    KS_TRY(ks_link_params_check(params));
    KS_CHECK(secret.len >= KS_LINK_SECRET_MIN && secret.len <= KS_LINK_SECRET_MAX, KS_ERR_USAGE,
             "initial secret of %zu bytes, from %d to %d", secret.len, KS_LINK_SECRET_MIN,
             KS_LINK_SECRET_MAX);
    link->role = role;
    link->params = *params;
    link->seed = ks_qkd_key_of(seed);
    link->report.outcome = KS_LINK_OUTCOME_POOL; /* nothing was begun */
    ks_buf_init(&link->outbox, PAYLOAD_MAX);
    ks_buf_init(&link->inbox, PAYLOAD_MAX);
    ks_buf_init(&link->answer, ANSWER_MAX);
    KS_TRY(ks_link_digest(&params->protocol, link->digest));
    KS_TRY(ks_gf2_find(params->kernel, &link->gf2));
    ks_copy(link->hash_key, secret.data, sizeof link->hash_key);
    KS_TRY(ks_auth_pool_put(
        &link->pool, ks_bytes_of(secret.data + KS_AUTH_KEY_LEN, secret.len - KS_AUTH_KEY_LEN)));
    link->report.pool_bits = 8 * (uint64_t)link->pool.len;
    *out_link = link;
    link = NULL;
out:
    ks_link_free(link);
    return err;
}

void ks_link_free(struct ks_link *link)
{
    if (link == NULL) {
        return;
    }
    forget_block(link);
    forget_key(link);
    ks_auth_pool_done(&link->pool);
    ks_wipe(link, sizeof *link);
    ks_free(link);
}

static void begin_alice(struct ks_link *link)
{
    ks_qkd_stream_init(&link->public, &link->block_key, KS_QKD_USE_PUBLIC);
    ks_qkd_source_init(&link->source, &link->params.protocol, &link->block_key);
    ks_qkd_channel_init(&link->channel, &link->source, &link->params, &link->block_key);
}

enum ks_err ks_link_start(struct ks_link *link)
{
    const uint64_t number = link->blocks++;

    forget_block(link);
    forget_key(link);
    link->report = (struct ks_link_report){
        .block = number,
        .pulses = link->params.protocol.pulses,
        .pool_bits = 8 * (uint64_t)link->pool.len,
    };
    link->phase = KS_LINK_BEGIN;
    link->abort_due = false;
    link->sequence_out = 0;
    link->sequence_in = 0;
    link->outbox_made = false;
    link->outbox_sent = 0;
    link->photon_seen = false;
    link->verified = false;
    link->block_key = ks_qkd_key_derive(&link->seed, KS_QKD_USE_BLOCK, number);
    ks_auth_hash_init(&link->transcript, link->gf2, link->hash_key);
    if (link->role == KS_LINK_ALICE) {
        begin_alice(link);
    } else {
        ks_qkd_detector_init(&link->detector, &link->params, &link->block_key);
    }
    if (ks_auth_pool_pads(&link->pool) < KS_LINK_PADS) {
        ks_link_end(link, KS_LINK_OUTCOME_POOL);
        link->abort_due = true;
    }
    return KS_OK;
}

/* --- sending ------------------------------------------------------------------------------ */

static void put_header(struct ks_link *link, unsigned kind, bool more, struct ks_buf *out)
{
    ks_buf_put_u8(out, (uint8_t)kind);
    ks_buf_put_u8(out, more ? 1 : 0);
    ks_buf_put_u64(out, link->report.block);
    ks_buf_put_u32(out, link->sequence_out++);
}

static enum ks_err send_abort(struct ks_link *link, struct ks_buf *out)
{
    link->abort_due = false;
    put_header(link, KS_LINK_ABORT, false, out);
    return ks_buf_check(out);
}

static enum ks_err send_photons(struct ks_link *link, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t at = out->len + 1; /* of the flag */
    bool more = false;

    put_header(link, KS_LINK_PHOTONS, true, out);
    KS_TRY(ks_link_make_photons(link, out, &more));
    if (!more) {
        out->data[at] = 0;
        KS_TRY(ks_link_advance(link));
    }
out:
    return err;
}

/* The next part of this phase's payload. */
static enum ks_err send_part(struct ks_link *link, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t start = out->len;

    if (!link->outbox_made) {
        ks_buf_clear(&link->outbox);
        link->outbox_sent = 0;
        KS_TRY(ks_link_make(link, &link->outbox));
        link->outbox_made = true;
    }
    const size_t left = link->outbox.len - link->outbox_sent;
    const size_t len = left < KS_LINK_CHUNK_MAX ? left : KS_LINK_CHUNK_MAX;
    const bool more = len < left;

    put_header(link, link->phase, more, out);
    if (len > 0) {
        ks_buf_put(out, ks_bytes_of(link->outbox.data + link->outbox_sent, len));
    }
    KS_TRY(ks_buf_check(out));
    ks_auth_hash_put(&link->transcript, ks_bytes_of(out->data + start, out->len - start));
    link->report.sent++;
    link->outbox_sent += len;
    if (!more) {
        link->outbox_made = false;
        KS_TRY(ks_link_advance(link));
    }
out:
    return err;
}

static bool running(const struct ks_link *link)
{
    return link->report.outcome == KS_LINK_OUTCOME_RUNNING;
}

/* The block ends for a fault of this end's or of the message that it got. */
static void give_up(struct ks_link *link, enum ks_err err)
{
    ks_link_end(link, err == KS_ERR_VERIFY ? KS_LINK_OUTCOME_AUTHENTICATION
                                           : KS_LINK_OUTCOME_MALFORMED);
    link->abort_due = true;
}

enum ks_err ks_link_send(struct ks_link *link, struct ks_buf *out_message)
{
    enum ks_err err = KS_OK;

    if (link->abort_due) {
        return send_abort(link, out_message);
    }
    if (!running(link) || ks_link_sender(link->phase) != link->role) {
        return KS_OK;
    }
    err = link->phase == KS_LINK_PHOTONS ? send_photons(link, out_message)
                                         : send_part(link, out_message);
    if (err != KS_OK) {
        give_up(link, err);
    }
    return err;
}

/* --- receiving ---------------------------------------------------------------------------- */

struct header {
    uint8_t kind;
    bool more;
    uint64_t block;
    uint32_t sequence;
};

static enum ks_err read_header(struct ks_reader *reader, struct header *out_header)
{
    enum ks_err err = KS_OK;
    struct header header = {0};
    uint8_t more = 0;

    KS_TRY(ks_read_u8(reader, &header.kind));
    KS_TRY(ks_read_u8(reader, &more));
    KS_TRY(ks_read_u64(reader, &header.block));
    KS_TRY(ks_read_u32(reader, &header.sequence));
    KS_CHECK(more <= 1, KS_ERR_FORMAT, "message of a link: flag %u", more);
    header.more = more == 1;
    *out_header = header;
out:
    return err;
}

static enum ks_err check_header(const struct ks_link *link, const struct header *header)
{
    enum ks_err err = KS_OK;

    KS_CHECK(running(link), KS_ERR_FORMAT, "message of a link: the block is done");
    KS_CHECK(header->block == link->report.block, KS_ERR_FORMAT,
             "message of a link: block %llu, not %llu", (unsigned long long)header->block,
             (unsigned long long)link->report.block);
    KS_CHECK(header->sequence == link->sequence_in, KS_ERR_FORMAT,
             "message of a link: number %u, not %u", header->sequence, link->sequence_in);
    KS_CHECK(ks_link_sender(link->phase) != link->role && header->kind == (uint8_t)link->phase,
             KS_ERR_FORMAT, "message of a link: kind %u in phase %u", header->kind,
             (unsigned)link->phase);
out:
    return err;
}

/* One more part of this phase's payload. */
static enum ks_err take_part(struct ks_link *link, struct ks_bytes message,
                             struct ks_bytes part, bool more)
{
    enum ks_err err = KS_OK;

    KS_CHECK(!more || part.len == KS_LINK_CHUNK_MAX, KS_ERR_FORMAT,
             "message of a link: a part that is not full and not the last");
    KS_CHECK(part.len <= ks_link_payload_max(link->phase) - link->inbox.len, KS_ERR_LIMIT,
             "message of a link: phase %u says more than %zu bytes", (unsigned)link->phase,
             ks_link_payload_max(link->phase));
    /* A proof covers what came before it. */
    ks_auth_hash_value(&link->transcript, link->proof);
    ks_auth_hash_put(&link->transcript, message);
    ks_buf_put(&link->inbox, part);
    KS_TRY(ks_buf_check(&link->inbox));
    if (!more) {
        KS_TRY(ks_link_take(link, ks_buf_view(&link->inbox)));
        ks_buf_clear(&link->inbox);
        KS_TRY(ks_link_advance(link));
    }
out:
    return err;
}

static enum ks_err receive(struct ks_link *link, struct ks_bytes message)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(message, "message of a link");
    struct header header = {0};

    KS_CHECK(message.len <= KS_LINK_MESSAGE_MAX, KS_ERR_LIMIT,
             "message of a link: %zu bytes, at most %zu", message.len, KS_LINK_MESSAGE_MAX);
    KS_TRY(read_header(&reader, &header));
    if (header.kind == KS_LINK_ABORT && header.block == link->report.block && !header.more) {
        KS_TRY(ks_read_end(&reader));
        if (running(link) || link->report.outcome == KS_LINK_OUTCOME_KEY) {
            ks_link_end(link, KS_LINK_OUTCOME_PEER);
        }
        return KS_OK;
    }
    KS_TRY(check_header(link, &header));
    link->sequence_in++;
    if (link->phase == KS_LINK_PHOTONS) {
        KS_TRY(ks_link_take_photons(link, reader.rest, header.more));
        if (!header.more) {
            KS_TRY(ks_link_advance(link));
        }
        return KS_OK;
    }
    link->report.received++;
    KS_TRY(take_part(link, message, reader.rest, header.more));
out:
    return err;
}

enum ks_err ks_link_receive(struct ks_link *link, struct ks_bytes message)
{
    const bool was_running = running(link);
    const enum ks_err err = receive(link, message);

    if (err != KS_OK && was_running) {
        give_up(link, err);
    }
    return err;
}

/* --- answers ------------------------------------------------------------------------------ */

bool ks_link_done(const struct ks_link *link)
{
    return !running(link) && !link->abort_due;
}

const struct ks_link_report *ks_link_report(const struct ks_link *link)
{
    return &link->report;
}

struct ks_bytes ks_link_key(const struct ks_link *link)
{
    if (link->report.outcome != KS_LINK_OUTCOME_KEY) {
        return (struct ks_bytes){NULL, 0};
    }
    return ks_bytes_of(link->key + KS_LINK_REFILL_LEN, link->key_len - KS_LINK_REFILL_LEN);
}
