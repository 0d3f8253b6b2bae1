/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A worker of a round, brought to where the round is: it is given the parent model, a
 * checkpoint where the rule has them, and every update that counts and is in none, in the order
 * of the chain. Files come from ketseald as descriptors and go on to the worker; every byte in
 * them is under a hash, and an update opens by a key that follows from the round's secret, now
 * or years later. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "crypto/kem.h"
#include "enclave/fl_plan.h"
#include "enclave/monitor.h"
#include "fl/gather.h"

#define STEP_US UINT64_C(300000000) /* that one step may take */

/* --- asking ------------------------------------------------------------------------------- */

static void expect(struct ks_fl_slot *slot, enum ks_fl_slot_state state, uint32_t request)
{
    slot->state = state;
    slot->request = request;
    slot->deadline_us = ks_clock_monotonic_us() + STEP_US;
}

/* FL_OPEN and FL_SYNC: u8 file, 16 session, u64 round, 32 hash: of the parent model, of the
 * sealed update, of what was written; else zeros; lp16 device: of an update; else empty */
void ks_fl_ask_files(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                     const struct ks_fl_asked *asked, enum ks_fl_slot_state state)
{
    static const uint8_t zeros[32] = {0};
    const struct ks_fl_subject *subject = &slot->replay.subject;
    const size_t begin = ks_frame_begin(&monitor->files.out, asked->type, ++monitor->files_id);

    ks_buf_put_u8(&monitor->files.out, (uint8_t)asked->file);
    ks_buf_put(&monitor->files.out, KS_BYTES(subject->session));
    ks_buf_put_u64(&monitor->files.out, subject->round);
    ks_buf_put(&monitor->files.out, ks_bytes_of(asked->hash == NULL ? zeros : asked->hash, 32));
    ks_buf_put_lp16(&monitor->files.out, asked->device);
    ks_frame_end(&monitor->files.out, begin);
    expect(slot, state, monitor->files_id);
}

enum ks_err ks_fl_hand_on(struct ks_fl_slot *slot, enum ks_fl_file file, uint64_t length,
                          int fd)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_work_file work = {file, length};
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    ks_fl_work_file_put(&work, &payload);
    KS_TRY(ks_buf_check(&payload));
    KS_TRY(ks_channel_send_fd(&slot->worker->channel, KS_FRAME_FL_FILE, 0,
                              ks_buf_view(&payload), fd));
out:
    ks_buf_done(&payload);
    return err;
}

enum ks_err ks_fl_ask_worker(struct ks_fl_slot *slot, uint16_t type,
                             const struct ks_buf *payload, enum ks_fl_slot_state state)
{
    enum ks_err err = KS_OK;
    struct ks_channel *channel = &slot->worker->channel;
    size_t begin = 0;

    KS_TRY(ks_buf_check(payload));
    begin = ks_frame_begin(&channel->out, type, slot->request + 1);
    ks_buf_put(&channel->out, ks_buf_view(payload));
    ks_frame_end(&channel->out, begin);
    expect(slot, state, slot->request + 1);
    KS_TRY(ks_channel_flush(channel));
out:
    return err;
}

/* --- the plan ----------------------------------------------------------------------------- */

enum ks_err ks_fl_gather_of(const struct ks_fl_plan *plan, uint32_t clients,
                            struct ks_fl_gather_params *out_params)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_plan_rule *rule = &plan->rule;
    struct ks_fl_gather_params params = {.params = (size_t)plan->params,
                                         .members_max = plan->wanted < clients
                                                            ? (size_t)plan->wanted
                                                            : clients, /* some may not work */
                                         .clients = clients,
                                         .robust = {.attackers = (unsigned)rule->attackers,
                                                    .keep = (unsigned)rule->keep,
                                                    .iterations = (unsigned)rule->iterations,
                                                    .radius = rule->radius,
                                                    .smoothing = rule->smoothing},
                                         .bucket = (unsigned)rule->bucket,
                                         .bound = rule->bound};

    err = ks_fl_rule_of(rule->aggregate, &params.robust.rule);
    KS_TRY(err == KS_OK ? KS_OK : ks_fail(KS_ERR_UNAVAILABLE, "%s", ks_err_detail()));
    KS_CHECK(params.robust.rule != KS_FL_FLTRUST, KS_ERR_UNAVAILABLE,
             "no site has the rule 'fltrust': it takes an update that the site has trained");
    *out_params = params;
out:
    return err;
}

bool ks_fl_plan_sums(const struct ks_fl_plan *plan)
{
    struct ks_fl_gather_params params = {.params = 0};

    /* a plan that was ordered */
    return ks_fl_gather_of(plan, (uint32_t)plan->invited, &params) != KS_OK ||
           ks_fl_gather_sums(&params);
}

static bool has_state(const struct ks_fl_replay *replay)
{
    static const uint8_t zeros[32] = {0};

    return !ks_bytes_equal(KS_BYTES(replay->state), KS_BYTES(zeros));
}

static enum ks_err send_begin(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_replay *replay = &slot->replay;
    const struct ks_fl_plan *plan = replay->plan;
    struct ks_fl_gather_params gather = {.params = 0};
    struct ks_fl_work_begin begin = {
        .subject = replay->subject,
        .clients = replay->clients,
        .bucket = (uint32_t)plan->rule.bucket,
        .bound = plan->rule.bound,
        .resumes = replay->checkpoint != 0,
        .checkpoint = ks_fl_checkpoint_file(replay->checkpoint),
        .keeps_aggregate = ks_fl_plan_keeps_aggregate(plan),
        .has_state = has_state(replay),
    };
    struct ks_buf payload;

    ks_buf_init(&payload, 1024);
    KS_TRY(ks_fl_gather_of(plan, replay->clients, &gather));
    begin.members_max = (uint32_t)gather.members_max;
    begin.robust = gather.robust;
    KS_TRY(ks_fl_plan_server(plan, &begin.server));
    ks_copy(begin.state_hash, replay->state, sizeof begin.state_hash);
    KS_TRY(ks_rounds_secret(monitor->state.rounds, KS_ROUNDS_STATE_LABEL,
                            replay->subject.session, 0, begin.state_key,
                            sizeof begin.state_key));
    ks_copy(begin.checkpoint_hash, replay->checkpoint_hash, sizeof begin.checkpoint_hash);
    KS_TRY(ks_rounds_secret(monitor->state.rounds, KS_ROUNDS_CHECKPOINT_LABEL,
                            replay->subject.session, replay->subject.round,
                            begin.checkpoint_key, sizeof begin.checkpoint_key));
    ks_fl_work_begin_put(&begin, &payload);
    KS_TRY(ks_fl_ask_worker(slot, KS_FRAME_FL_BEGIN, &payload, KS_SLOT_BEGIN));
out:
    ks_wipe(&begin, sizeof begin);
    ks_buf_wipe(&payload);
    return err;
}

/* --- one update --------------------------------------------------------------------------- */

/* The first bytes of the file FD, as many as HEAD has. The worker, which checks the hash of all
 * of it, would open nothing with the key that other bytes here lead to. */
static enum ks_err read_head(int fd, uint8_t head[KS_FL_SEALED_HEAD_LEN])
{
    enum ks_err err = KS_OK;
    size_t len = 0;

    while (len < KS_FL_SEALED_HEAD_LEN) {
        ssize_t count = pread(fd, head + len, KS_FL_SEALED_HEAD_LEN - len, (off_t)len);

        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_FORMAT, "sealed update: %s",
                 strerror(errno));
        KS_CHECK(count != 0, KS_ERR_FORMAT, "sealed update: it is %zu bytes", len);
        len += count > 0 ? (size_t)count : 0;
    }
out:
    return err;
}

/* The key of DEVICE's update in FD: what it encapsulated, unwrapped. */
static enum ks_err update_key(struct ks_monitor *monitor, const struct ks_fl_slot *slot,
                              struct ks_bytes device, int fd, uint8_t out_key[KS_AEAD_KEY_LEN])
{
    enum ks_err err = KS_OK;
    const struct ks_fl_subject *subject = &slot->replay.subject;
    uint8_t head[KS_FL_SEALED_HEAD_LEN];
    struct ks_bytes ciphertext = {0};
    struct ks_kem_key *key = NULL;
    struct ks_secret shared = {0};

    KS_TRY(read_head(fd, head));
    KS_TRY(ks_fl_sealed_ciphertext(KS_BYTES(head), &ciphertext));
    KS_TRY(ks_monitor_fl_key(monitor, slot->session, subject->round, &key));
    KS_TRY(ks_kem_decap(key, ciphertext, &shared));
    KS_TRY(ks_fl_seal_key(&shared, ciphertext, subject, device, out_key));
out:
    ks_kem_key_free(key);
    ks_secret_done(&shared);
    return err;
}

enum ks_err ks_fl_send_update(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                              const struct ks_fl_replay_update *update, uint64_t length, int fd,
                              enum ks_fl_slot_state state)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_update work = {.client = ks_bytes_text(update->device),
                                     .place = update->place,
                                     .samples = update->samples,
                                     .encoding = update->encoding};
    struct ks_buf payload;

    ks_buf_init(&payload, 1024);
    KS_TRY(update_key(monitor, slot, work.client, fd, work.key));
    ks_copy(work.sealed, update->sealed, sizeof work.sealed);
    ks_fl_work_update_put(&work, &payload);
    KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_UPDATE, length, fd));
    KS_TRY(ks_fl_ask_worker(slot, KS_FRAME_FL_UPDATE, &payload, state));
out:
    ks_wipe(&work, sizeof work);
    ks_buf_wipe(&payload);
    return err;
}

enum ks_err ks_fl_send_finish(struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_finish work;
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    KS_TRY(ks_random(work.nonce, sizeof work.nonce));
    ks_fl_work_finish_put(&work, &payload);
    KS_TRY(ks_fl_ask_worker(slot, KS_FRAME_FL_FINISH, &payload, KS_SLOT_FINISH));
out:
    ks_buf_done(&payload);
    return err;
}

/* --- the replay --------------------------------------------------------------------------- */

bool ks_fl_replays(const struct ks_fl_slot *slot)
{
    switch (slot->state) {
    case KS_SLOT_OPEN_PARENT:
    case KS_SLOT_OPEN_STATE:
    case KS_SLOT_OPEN_PAST:
    case KS_SLOT_BEGIN:
    case KS_SLOT_OPEN_AGAIN:
    case KS_SLOT_ADD_AGAIN:
        return true;
    default:
        return false;
    }
}

void ks_fl_replay_start(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    const struct ks_fl_asked asked = {.type = KS_FRAME_FL_OPEN,
                                      .file = KS_FL_FILE_PARENT,
                                      .hash = slot->replay.subject.parent};

    slot->replay.next = 0;
    ks_fl_ask_files(monitor, slot, &asked, KS_SLOT_OPEN_PARENT);
}

/* The next update that the worker has not been given, or it waits for new ones. */
static void next_update(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    const struct ks_fl_replay *replay = &slot->replay;
    struct ks_fl_asked asked = {.type = KS_FRAME_FL_OPEN, .file = KS_FL_FILE_UPDATE};

    if (replay->next == replay->count) {
        slot->state = KS_SLOT_READY;
        return;
    }
    asked.hash = replay->updates[replay->next].sealed;
    asked.device = ks_bytes_text(replay->updates[replay->next].device);
    ks_fl_ask_files(monitor, slot, &asked, KS_SLOT_OPEN_AGAIN);
}

/* The parent and, where there is one, the state are with the worker: the checkpoint, then it
 * begins. */
static enum ks_err go_on(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    const struct ks_fl_asked past = {.type = KS_FRAME_FL_OPEN,
                                     .file = ks_fl_checkpoint_file(slot->replay.checkpoint)};

    if (slot->replay.checkpoint == 0) {
        return send_begin(monitor, slot);
    }
    ks_fl_ask_files(monitor, slot, &past, KS_SLOT_OPEN_PAST);
    return KS_OK;
}

enum ks_err ks_fl_replay_opened(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                uint64_t length, int fd)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_replay *replay = &slot->replay;
    const struct ks_fl_asked state = {
        .type = KS_FRAME_FL_OPEN, .file = KS_FL_FILE_STATE, .hash = replay->state};

    switch (slot->state) {
    case KS_SLOT_OPEN_PARENT:
        KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_PARENT, length, fd));
        if (has_state(replay)) {
            ks_fl_ask_files(monitor, slot, &state, KS_SLOT_OPEN_STATE);
        } else {
            KS_TRY(go_on(monitor, slot));
        }
        break;
    case KS_SLOT_OPEN_STATE:
        KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_STATE, length, fd));
        KS_TRY(go_on(monitor, slot));
        break;
    case KS_SLOT_OPEN_PAST:
        KS_TRY(ks_fl_hand_on(slot, ks_fl_checkpoint_file(replay->checkpoint),
                             replay->checkpoint_len, fd));
        KS_TRY(send_begin(monitor, slot));
        break;
    case KS_SLOT_OPEN_AGAIN:
        KS_TRY(ks_fl_send_update(monitor, slot, &replay->updates[replay->next], length, fd,
                                 KS_SLOT_ADD_AGAIN));
        break;
    default:
        KS_TRY(ks_fail(KS_ERR_FORMAT, "ketseald's files: a descriptor that nobody waits for"));
    }
out:
    return err;
}

static enum ks_err take_begun(struct ks_fl_slot *slot, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_begun begun;

    KS_TRY(ks_fl_work_begun_read(reader, &begun));
    KS_CHECK(begun.members == slot->replay.checkpoint_members, KS_ERR_VERIFY,
             "the worker goes on from %u updates, where %zu count", begun.members,
             slot->replay.checkpoint_members);
    (void)snprintf(slot->kernels, sizeof slot->kernels, "%.*s", (int)begun.kernels.len,
                   (const char *)begun.kernels.data);
    slot->threads = begun.threads;
out:
    return err;
}

static enum ks_err take_added(struct ks_fl_slot *slot, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_fl_replay *replay = &slot->replay;
    struct ks_fl_work_added added;

    KS_TRY(ks_fl_work_added_read(reader, &added));
    KS_CHECK(
        ks_bytes_equal(KS_BYTES(added.update), KS_BYTES(replay->updates[replay->next].update)),
        KS_ERR_VERIFY, "the update of '%s' is another one than before",
        replay->updates[replay->next].device);
    replay->norms_other += added.norm != replay->updates[replay->next].norm;
    replay->next++;
out:
    return err;
}

enum ks_err ks_fl_replay_answered(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                  struct ks_reader *reader)
{
    enum ks_err err = KS_OK;

    if (slot->state == KS_SLOT_BEGIN) {
        KS_TRY(take_begun(slot, reader));
    } else {
        KS_CHECK(slot->state == KS_SLOT_ADD_AGAIN, KS_ERR_FORMAT,
                 "worker of a round: it spoke before it was asked");
        KS_TRY(take_added(slot, reader));
    }
    next_update(monitor, slot);
out:
    return err;
}

void ks_fl_replay_done(struct ks_fl_replay *replay)
{
    ks_free(replay->updates);
    *replay = (struct ks_fl_replay){.updates = NULL};
}
