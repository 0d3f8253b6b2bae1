/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The lists of rounds: made as a round ends, of what was delivered; a file of its own until the
 * round's record is durable, since then ketseald has it. */

#include <stdio.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/rounds_state.h"
#include "record/fl_updates.h"

static void list_name(const uint8_t id[KS_SESSION_LEN], uint64_t number,
                      char target[KS_ROUNDS_FILE_NAME_MAX])
{
    char hex[2 * KS_SESSION_LEN + 1];

    ks_hex_encode(ks_bytes_of(id, KS_SESSION_LEN), hex);
    (void)snprintf(target, KS_ROUNDS_FILE_NAME_MAX, "fl-%s.%llu.list", hex,
                   (unsigned long long)number);
}

/* Where DEVICE is among those invited, who are in the order of their names. */
static uint32_t place_of(const struct ks_fl_round *round, const char *device)
{
    size_t low = 0;
    size_t high = ks_fl_round_participants(round);

    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;

        if (ks_bytes_compare(ks_bytes_text(ks_fl_round_participant(round, middle)->name),
                             ks_bytes_text(device)) <= 0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (uint32_t)low;
}

static struct ks_fl_counted counted_of(const struct ks_rounds_session *session,
                                       const struct ks_delivery *delivery)
{
    struct ks_fl_counted counted = {.device = ks_bytes_text(delivery->device),
                                    .encoding =
                                        ks_bytes_text(ks_fl_encoding_word(delivery->encoding)),
                                    .job = ks_bytes_text(delivery->job),
                                    .length = delivery->length,
                                    .loss = delivery->loss,
                                    .norm = delivery->norm,
                                    .place = place_of(session->round, delivery->device),
                                    .reason = ks_bytes_text(delivery->reason),
                                    .samples = delivery->samples,
                                    .suspicion = delivery->suspicion};

    ks_copy(counted.record, delivery->record, sizeof counted.record);
    ks_copy(counted.sealed, delivery->sealed, sizeof counted.sealed);
    ks_copy(counted.update, delivery->update, sizeof counted.update);
    return counted;
}

enum ks_err ks_rounds_list_make(struct ks_rounds_session *session)
{
    enum ks_err err = KS_OK;
    struct ks_round_summary *open = &session->open;
    struct ks_fl_updates updates = {
        .round = session->last, .invited = (uint32_t)ks_fl_round_participants(session->round)};
    struct ks_fl_updates_sum sum = {.samples = 0};

    updates.counted = ks_calloc(session->delivered + 1, sizeof *updates.counted);
    KS_CHECK(updates.counted != NULL, KS_ERR_NOMEM, "list of a round");
    ks_copy(updates.session, session->id, sizeof updates.session);
    for (; updates.count < session->delivered; updates.count++) {
        updates.counted[updates.count] =
            counted_of(session, &session->deliveries[updates.count]);
    }
    KS_TRY(ks_fl_updates_sum(&updates, &sum));
    ks_buf_clear(&session->list);
    ks_fl_updates_write(&updates, &session->list);
    KS_TRY(ks_buf_check(&session->list));
    ks_sha256(ks_buf_view(&session->list), open->list);
    ks_copy(open->updates, sum.digest, sizeof open->updates);
    open->count = (uint32_t)updates.count;
    open->samples = sum.samples;
    open->loss = sum.loss;
out:
    ks_free(updates.counted);
    return err;
}

enum ks_err ks_rounds_list_save(const struct ks_rounds *rounds,
                                struct ks_rounds_session *session)
{
    enum ks_err err = KS_OK;
    char name[KS_ROUNDS_FILE_NAME_MAX];

    if (session->list.len > 0) {
        list_name(session->id, session->last, name);
        KS_TRY(ks_fs_replace(rounds->fs, name, ks_buf_view(&session->list)));
        ks_buf_done(&session->list); /* it may be large, and is wanted once */
        ks_buf_init(&session->list, KS_FL_UPDATES_BYTES_MAX);
    }
out:
    return err;
}

enum ks_err ks_rounds_list(const struct ks_rounds *rounds,
                           const struct ks_rounds_session *session,
                           const struct ks_round_summary *summary, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char name[KS_ROUNDS_FILE_NAME_MAX];
    uint8_t digest[KS_SHA256_LEN];

    list_name(session->id, summary->number, name);
    KS_TRY(ks_fs_load(rounds->fs, name, KS_FL_UPDATES_BYTES_MAX, out));
    ks_sha256(ks_buf_view(out), digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(summary->list)), KS_ERR_VERIFY,
             "%s: it was changed", name);
out:
    return err;
}

void ks_rounds_list_forget(const struct ks_rounds *rounds,
                           const struct ks_rounds_session *session, uint64_t number)
{
    char name[KS_ROUNDS_FILE_NAME_MAX];

    list_name(session->id, number, name);
    (void)rounds->fs->unlink(rounds->fs->context, name); /* what stays is overwritten */
}
