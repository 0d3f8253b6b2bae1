/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "witness/witness.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "crypto/digest.h"

#define TEXT_TYPE   "text/plain; charset=utf-8"
#define FORK_SUFFIX ".fork"
#define FILE_LEN    (KS_WITNESS_ID_LEN + sizeof(FORK_SUFFIX))
#define ANSWER_MAX  32768 /* bytes: the lines of KS_WITNESS_SIGNERS_MAX keys, or a sentence */

/* What is known of one log. */
struct watched {
    const struct ks_witness_log *log;
    char id[KS_WITNESS_ID_LEN + 1]; /* the name of its file */
    bool known;
    uint64_t size;
    uint8_t root[KS_MERKLE_LEN];
    struct ks_buf note; /* as it was cosigned */
    bool broken;        /* a write failed: what the file says is not known until a restart */
    bool forked;        /* evidence was kept already */
};

struct ks_witness {
    struct ks_witness_spec spec;
    struct watched *logs;
    struct ks_note_key *own[KS_WITNESS_SIGNERS_MAX];
};

/* --- opening ------------------------------------------------------------------------------ */

/* Both the log's keys and ours: one of them has to have signed what we find. */
static enum ks_err verify_kept(const struct ks_witness *witness, const struct watched *watched,
                               const struct ks_note *note)
{
    const struct ks_note_key *keys[KS_WITNESS_LOG_KEYS_MAX + KS_WITNESS_SIGNERS_MAX];
    struct ks_note_trust trust = {.keys = keys};
    struct ks_note_verdict verdict;

    for (size_t i = 0; i < watched->log->key_count; i++) {
        keys[trust.count++] = watched->log->keys[i];
    }
    for (size_t i = 0; i < witness->spec.signer_count; i++) {
        keys[trust.count++] = witness->own[i];
    }
    return ks_note_verify(note, &trust, &verdict);
}

static enum ks_err load(struct ks_witness *witness, struct watched *watched)
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};
    struct ks_checkpoint checkpoint;

    err = ks_fs_load(witness->spec.fs, watched->id, KS_NOTE_LEN_MAX, &watched->note);
    if (err == KS_ERR_NOT_FOUND) {
        return KS_OK;
    }
    KS_TRY(err);
    KS_TRY(ks_note_parse(ks_buf_view(&watched->note), &note));
    KS_TRY(ks_checkpoint_parse(note.text, &checkpoint));
    KS_CHECK(ks_bytes_equal(checkpoint.origin, watched->log->origin), KS_ERR_VERIFY,
             "it is of another log");
    KS_TRY(verify_kept(witness, watched, &note));
    watched->size = checkpoint.size;
    ks_copy(watched->root, checkpoint.root, sizeof watched->root);
    watched->known = true;
out:
    ks_note_done(&note);
    return ks_fail_prefix(err, "state '%s'", watched->id);
}

static enum ks_err watch(struct ks_witness *witness, size_t index)
{
    enum ks_err err = KS_OK;
    struct watched *watched = &witness->logs[index];
    uint8_t hash[KS_SHA256_LEN];

    watched->log = &witness->spec.logs[index];
    ks_merkle_empty(watched->root);
    KS_CHECK(watched->log->key_count >= 1 && watched->log->key_count <= KS_WITNESS_LOG_KEYS_MAX,
             KS_ERR_USAGE, "a log has 1 to %d keys", KS_WITNESS_LOG_KEYS_MAX);
    KS_TRY(ks_note_name_check(watched->log->origin, "log: the origin"));
    ks_sha256(watched->log->origin, hash);
    ks_hex_encode(KS_BYTES(hash), watched->id);
    for (size_t i = 0; i < index; i++) {
        KS_CHECK(!ks_bytes_equal(KS_BYTES(witness->logs[i].id), KS_BYTES(watched->id)),
                 KS_ERR_USAGE, "log '%.*s' is there twice", (int)watched->log->origin.len,
                 (const char *)watched->log->origin.data);
    }
    KS_TRY(load(witness, watched));
out:
    return err;
}

static enum ks_err make_own_keys(struct ks_witness *witness)
{
    enum ks_err err = KS_OK;
    struct ks_buf vkey;

    ks_buf_init(&vkey, KS_NOTE_VKEY_MAX);
    for (size_t i = 0; i < witness->spec.signer_count; i++) {
        KS_CHECK(witness->spec.signers[i].type != KS_NOTE_ED25519, KS_ERR_USAGE,
                 "a witness makes cosignatures");
        ks_buf_clear(&vkey);
        KS_TRY(ks_note_signer_vkey(&witness->spec.signers[i], &vkey));
        KS_TRY(ks_note_key_parse(ks_buf_view(&vkey), &witness->own[i]));
    }
out:
    ks_buf_done(&vkey);
    return err;
}

enum ks_err ks_witness_new(const struct ks_witness_spec *spec, struct ks_witness **out_witness)
{
    enum ks_err err = KS_OK;
    struct ks_witness *witness = ks_calloc(1, sizeof *witness);

    KS_CHECK(witness != NULL, KS_ERR_NOMEM, "witness");
    KS_CHECK(spec->signer_count >= 1 && spec->signer_count <= KS_WITNESS_SIGNERS_MAX,
             KS_ERR_USAGE, "a witness has 1 to %d keys", KS_WITNESS_SIGNERS_MAX);
    KS_CHECK(spec->log_count >= 1 && spec->log_count <= KS_WITNESS_LOGS_MAX, KS_ERR_USAGE,
             "a witness watches 1 to %d logs", KS_WITNESS_LOGS_MAX);
    witness->spec = *spec;
    witness->logs = ks_calloc(spec->log_count, sizeof *witness->logs);
    KS_CHECK(witness->logs != NULL, KS_ERR_NOMEM, "witness");
    for (size_t i = 0; i < spec->log_count; i++) {
        ks_buf_init(&witness->logs[i].note, KS_NOTE_LEN_MAX);
    }
    KS_TRY(make_own_keys(witness));
    for (size_t i = 0; i < spec->log_count; i++) {
        KS_TRY(watch(witness, i));
    }
    *out_witness = witness;
    witness = NULL; /* transferred */
out:
    ks_witness_free(witness);
    return err;
}

void ks_witness_free(struct ks_witness *witness)
{
    if (witness == NULL) {
        return;
    }
    for (size_t i = 0; witness->logs != NULL && i < witness->spec.log_count; i++) {
        ks_buf_done(&witness->logs[i].note);
    }
    for (size_t i = 0; i < KS_WITNESS_SIGNERS_MAX; i++) {
        ks_note_key_free(witness->own[i]);
    }
    ks_free(witness->logs);
    ks_free(witness);
}

uint64_t ks_witness_size(const struct ks_witness *witness, size_t index, bool *out_known)
{
    KS_ASSERT(index < witness->spec.log_count);
    *out_known = witness->logs[index].known;
    return witness->logs[index].size;
}

enum ks_err ks_witness_checkpoint(const struct ks_witness *witness, struct ks_bytes id,
                                  struct ks_bytes *out_note)
{
    for (size_t i = 0; i < witness->spec.log_count; i++) {
        const struct watched *watched = &witness->logs[i];

        if (watched->known && ks_bytes_is(id, watched->id)) {
            *out_note = ks_buf_view(&watched->note);
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "no checkpoint of such a log");
}

/* --- add-checkpoint ----------------------------------------------------------------------- */

void ks_witness_answer_done(struct ks_witness_answer *answer)
{
    ks_buf_done(&answer->body);
}

static void refuse(struct ks_witness_answer *answer, enum ks_witness_event event, int status,
                   const char *sentence)
{
    answer->event = event;
    answer->status = status;
    answer->type = TEXT_TYPE;
    ks_buf_put_text(&answer->body, sentence);
    ks_buf_put_text(&answer->body, "\n");
}

/* 409 with the size of the last checkpoint cosigned. */
static void refuse_size(const struct watched *watched, struct ks_witness_answer *answer,
                        enum ks_witness_event event)
{
    answer->event = event;
    answer->status = 409;
    answer->type = KS_COSIGN_SIZE_TYPE;
    ks_buf_put_format(&answer->body, "%" PRIu64 "\n", watched->size);
}

static struct watched *find_log(struct ks_witness *witness, struct ks_bytes origin)
{
    for (size_t i = 0; i < witness->spec.log_count; i++) {
        if (ks_bytes_equal(witness->logs[i].log->origin, origin)) {
            return &witness->logs[i];
        }
    }
    return NULL;
}

/* The note, its text, its head: how a request is seen after it was taken apart. */
struct submission {
    struct ks_cosign_request request;
    struct ks_note note;
    struct ks_checkpoint checkpoint;
};

static enum ks_err take_apart(struct ks_bytes body, struct submission *submission)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_cosign_request_parse(body, &submission->request));
    KS_TRY(ks_note_parse(submission->request.note, &submission->note));
    KS_TRY(ks_checkpoint_parse(submission->note.text, &submission->checkpoint));
out:
    return err;
}

static enum ks_err verify_log(const struct watched *watched,
                              const struct submission *submission)
{
    const struct ks_note_trust trust = {.keys = watched->log->keys,
                                        .count = watched->log->key_count};
    struct ks_note_verdict verdict;

    return ks_note_verify(&submission->note, &trust, &verdict);
}

/* The first checkpoint that a log signed against its own word is kept for whoever asks. A
 * failure here changes nothing about the refusal. */
static void keep_evidence(struct ks_witness *witness, struct watched *watched,
                          const struct submission *submission)
{
    char name[FILE_LEN];

    if (!watched->forked) {
        (void)snprintf(name, sizeof name, "%s" FORK_SUFFIX, watched->id);
        watched->forked =
            ks_fs_replace(witness->spec.fs, name, submission->request.note) == KS_OK;
    }
}

/* The note with our lines instead of whatever witnesses' lines it came with: the log's own
 * lines and ours. LINES gets ours alone. */
static enum ks_err cosign(const struct ks_witness *witness, const struct watched *watched,
                          const struct submission *submission, uint64_t time_s,
                          struct ks_buf *note, struct ks_buf *lines)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < witness->spec.signer_count; i++) {
        KS_TRY(
            ks_note_sign_line(submission->note.text, &witness->spec.signers[i], time_s, lines));
    }
    ks_buf_put(note, submission->note.text);
    ks_buf_put_text(note, "\n");
    for (size_t i = 0; i < submission->note.count; i++) {
        for (size_t k = 0; k < watched->log->key_count; k++) {
            if (submission->note.lines[i].key_id == ks_note_key_id(watched->log->keys[k]) &&
                ks_bytes_equal(submission->note.lines[i].name,
                               ks_note_key_name(watched->log->keys[k]))) {
                ks_note_print_line(&submission->note.lines[i], note);
            }
        }
    }
    ks_buf_put(note, ks_buf_view(lines));
    KS_TRY(ks_buf_check(note));
out:
    return err;
}

/* Makes NOTE the last one of its log, on disk first. */
static enum ks_err remember(struct ks_witness *witness, struct watched *watched,
                            const struct submission *submission, struct ks_buf *note)
{
    enum ks_err err = KS_OK;
    struct ks_buf old = watched->note;

    watched->broken = true;
    KS_TRY(ks_fs_replace(witness->spec.fs, watched->id, ks_buf_view(note)));
    watched->broken = false;
    watched->note = *note;
    *note = old; /* the caller's to release */
    watched->size = submission->checkpoint.size;
    ks_copy(watched->root, submission->checkpoint.root, sizeof watched->root);
    watched->known = true;
out:
    return err;
}

static enum ks_err accept(struct ks_witness *witness, struct watched *watched,
                          const struct submission *submission, uint64_t time_s,
                          struct ks_witness_answer *answer)
{
    enum ks_err err = KS_OK;
    bool moves = !watched->known || submission->checkpoint.size > watched->size;
    struct ks_buf note;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    KS_TRY(cosign(witness, watched, submission, time_s, &note, &answer->body));
    if (moves) {
        KS_TRY(remember(witness, watched, submission, &note));
    }
    answer->event = KS_WITNESS_COSIGNED;
    answer->status = 200;
    answer->type = TEXT_TYPE;
out:
    ks_buf_done(&note);
    if (err != KS_OK && err != KS_ERR_NOMEM) {
        ks_buf_clear(&answer->body);
        refuse(answer, KS_WITNESS_BROKEN_LOG, 503, "the checkpoint could not be kept");
        err = KS_OK;
    }
    return err;
}

/* Whether the checkpoint extends the last one. */
static enum ks_err judge(struct ks_witness *witness, struct watched *watched,
                         const struct submission *submission, uint64_t time_s,
                         struct ks_witness_answer *answer)
{
    const struct ks_cosign_request *request = &submission->request;
    const struct ks_checkpoint *checkpoint = &submission->checkpoint;

    if (request->old_size > checkpoint->size) {
        refuse(answer, KS_WITNESS_MALFORMED, 400, "the old size is over the checkpoint's");
    } else if (request->old_size != watched->size) {
        refuse_size(watched, answer, KS_WITNESS_BEHIND);
    } else if (watched->known && checkpoint->size == watched->size &&
               !ks_bytes_equal(KS_BYTES(checkpoint->root), KS_BYTES(watched->root))) {
        keep_evidence(witness, watched, submission);
        refuse_size(watched, answer, KS_WITNESS_FORK);
    } else if (ks_merkle_check_consistency(watched->size, watched->root, checkpoint->size,
                                           checkpoint->root, request->proof[0],
                                           request->proof_count) != KS_OK) {
        /* No evidence: anybody may send a good checkpoint with a bad proof. */
        refuse(answer, KS_WITNESS_UNPROVEN, 422, ks_err_detail());
    } else if (watched->broken) {
        refuse(answer, KS_WITNESS_BROKEN_LOG, 503, "an earlier write failed");
    } else {
        return accept(witness, watched, submission, time_s, answer);
    }
    return KS_OK;
}

enum ks_err ks_witness_add(struct ks_witness *witness, struct ks_bytes body, uint64_t time_s,
                           struct ks_witness_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_witness_answer answer = {0};
    struct submission submission = {0};
    struct watched *watched = NULL;

    ks_buf_init(&answer.body, ANSWER_MAX);
    if (take_apart(body, &submission) != KS_OK) {
        refuse(&answer, KS_WITNESS_MALFORMED, 400, ks_err_detail());
        goto out;
    }
    ks_text_shown(submission.checkpoint.origin, answer.origin, sizeof answer.origin);
    answer.old_size = submission.request.old_size;
    answer.size = submission.checkpoint.size;
    watched = find_log(witness, submission.checkpoint.origin);
    if (watched == NULL) {
        refuse(&answer, KS_WITNESS_STRANGER, 404, "this witness does not watch such a log");
    } else if (verify_log(watched, &submission) != KS_OK) {
        refuse(&answer, KS_WITNESS_UNSIGNED, 403, ks_err_detail());
    } else {
        KS_TRY(judge(witness, watched, &submission, time_s, &answer));
    }
out:
    ks_note_done(&submission.note);
    err = err == KS_OK ? ks_buf_check(&answer.body) : err;
    if (err == KS_OK) {
        *out_answer = answer;
    } else {
        ks_witness_answer_done(&answer);
    }
    return err;
}
