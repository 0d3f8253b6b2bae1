/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* One client's turn, and what the server does with what comes: the update is encoded, sealed to
 * the round's ML-KEM-768 key, opened again by that key, checked against the round and added. */

#include <math.h>
#include <stdio.h>

#include "cli/flsim_work.h"
#include "crypto/digest.h"
#include "fl/seal.h"
#include "fl/update.h"

/* --- keys --------------------------------------------------------------------------------- */

/* The key of ROUND: it follows from the session's secret, so that what was sealed before a
 * crash opens after it. */
static enum ks_err take_kem(struct ks_flsim *sim, uint64_t round)
{
    enum ks_err err = KS_OK;
    uint8_t seed[KS_KEM_SEED_LEN] = {0};
    char info[KS_FLSIM_NAME];

    if (sim->kem != NULL && sim->kem_round == round) {
        return KS_OK;
    }
    ks_kem_key_free(sim->kem);
    sim->kem = NULL;
    (void)snprintf(info, sizeof info, "ketseal/fl-simulation-kem/1\n%llu",
                   (unsigned long long)round);
    KS_TRY(ks_hkdf_sha256(KS_BYTES(sim->state.secret), (struct ks_bytes){0},
                          ks_bytes_text(info), seed, sizeof seed));
    KS_TRY(ks_kem_key_from_seed(KS_KEM_MLKEM768, KS_BYTES(seed), &sim->kem));
    ks_buf_clear(&sim->kem_public);
    KS_TRY(ks_kem_key_public(sim->kem, &sim->kem_public));
    KS_TRY(ks_buf_check(&sim->kem_public));
    sim->kem_round = round;
out:
    ks_wipe(seed, sizeof seed);
    return err;
}

static struct ks_bytes name_of(const struct ks_flsim *sim, size_t client)
{
    return sim->plan->clients[client].name;
}

/* sim->update as the client sends it. */
static enum ks_err seal(struct ks_flsim *sim, const struct ks_flsim_about *about)
{
    enum ks_err err = KS_OK;
    struct ks_secret shared = {0};
    struct ks_buf ciphertext;
    uint8_t key[KS_AEAD_KEY_LEN] = {0};

    ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN);
    KS_TRY(ks_kem_encap(KS_KEM_MLKEM768, ks_buf_view(&sim->kem_public), &ciphertext, &shared));
    KS_TRY(ks_fl_seal_key(&shared, ks_buf_view(&ciphertext), &about->subject,
                          name_of(sim, about->client), key));
    ks_buf_clear(&sim->sealed);
    KS_TRY(ks_fl_seal(key, ciphertext.data, ks_buf_view(&sim->update), &sim->sealed));
    KS_TRY(ks_buf_check(&sim->sealed));
out:
    ks_buf_done(&ciphertext);
    ks_secret_done(&shared);
    ks_wipe(key, sizeof key);
    return err;
}

/* The server's side, with nothing but sim->sealed: the change, in sim->change, and the hash of
 * the update. */
static enum ks_err open_sealed(struct ks_flsim *sim, const struct ks_flsim_about *about,
                               uint8_t out_hash[KS_FL_HASH_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_bytes head = ks_buf_view(&sim->sealed);
    struct ks_secret shared = {0};
    uint8_t key[KS_AEAD_KEY_LEN] = {0};
    struct ks_bytes ciphertext = {0};
    struct ks_fl_update update;

    head.len = head.len < KS_FL_SEALED_HEAD_LEN ? head.len : KS_FL_SEALED_HEAD_LEN;
    KS_TRY(ks_fl_sealed_ciphertext(head, &ciphertext));
    KS_TRY(ks_kem_decap(sim->kem, ciphertext, &shared));
    KS_TRY(
        ks_fl_seal_key(&shared, ciphertext, &about->subject, name_of(sim, about->client), key));
    ks_buf_clear(&sim->opened);
    KS_TRY(ks_fl_unseal(key, ks_buf_view(&sim->sealed), &sim->opened));
    KS_TRY(ks_fl_update_read(ks_buf_view(&sim->opened), &update));
    KS_TRY(ks_fl_update_about(&update, &about->subject));
    KS_CHECK(update.encoding == sim->plan->encode.encoding, KS_ERR_CONFLICT,
             "the update has another encoding than the session");
    ks_fl_decode(update.encoding, update.payload, sim->params, sim->change);
    ks_sha256(ks_buf_view(&sim->opened), out_hash);
out:
    ks_secret_done(&shared);
    ks_wipe(key, sizeof key);
    return err;
}

/* --- the client --------------------------------------------------------------------------- */

static enum ks_err train(struct ks_flsim *sim, const struct ks_flsim_about *about,
                         struct ks_flsim_turn *turn)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_plan *plan = sim->plan;
    const bool attacks = ks_flsim_attacks(plan, about->client);

    *turn = (struct ks_flsim_turn){.client = about->client,
                                   .round = about->round,
                                   .flipped = attacks && plan->attack == KS_FLSIM_LABEL_FLIP,
                                   .model = about->model,
                                   .change = sim->change};
    if (plan->server.rule == KS_FL_SCAFFOLD) {
        turn->control = ks_fl_server_control(sim->server);
        turn->own_control = sim->memory;
        turn->control_change = sim->control_change;
    }
    KS_TRY(ks_flsim_memories(plan) > 0 ? ks_flsim_memory_load(sim, about->client) : KS_OK);
    KS_TRY(sim->spec.hooks->train(sim->spec.hooks->context, turn));
    KS_TRY(ks_fl_check_finite(sim->change, sim->params));
    KS_CHECK(isfinite(turn->loss), KS_ERR_FORMAT, "the loss is no number");
    if (attacks) {
        ks_flsim_attack(sim, about->client, about->round);
    } else if (sim->honest != NULL) {
        ks_flsim_note_honest(sim);
    }
out:
    return err;
}

/* sim->change as an update; what top-k left out is remembered. */
static enum ks_err encode(struct ks_flsim *sim, const struct ks_flsim_about *about)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_plan *plan = sim->plan;
    struct ks_fl_encode how = plan->encode;
    struct ks_fl_update update = {.subject = about->subject,
                                  .samples = plan->clients[about->client].samples,
                                  .encoding = how.encoding};

    how.seed = plan->seed ^ (about->round << 32 | about->client);
    ks_buf_clear(&sim->payload);
    if (how.encoding == KS_FL_TOPK) {
        float *residual = sim->memory + (plan->server.rule == KS_FL_SCAFFOLD ? sim->params : 0);

        KS_TRY(ks_fl_encode_feedback(&how, sim->change, residual, sim->params, &sim->payload));
    } else {
        KS_TRY(ks_fl_encode(&how, sim->change, sim->params, &sim->payload));
    }
    KS_TRY(ks_buf_check(&sim->payload));
    update.payload = ks_buf_view(&sim->payload);
    ks_buf_clear(&sim->update);
    ks_fl_update_write(&update, &sim->update);
    KS_TRY(ks_buf_check(&sim->update));
out:
    return err;
}

/* --- the server --------------------------------------------------------------------------- */

/* sim->change as the row, or in the bucket, of the MEMBER-th that counts. */
static enum ks_err keep_row(struct ks_flsim *sim, size_t index,
                            const struct ks_fl_member *member, double norm)
{
    float *row = NULL;

    if (sim->buckets != NULL) {
        return ks_fl_buckets_add(sim->buckets, index, member, sim->change,
                                 ks_fl_norm_scale(norm, sim->plan->bound), sim->spec.pool);
    }
    row = sim->rows + index * sim->params;
    ks_copy(row, sim->change, sim->params * sizeof *row);
    (void)ks_fl_bound_norm(row, sim->params, sim->plan->bound, sim->spec.pool);
    return KS_OK;
}

static enum ks_err keep_sealed(const struct ks_flsim *sim, size_t client)
{
    char name[KS_FLSIM_NAME];

    (void)snprintf(name, sizeof name, "update-%zu", client);
    return sim->spec.fs->write(sim->spec.fs->context, name, ks_buf_view(&sim->sealed));
}

static enum ks_err add_controls(struct ks_flsim *sim, struct ks_fl_member member)
{
    enum ks_err err = KS_OK;

    member.weight = 1;
    KS_TRY(
        ks_fl_accumulator_add(sim->controls, &member, sim->control_change, 1, sim->spec.pool));
    for (size_t i = 0; i < sim->params; i++) {
        sim->memory[i] += sim->control_change[i];
    }
out:
    return err;
}

/* What was opened counts from now on, in memory. */
static enum ks_err add(struct ks_flsim *sim, const struct ks_flsim_about *about,
                       const struct ks_flsim_turn *turn, const uint8_t hash[KS_FL_HASH_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_flsim_state *state = &sim->state;
    struct ks_fl_member member = {.weight = about->weight};
    struct ks_flsim_member fact = {.client = (uint32_t)about->client,
                                   .samples = about->weight,
                                   .version = about->round,
                                   .length = sim->sealed.len,
                                   .steps = turn->steps,
                                   .at_us = ks_clock_us(),
                                   .loss = turn->loss};

    fact.norm = sqrt(ks_fl_norm_squared(sim->change, sim->params, sim->spec.pool));
    ks_copy(fact.update, hash, sizeof fact.update);
    ks_sha256(ks_buf_view(&sim->sealed), fact.sealed);
    ks_copy(member.update, hash, sizeof member.update);
    ks_fl_client_id(name_of(sim, about->client), member.client);
    if (sim->sum != NULL) {
        KS_TRY(ks_fl_accumulator_add(sim->sum, &member, sim->change,
                                     ks_fl_norm_scale(fact.norm, sim->plan->bound),
                                     sim->spec.pool));
    } else {
        KS_TRY(keep_row(sim, state->members_count, &member, fact.norm));
        KS_TRY(keep_sealed(sim, about->client));
    }
    KS_TRY(sim->controls != NULL ? add_controls(sim, member) : KS_OK);
    KS_TRY(ks_flsim_memories(sim->plan) > 0 ? ks_flsim_memory_save(sim, about->client) : KS_OK);
    state->members[state->members_count++] = fact;
    sim->uploaded += fact.length;
    sim->uncommitted++;
out:
    return err;
}

/* Whether an update that met ERR is one that a round goes on without. */
static bool is_refusal(enum ks_err err)
{
    return err == KS_ERR_FORMAT || err == KS_ERR_LIMIT;
}

enum ks_err ks_flsim_turn(struct ks_flsim *sim, const struct ks_flsim_about *about,
                          bool *out_counts)
{
    enum ks_err err = KS_OK;
    struct ks_flsim_turn turn = {0};
    uint8_t hash[KS_FL_HASH_LEN];

    *out_counts = false;
    KS_TRY(take_kem(sim, about->subject.round));
    err = train(sim, about, &turn);
    err = err == KS_OK ? encode(sim, about) : err;
    if (is_refusal(err)) {
        sim->state.refused++;
        return KS_OK;
    }
    KS_TRY(err);
    KS_TRY(seal(sim, about));
    KS_TRY(open_sealed(sim, about, hash));
    err = add(sim, about, &turn, hash);
    if (is_refusal(err)) {
        sim->state.refused++;
        return KS_OK;
    }
    KS_TRY(err);
    *out_counts = true;
out:
    return ks_fail_prefix(err, "client %zu", about->client);
}

enum ks_err ks_flsim_replay(struct ks_flsim *sim, size_t member)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_member *fact = &sim->state.members[member];
    struct ks_flsim_about about = {.client = fact->client, .round = fact->version};
    struct ks_fl_member counts = {0};
    uint8_t sealed[KS_FL_HASH_LEN];
    uint8_t hash[KS_FL_HASH_LEN];
    char name[KS_FLSIM_NAME];

    about.subject = ks_fl_round_params(sim->round)->subject;
    (void)snprintf(name, sizeof name, "update-%u", fact->client);
    ks_buf_clear(&sim->sealed);
    KS_TRY(ks_fs_load(sim->spec.fs, name, sim->sealed.max, &sim->sealed));
    ks_sha256(ks_buf_view(&sim->sealed), sealed);
    KS_CHECK(ks_bytes_equal(KS_BYTES(sealed), KS_BYTES(fact->sealed)), KS_ERR_VERIFY,
             "%s is not what the state names", name);
    KS_TRY(take_kem(sim, about.subject.round));
    KS_TRY(open_sealed(sim, &about, hash));
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(fact->update)), KS_ERR_VERIFY,
             "%s opens as another update", name);
    counts.weight = fact->samples;
    ks_copy(counts.update, hash, sizeof counts.update);
    ks_fl_client_id(name_of(sim, fact->client), counts.client);
    KS_TRY(keep_row(sim, member, &counts, fact->norm));
out:
    return err;
}
