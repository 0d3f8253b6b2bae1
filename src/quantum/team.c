/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/team.h"

#define DETAIL_WORDS (KS_ERR_DETAIL_MAX / sizeof(uint64_t))

/* What a rank says in an agreement. */
#define SAYS_FAILED 1u
#define SAYS_NO     2u

enum ks_err ks_team_init(struct ks_team *team, const struct ks_ranks *ranks)
{
    enum ks_err err = KS_OK;

    *team = (struct ks_team){.ranks = ranks};
    KS_CHECK(ranks->count >= 1 && ranks->count <= KS_RANKS_MAX &&
                 (ranks->count & (ranks->count - 1)) == 0 && ranks->rank < ranks->count,
             KS_ERR_USAGE, "%u ranks: not a power of two up to %u", ranks->count, KS_RANKS_MAX);
    team->rank_bits = (uint32_t)__builtin_ctz(ranks->count);
    team->send = ks_calloc(1, KS_EXCHANGE_MAX);
    team->receive = ks_calloc(1, KS_EXCHANGE_MAX);
    KS_CHECK(team->send != NULL && team->receive != NULL, KS_ERR_NOMEM,
             "no memory for what ranks exchange");
out:
    return err;
}

void ks_team_done(struct ks_team *team)
{
    ks_free(team->send);
    ks_free(team->receive);
    ks_free(team->sums);
    *team = (struct ks_team){0};
}

enum ks_err ks_team_check(const struct ks_team *team)
{
    return team->err == KS_OK ? KS_OK : ks_fail(team->err, "%s", team->detail);
}

/* ERR, which all ranks have, stays. */
static enum ks_err fail_team(struct ks_team *team, enum ks_err err)
{
    const struct ks_bytes detail = ks_bytes_text(ks_err_detail());

    if (err != KS_OK) {
        team->err = err;
        ks_copy(team->detail, detail.data, detail.len + 1);
    }
    return err;
}

static enum ks_err merge(struct ks_team *team, uint64_t *words, size_t count)
{
    team->traffic.merged += count * sizeof *words;
    return fail_team(team, team->ranks->merge(team->ranks->context, words, count));
}

/* Some rank has failed: its code and text become those of all. */
static enum ks_err share_failure(struct ks_team *team, enum ks_err mine)
{
    const uint32_t count = team->ranks->count;
    enum ks_err err = KS_OK;
    uint64_t codes[KS_RANKS_MAX] = {0};
    uint64_t words[DETAIL_WORDS] = {0};
    char text[KS_ERR_DETAIL_MAX];
    uint32_t first = 0;
    bool all = true;

    codes[team->ranks->rank] = mine;
    KS_TRY(merge(team, codes, count));
    while (first < count && codes[first] == KS_OK) {
        first++;
    }
    for (uint32_t i = 0; i < count; i++) {
        all = all && codes[i] == codes[first];
    }
    if (first == team->ranks->rank) {
        struct ks_bytes detail = ks_bytes_text(ks_err_detail());

        ks_copy(words, detail.data, detail.len);
    }
    KS_TRY(merge(team, words, DETAIL_WORDS));
    ks_copy(text, words, sizeof text);
    text[sizeof text - 1] = '\0';
    err = ks_fail((enum ks_err)codes[first], "%s", text);
    if (!all) {
        err = ks_fail_prefix(err, "rank %u", first);
    }
out:
    return fail_team(team, err);
}

static enum ks_err say(struct ks_team *team, enum ks_err err, bool yes, uint64_t *out_said)
{
    uint64_t word = (err != KS_OK ? SAYS_FAILED : 0) | (yes ? 0 : SAYS_NO);

    if (team->err != KS_OK) {
        return ks_team_check(team);
    }
    if (merge(team, &word, 1) != KS_OK) {
        return team->err;
    }
    *out_said = word;
    return (word & SAYS_FAILED) != 0 ? share_failure(team, err) : KS_OK;
}

enum ks_err ks_team_agree(struct ks_team *team, enum ks_err err)
{
    uint64_t said = 0;

    return say(team, err, true, &said);
}

enum ks_err ks_team_vote(struct ks_team *team, bool yes, bool *out_all)
{
    uint64_t said = 0;
    const enum ks_err err = say(team, KS_OK, yes, &said);

    *out_all = err == KS_OK && (said & SAYS_NO) == 0;
    return err;
}

enum ks_err ks_team_merge(struct ks_team *team, uint64_t *words, size_t count)
{
    return merge(team, words, count);
}

enum ks_err ks_team_exchange(struct ks_team *team, uint32_t partner, size_t bytes)
{
    team->traffic.bytes += bytes;
    return fail_team(team, team->ranks->exchange(team->ranks->context, partner, team->send,
                                                 team->receive, bytes));
}

enum ks_err ks_team_sums(struct ks_team *team, size_t count)
{
    double *sums = NULL;

    if (count <= team->sum_cap) {
        return KS_OK;
    }
    sums = ks_calloc(count, sizeof *sums);
    if (sums == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu sums", count);
    }
    ks_free(team->sums);
    team->sums = sums;
    team->sum_cap = count;
    return KS_OK;
}

enum ks_err ks_team_traffic(struct ks_team *team, struct ks_traffic *out_traffic)
{
    uint64_t bytes[KS_RANKS_MAX] = {0};
    enum ks_err err = KS_OK;

    bytes[team->ranks->rank] = team->traffic.bytes;
    KS_TRY(merge(team, bytes, team->ranks->count));
    *out_traffic = team->traffic;
    out_traffic->bytes = 0;
    for (uint32_t i = 0; i < team->ranks->count; i++) {
        out_traffic->bytes += bytes[i];
    }
out:
    return err;
}
