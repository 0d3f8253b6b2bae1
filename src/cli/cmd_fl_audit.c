/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl audit: whether a session's rounds are what their records say: the record of each, its
 * list, the record of every update in it, the chain of models; and, where the sealed updates
 * were kept, the round computed again by the site's enclave. From a site, or from the files
 * that an earlier audit has kept. */

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/pages.h"
#include "cli/verdict.h"
#include "client/fl.h"
#include "record/fl_audit.h"
#include "record/fl_updates.h"
#include "record/policy.h"

#define TARGET_MAX 160
#define ANSWER_MAX (8 * 1024 * 1024)
#define ROUNDS_MAX 1024 /* of one audit */
#define PAGES_MAX  4096 /* of a site's list of records */

/* By name, as JSON has them. */
#define CHECKS(X)                                                                              \
    X(CHAIN, "chain")                                                                          \
    X(LIST, "list")                                                                            \
    X(RECORD, "record")                                                                        \
    X(REPLAY, "replay")                                                                        \
    X(UPDATES, "updates")
enum check {
#define CHECK_ENUM(name, text) CHECK_##name,
    CHECKS(CHECK_ENUM)
#undef CHECK_ENUM
        CHECK_COUNT
};
static const char *const check_names[CHECK_COUNT] = {
#define CHECK_NAME(name, text) [CHECK_##name] = (text),
    CHECKS(CHECK_NAME)
#undef CHECK_NAME
};

struct round {
    uint64_t number;
    struct ks_buf bytes; /* of its record's bundle */
    struct ks_bundle *bundle;
    struct ks_round_result result;
    struct ks_json_doc *result_doc;
    uint64_t updates;  /* in its list */
    uint64_t verified; /* whose records are as they should be */
    struct ks_verdict_item checks[CHECK_COUNT];
    bool moot; /* it has no model: there is nothing to replay */
};

struct audit {
    struct ks_cli *cli;
    const char *session_text;
    uint8_t session[KS_SESSION_LEN];
    uint64_t only;       /* this round alone; 0: all */
    uint64_t ended;      /* the last round that has ended, as the site says; 0: not known */
    const char *offline; /* the folder that it is read from; NULL: from a site */
    const char *out;     /* where everything is kept; NULL: nowhere */
    struct ks_operator *op;
    struct ks_policy *policy;
    struct ks_verify_key *key; /* the site's record key */
    struct round *rounds;      /* by number */
    size_t count;
};

/* --- where it comes from ------------------------------------------------------------------ */

static enum ks_err file_path(const char *folder, const char *name, char path[KS_PATH_MAX])
{
    return ks_path_join(folder, name, path);
}

/* NAME of --offline's folder. */
static enum ks_err read_kept(const struct audit *audit, const char *name, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(file_path(audit->offline, name, path));
    KS_TRY(ks_file_read(path, out->max, out));
out:
    return err;
}

/* BYTES are NAME of --out's folder from now on. */
static enum ks_err keep(const struct audit *audit, const char *name, const struct ks_buf *bytes)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    if (audit->out != NULL) {
        KS_TRY(file_path(audit->out, name, path));
        KS_TRY(ks_cli_output(path, NULL, ks_buf_view(bytes)));
    }
out:
    return err;
}

/* What a site answers is no proof of anything false: its refusals leave a check unanswered. */
static enum ks_err of_site(enum ks_err err)
{
    return err == KS_ERR_VERIFY || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT
               ? ks_fail(KS_ERR_UNAVAILABLE, "%s", ks_err_detail())
               : err;
}

/* NAME among the files, or TARGET of the site, which is kept. */
static enum ks_err get(const struct audit *audit, const char *name, const char *target,
                       struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    if (audit->offline != NULL) {
        return read_kept(audit, name, out);
    }
    KS_TRY(of_site(ks_operator_get(audit->op, target, out)));
    KS_TRY(keep(audit, name, out));
out:
    return err;
}

/* --- the rounds --------------------------------------------------------------------------- */

static void round_done(struct round *round)
{
    ks_bundle_free(round->bundle);
    ks_json_doc_free(round->result_doc);
    ks_buf_done(&round->bytes);
}

static int by_number(const void *left, const void *right)
{
    const struct round *a = left;
    const struct round *b = right;

    return (a->number > b->number) - (a->number < b->number);
}

static struct round *find_round(const struct audit *audit, uint64_t number)
{
    for (size_t i = 0; i < audit->count; i++) {
        if (audit->rounds[i].number == number) {
            return &audit->rounds[i];
        }
    }
    return NULL;
}

/* BYTES, a bundle, is of a round of the session: one more, unless it is not asked for. Takes
 * BYTES over in either case. */
static enum ks_err add_round(struct audit *audit, struct ks_buf *bytes)
{
    enum ks_err err = KS_OK;
    struct round round = {.bytes = *bytes};

    KS_TRY(ks_bundle_parse(ks_buf_view(&round.bytes), &round.bundle));
    KS_CHECK(
        round.bundle->core.kind == KS_KIND_ROUND &&
            ks_bytes_equal(KS_BYTES(round.bundle->core.fl.session), KS_BYTES(audit->session)),
        KS_ERR_VERIFY, "a record that is of no round of this session");
    round.number = round.bundle->core.fl.round;
    KS_TRY(ks_round_result_read(round.bundle->core.result, &round.result_doc, &round.result));
    if ((audit->only != 0 && round.number != audit->only && round.number + 1 != audit->only) ||
        find_round(audit, round.number) != NULL) {
        goto out;
    }
    KS_CHECK(audit->count < ROUNDS_MAX, KS_ERR_LIMIT,
             "over %d rounds: audit them one by one, with --round", ROUNDS_MAX);
    audit->rounds[audit->count++] = round;
    return KS_OK;
out:
    round_done(&round);
    return err;
}

static enum ks_err fetch_round(struct audit *audit, struct ks_bytes job)
{
    enum ks_err err = KS_OK;
    char target[TARGET_MAX];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    (void)snprintf(target, sizeof target, "/v1/fl/records/%.*s/bundle", (int)job.len,
                   (const char *)job.data);
    err = ks_operator_get(audit->op, target, &bytes);
    if (err != KS_OK) {
        ks_buf_done(&bytes);
        return err;
    }
    return ks_fail_prefix(add_round(audit, &bytes), "the site's record of a round");
}

static enum ks_err take_record(const struct ks_json *job, void *context)
{
    enum ks_err err = KS_OK;
    struct ks_bytes id = {0};
    struct ks_bytes state = {0};

    KS_TRY(ks_json_get_string(job, "id", &id));
    KS_TRY(ks_json_get_string(job, "state", &state));
    KS_CHECK(ks_text_is_uuid(id), KS_ERR_FORMAT, "the site's answer: a job without an id");
    KS_TRY(ks_bytes_is(state, "done") ? fetch_round(context, id) : KS_OK);
out:
    return err;
}

/* Which round was the last one to end: the site may be about to record it, or may withhold what
 * it has recorded. */
static enum ks_err fetch_ended(struct audit *audit)
{
    static const struct ks_json_limits limits = {.len_max = ANSWER_MAX, .nodes_max = 65536};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *rounds = NULL;
    char target[TARGET_MAX];
    struct ks_buf answer;

    ks_buf_init(&answer, ANSWER_MAX);
    (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s", audit->session_text);
    KS_TRY(ks_operator_get(audit->op, target, &answer));
    KS_TRY(ks_json_parse(ks_buf_view(&answer), &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "rounds", KS_JSON_ARRAY, &rounds));
    for (size_t i = 0; i < ks_json_count(rounds); i++) {
        uint64_t number = 0;

        KS_TRY(ks_json_get_u64(ks_json_at(rounds, i), "round", KS_FL_ROUNDS_MAX, &number));
        if (ks_json_find(ks_json_at(rounds, i), "finished_at") != NULL &&
            number > audit->ended) {
            audit->ended = number;
        }
    }
out:
    ks_json_doc_free(doc);
    ks_buf_done(&answer);
    return err;
}

static enum ks_err fetch_rounds(struct audit *audit)
{
    enum ks_err err = KS_OK;
    char path[TARGET_MAX];
    const struct ks_pages pages = {.path = path, .most = PAGES_MAX, .items = "jobs"};

    (void)snprintf(path, sizeof path, "/v1/fl/sessions/%s/records", audit->session_text);
    KS_TRY(ks_pages_each(audit->op, &pages, take_record, audit));
    KS_TRY(fetch_ended(audit));
out:
    return err;
}

/* "round-N.json" */
static enum ks_err read_rounds(struct audit *audit)
{
    enum ks_err err = KS_OK;
    DIR *folder = opendir(audit->offline);
    struct dirent *entry = NULL;

    KS_CHECK(folder != NULL, KS_ERR_IO, "'%s': %s", audit->offline, strerror(errno));
    while ((entry = readdir(folder)) != NULL) {
        struct ks_buf bytes;

        if (strncmp(entry->d_name, "round-", 6) != 0) {
            continue;
        }
        ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
        err = read_kept(audit, entry->d_name, &bytes);
        if (err != KS_OK) {
            ks_buf_done(&bytes);
            goto out;
        }
        KS_TRY(ks_fail_prefix(add_round(audit, &bytes), "%s", entry->d_name));
    }
out:
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return err;
}

/* --- checks ------------------------------------------------------------------------------- */

/* KS_OK passes, "false" and "malformed" fail; anything else could not be told. */
static enum ks_err settle(struct ks_verdict_item *item, enum ks_err err)
{
    item->state = err == KS_OK ? KS_PASS
                  : err == KS_ERR_VERIFY || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT
                      ? KS_FAIL
                      : KS_NOT_RUN;
    item->reason[0] = '\0';
    if (err != KS_OK) {
        ks_text_shown(ks_bytes_text(ks_err_detail()), item->reason, sizeof item->reason);
    }
    return err == KS_ERR_NOMEM || err == KS_ERR_INTERNAL ? err : KS_OK;
}

static enum ks_err verify(const struct audit *audit, const struct ks_buf *bundle)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes view = ks_buf_view(bundle);
    struct ks_verdict *verdict = NULL;

    KS_TRY(ks_verdict_new(&verdict));
    KS_TRY(ks_bundle_verify(&view, audit->policy, verdict));
out:
    ks_verdict_free(verdict);
    return err;
}

/* The record of an update that ROUND's list names. */
static enum ks_err check_update(const struct audit *audit, const struct round *round,
                                const struct ks_fl_counted *counted)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    char name[TARGET_MAX];
    char target[TARGET_MAX];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    (void)snprintf(name, sizeof name, "update-%llu-%.*s.json",
                   (unsigned long long)round->number, (int)counted->device.len,
                   (const char *)counted->device.data);
    (void)snprintf(target, sizeof target, "/v1/fl/updates/%.*s/bundle", (int)counted->job.len,
                   (const char *)counted->job.data);
    KS_TRY(get(audit, name, target, &bytes));
    KS_TRY(verify(audit, &bytes));
    KS_TRY(ks_bundle_parse(ks_buf_view(&bytes), &bundle));
    KS_TRY(ks_fl_counted_check(counted, &bundle->core, &bundle->job, bundle->core_hash,
                               &round->bundle->core));
out:
    ks_bundle_free(bundle);
    ks_buf_done(&bytes);
    return ks_fail_prefix(err, "%.*s", (int)counted->device.len,
                          (const char *)counted->device.data);
}

static enum ks_err check_updates(const struct audit *audit, struct round *round,
                                 const struct ks_fl_updates *updates)
{
    enum ks_err err = KS_OK;
    struct ks_verdict_item *worst = &round->checks[CHECK_UPDATES];

    round->updates = updates->count;
    *worst = (struct ks_verdict_item){.state = KS_PASS};
    for (size_t i = 0; i < updates->count; i++) {
        struct ks_verdict_item item = {.state = KS_NOT_RUN};

        KS_TRY(settle(&item, check_update(audit, round, &updates->counted[i])));
        round->verified += item.state == KS_PASS ? 1 : 0;
        if (item.state == KS_FAIL ? worst->state != KS_FAIL
                                  : item.state == KS_NOT_RUN && worst->state == KS_PASS) {
            *worst = item;
        }
    }
out:
    return err;
}

static enum ks_err check_list(const struct audit *audit, struct round *round)
{
    enum ks_err err = KS_OK;
    struct ks_fl_updates updates = {.count = 0};
    char name[TARGET_MAX];
    char target[TARGET_MAX];
    struct ks_buf list;

    ks_buf_init(&list, KS_FL_UPDATES_BYTES_MAX);
    (void)snprintf(name, sizeof name, "list-%llu.json", (unsigned long long)round->number);
    (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s/rounds/%llu/updates",
                   audit->session_text, (unsigned long long)round->number);
    err = get(audit, name, target, &list);
    err = err != KS_OK
              ? err
              : ks_fl_updates_check(ks_buf_view(&list), &round->bundle->core, &updates);
    KS_TRY(settle(&round->checks[CHECK_LIST], err));
    if (round->checks[CHECK_LIST].state == KS_PASS) {
        KS_TRY(check_updates(audit, round, &updates));
    } else {
        KS_TRY(settle(&round->checks[CHECK_UPDATES],
                      ks_fail(KS_ERR_UNAVAILABLE, "there is no list to go by")));
    }
out:
    ks_fl_updates_done(&updates);
    ks_buf_done(&list);
    return err;
}

static bool asked_for(const struct audit *audit, const struct round *round)
{
    return audit->only == 0 || round->number == audit->only;
}

/* A round begins with the model that the one before has made; the first with the order's. */
static enum ks_err check_chain(const struct audit *audit, const struct round *round)
{
    enum ks_err err = KS_OK;
    const struct round *before = find_round(audit, round->number - 1);
    const uint8_t *parent = round->bundle->core.fl.parent;

    if (round->number == 1) {
        KS_CHECK(
            ks_bytes_equal(ks_bytes_of(parent, 32), KS_BYTES(round->bundle->order.plan.parent)),
            KS_ERR_VERIFY, "the round began with another model than was ordered");
        goto out;
    }
    KS_CHECK(before != NULL, KS_ERR_NOT_FOUND,
             "round %llu, whose model this one began with, has no record here",
             (unsigned long long)round->number - 1);
    if (!asked_for(audit, before)) { /* else it is checked by itself */
        KS_TRY(ks_fail_prefix(verify(audit, &before->bytes), "round %llu",
                              (unsigned long long)before->number));
    }
    KS_CHECK(before->result.completed &&
                 ks_bytes_equal(ks_bytes_of(parent, 32), KS_BYTES(before->result.model)),
             KS_ERR_VERIFY, "the round began with another model than round %llu ended with",
             (unsigned long long)before->number);
out:
    return err;
}

static enum ks_verdict_state worst(enum ks_verdict_state a, enum ks_verdict_state b)
{
    return a == KS_FAIL || b == KS_FAIL   ? KS_FAIL
           : a == KS_PASS && b == KS_PASS ? KS_PASS
                                          : KS_NOT_RUN;
}

/* What the enclave has signed about computing ROUND again. */
static enum ks_err read_replay(const struct audit *audit, const struct round *round,
                               const struct ks_buf *document)
{
    enum ks_err err = KS_OK;
    struct ks_fl_audit said = {.doc = NULL};
    enum ks_verdict_state state = KS_PASS;

    KS_TRY(ks_fl_audit_read(ks_buf_view(document), audit->key, &said));
    KS_TRY(ks_fl_audit_check(&said, &round->bundle->core));
    state = worst(worst(said.same_model, said.same_scores), said.same_state);
    if (state == KS_FAIL && said.numerics != round->bundle->core.numerics) {
        state = KS_NOT_RUN; /* the site computes otherwise than it did */
    }
    KS_CHECK(state != KS_FAIL, KS_ERR_VERIFY, "%.*s", (int)said.reason.len,
             (const char *)said.reason.data);
    KS_CHECK(state == KS_PASS, KS_ERR_UNAVAILABLE, "%.*s", (int)said.reason.len,
             (const char *)said.reason.data);
out:
    ks_fl_audit_done(&said);
    return err;
}

static enum ks_err check_replay(const struct audit *audit, const struct round *round)
{
    enum ks_err err = KS_OK;
    char name[TARGET_MAX];
    struct ks_buf document;

    ks_buf_init(&document, KS_FL_AUDIT_BYTES_MAX);
    (void)snprintf(name, sizeof name, "audit-%llu.json", (unsigned long long)round->number);
    KS_CHECK(!ks_cli_switch(audit->cli, "no-replay"), KS_ERR_UNAVAILABLE, "not asked for");
    KS_CHECK(!round->moot, KS_ERR_UNAVAILABLE, "the round has no model: %.*s",
             (int)round->result.outcome.len, (const char *)round->result.outcome.data);
    if (audit->offline != NULL) {
        KS_TRY(read_kept(audit, name, &document));
    } else {
        ks_cli_progress(audit->cli, "round %llu: the enclave computes it again",
                        (unsigned long long)round->number);
        KS_TRY(
            of_site(ks_operator_fl_audit(audit->op, audit->session, round->number, &document)));
        KS_TRY(keep(audit, name, &document));
    }
    KS_TRY(read_replay(audit, round, &document));
out:
    ks_buf_done(&document);
    return err;
}

static enum ks_err keep_round(const struct audit *audit, const struct round *round)
{
    char name[TARGET_MAX];

    (void)snprintf(name, sizeof name, "round-%llu.json", (unsigned long long)round->number);
    return keep(audit, name, &round->bytes);
}

static enum ks_err check_round(const struct audit *audit, struct round *round)
{
    enum ks_err err = KS_OK;

    round->moot = !round->result.completed;
    KS_TRY(settle(&round->checks[CHECK_RECORD], verify(audit, &round->bytes)));
    KS_TRY(check_list(audit, round));
    KS_TRY(settle(&round->checks[CHECK_CHAIN], check_chain(audit, round)));
    KS_TRY(settle(&round->checks[CHECK_REPLAY], check_replay(audit, round)));
out:
    return err;
}

/* --- what came out ------------------------------------------------------------------------ */

/* The worst of all checks; a replay that nobody asked for, or that cannot be, does not count.
 */
static enum ks_verdict_state outcome(const struct audit *audit, const char **out_reason)
{
    const bool no_replay = ks_cli_switch(audit->cli, "no-replay");
    enum ks_verdict_state state = KS_PASS;

    for (size_t i = 0; i < audit->count; i++) {
        const struct round *round = &audit->rounds[i];

        for (unsigned check = 0; asked_for(audit, round) && check < CHECK_COUNT; check++) {
            const struct ks_verdict_item *item = &round->checks[check];
            const bool idle = check == CHECK_REPLAY && (no_replay || round->moot);

            if (item->state == KS_FAIL
                    ? state != KS_FAIL
                    : item->state == KS_NOT_RUN && !idle && state == KS_PASS) {
                state = item->state;
                *out_reason = item->reason;
            }
        }
    }
    return state;
}

static void print_round(const struct round *round)
{
    ks_cli_print("round %llu: %.*s, %llu updates\n", (unsigned long long)round->number,
                 (int)round->result.outcome.len, (const char *)round->result.outcome.data,
                 (unsigned long long)round->result.count);
    for (unsigned check = 0; check < CHECK_COUNT; check++) {
        const struct ks_verdict_item *item = &round->checks[check];

        ks_cli_print("  %-8s %s", ks_verdict_state_name(item->state), check_names[check]);
        if (check == CHECK_UPDATES && round->checks[CHECK_LIST].state == KS_PASS) {
            ks_cli_print(" %llu of %llu", (unsigned long long)round->verified,
                         (unsigned long long)round->updates);
        }
        ks_cli_print("%s%s\n", item->reason[0] == '\0' ? "" : ": ", item->reason);
    }
}

static void put_round(struct ks_json_writer *writer, const struct round *round)
{
    ks_json_put_object(writer);
    ks_json_put_key(writer, "checks");
    ks_json_put_object(writer);
    for (unsigned check = 0; check < CHECK_COUNT; check++) {
        ks_json_put_key(writer, check_names[check]);
        ks_json_put_object(writer);
        ks_json_member_text(writer, "reason", round->checks[check].reason);
        ks_json_member_text(writer, "state", ks_verdict_state_name(round->checks[check].state));
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
    if (round->result.completed) {
        ks_json_member_hex(writer, "model", KS_BYTES(round->result.model));
    }
    ks_json_member_string(writer, "outcome", round->result.outcome);
    ks_json_member_u64(writer, "round", round->number);
    ks_json_member_u64(writer, "updates", round->result.count);
    ks_json_member_u64(writer, "verified", round->verified);
    ks_json_put_end(writer);
}

static enum ks_err print(const struct audit *audit, enum ks_verdict_state state)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, ANSWER_MAX);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "outcome", ks_verdict_state_name(state));
    ks_json_put_key(&writer, "rounds");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < audit->count; i++) {
        if (asked_for(audit, &audit->rounds[i]) && audit->cli->json) {
            put_round(&writer, &audit->rounds[i]);
        } else if (asked_for(audit, &audit->rounds[i])) {
            print_round(&audit->rounds[i]);
        }
    }
    if (!audit->cli->json) {
        ks_cli_print("%llu rounds at most were ordered\n",
                     (unsigned long long)audit->rounds[0].bundle->order.plan.rounds);
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "rounds_ordered", audit->rounds[0].bundle->order.plan.rounds);
    ks_json_member_text(&writer, "schema", "ketseal.fl-audited/1");
    ks_json_member_text(&writer, "session", audit->session_text);
    ks_json_put_end(&writer);
    KS_TRY(audit->cli->json ? ks_cli_print_json(&out) : KS_OK);
out:
    ks_buf_done(&out);
    return err;
}

/* --- the command -------------------------------------------------------------------------- */

static enum ks_err open_audit(struct audit *audit)
{
    enum ks_err err = KS_OK;
    const struct ks_cli *cli = audit->cli;
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator"),
                                          .url = ks_cli_text(cli, "url")};

    audit->offline = ks_cli_text(cli, "offline");
    audit->out = ks_cli_text(cli, "out");
    KS_CHECK(ks_hex_decode(ks_bytes_text(audit->session_text), audit->session,
                           sizeof audit->session) == KS_OK,
             KS_ERR_USAGE, "'%s' is no session: 32 hexadecimal digits", audit->session_text);
    KS_CHECK((audit->offline == NULL) != (spec.url == NULL), KS_ERR_USAGE,
             "either --url, a site, or --offline, a folder");
    KS_CHECK(audit->offline == NULL || audit->out == NULL, KS_ERR_USAGE,
             "--out keeps what a site says: not with --offline");
    KS_TRY(ks_cli_number(cli, "round", KS_FL_ROUNDS_MAX, &audit->only));
    KS_TRY(ks_verdict_policy(ks_cli_text(cli, "policy"), &audit->policy));
    KS_TRY(
        ks_verify_key_new(KS_SIG_MLDSA65, KS_BYTES(audit->policy->site.mldsa65), &audit->key));
    audit->rounds = ks_calloc(ROUNDS_MAX, sizeof *audit->rounds);
    KS_CHECK(audit->rounds != NULL, KS_ERR_NOMEM, "rounds");
    KS_TRY(audit->out == NULL ? KS_OK : ks_dir_make(audit->out, 0755));
    KS_TRY(audit->offline != NULL ? KS_OK : ks_operator_open(&spec, &audit->op));
out:
    return err;
}

enum ks_err ks_command_fl_audit(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct audit audit = {.cli = cli, .session_text = cli->operands[0]};
    enum ks_verdict_state state = KS_NOT_RUN;
    const char *reason = "";
    char missing[TARGET_MAX];

    KS_TRY(open_audit(&audit));
    KS_TRY(audit.offline != NULL ? read_rounds(&audit) : fetch_rounds(&audit));
    KS_CHECK(audit.only == 0 ? audit.count > 0 : find_round(&audit, audit.only) != NULL,
             KS_ERR_NOT_FOUND, "no record of such a round");
    qsort(audit.rounds, audit.count, sizeof *audit.rounds, by_number);
    for (size_t i = 0; i < audit.count; i++) {
        KS_TRY(keep_round(&audit, &audit.rounds[i])); /* that before the one asked for, too */
        if (asked_for(&audit, &audit.rounds[i])) {
            KS_TRY(check_round(&audit, &audit.rounds[i]));
        }
    }
    state = outcome(&audit, &reason);
    if (state == KS_PASS && audit.only == 0 && audit.ended > 0 &&
        find_round(&audit, audit.ended) == NULL) {
        (void)snprintf(missing, sizeof missing, "round %llu has ended and has no record yet",
                       (unsigned long long)audit.ended);
        state = KS_NOT_RUN;
        reason = missing;
    }
    KS_TRY(print(&audit, state));
    cli->answered = cli->json && state == KS_FAIL;
    KS_CHECK(state != KS_FAIL, KS_ERR_VERIFY, "%s", reason);
    KS_CHECK(state == KS_PASS, KS_ERR_UNAVAILABLE, "could not tell: %s", reason);
out:
    for (size_t i = 0; i < audit.count; i++) {
        round_done(&audit.rounds[i]);
    }
    ks_free(audit.rounds);
    ks_policy_free(audit.policy);
    ks_verify_key_free(audit.key);
    ks_operator_close(audit.op);
    return err;
}
