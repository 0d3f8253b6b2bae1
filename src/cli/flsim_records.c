/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Reading the records of a session, and checking that they hold together. */

#include <string.h>

#include "base/text.h"
#include "cli/flsim_line.h"
#include "crypto/digest.h"
#include "record/record.h"

#define NODES_MAX 4096

static const struct ks_json_limits limits = {.len_max = KS_FLSIM_LINE_MAX,
                                             .nodes_max = NODES_MAX};

/* What is known while lines are read. */
struct reading {
    const struct ks_flsim_visitor *visitor;
    struct ks_verify_key *ed25519;
    struct ks_verify_key *mldsa65;
    struct ks_flsim_checked checked;
    struct ks_buf hashes;  /* of the cores of the open round's updates */
    struct ks_buf clients; /* their ids */
    uint64_t samples;      /* of the open round's updates, and what else a round adds up */
    uint64_t uploaded;
    double loss; /* times samples */
};

void ks_flsim_digest(const uint8_t hash[32], uint8_t out_digest[32])
{
    const struct ks_bytes parts[] = {KS_LITERAL(KS_FLSIM_CONTEXT "\n"), ks_bytes_of(hash, 32)};

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_digest);
}

/* --- members ------------------------------------------------------------------------------ */

static enum ks_err get_figure(const struct ks_json *object, const char *name, double *out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *member = NULL;

    KS_TRY(ks_json_get(object, name, KS_JSON_NUMBER, &member));
    KS_TRY(ks_json_double(member, out_value));
out:
    return err;
}

static enum ks_err get_time(const struct ks_json *object, const char *name, uint64_t *out_us)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_TRY(ks_fail_prefix(ks_time_parse(text, out_us), "'%s'", name));
out:
    return err;
}

static enum ks_err get_hash(const struct ks_json *object, const char *name,
                            uint8_t out_hash[KS_FL_HASH_LEN])
{
    return ks_json_get_hex(object, name, out_hash, KS_FL_HASH_LEN);
}

static enum ks_err get_number(const struct ks_json *object, const char *name,
                              uint64_t *out_value)
{
    return ks_json_get_u64(object, name, KS_JSON_INTEGER_MAX, out_value);
}

static enum ks_err read_update(const struct ks_json *core,
                               struct ks_flsim_update_record *record)
{
    enum ks_err err = KS_OK;

    KS_TRY(get_time(core, "at", &record->at_us));
    KS_TRY(ks_json_get_bool(core, "attacks", &record->attacks));
    KS_TRY(ks_json_get_string(core, "client", &record->client));
    KS_TRY(get_number(core, "length", &record->length));
    KS_TRY(get_figure(core, "loss", &record->loss));
    KS_TRY(get_figure(core, "norm", &record->norm));
    KS_TRY(ks_json_get_string(core, "reason", &record->reason));
    KS_TRY(get_number(core, "round", &record->round));
    KS_TRY(get_number(core, "samples", &record->samples));
    KS_TRY(get_hash(core, "sealed", record->sealed));
    KS_TRY(get_figure(core, "share", &record->share));
    KS_TRY(get_number(core, "steps", &record->steps));
    KS_TRY(get_figure(core, "suspicion", &record->suspicion));
    KS_TRY(get_hash(core, "update", record->update));
    KS_TRY(get_number(core, "version", &record->version));
out:
    return err;
}

static enum ks_err read_round(const struct ks_json *core, struct ks_flsim_round_record *record)
{
    enum ks_err err = KS_OK;

    record->metric.known = ks_json_find(core, "test_loss") != NULL;
    record->metric.classes = ks_json_find(core, "accuracy") != NULL;
    KS_TRY(record->metric.classes ? get_figure(core, "accuracy", &record->metric.accuracy)
                                  : KS_OK);
    KS_TRY(get_number(core, "count", &record->count));
    KS_TRY(get_time(core, "finished_at", &record->finished_us));
    KS_TRY(get_number(core, "invited", &record->invited));
    KS_TRY(get_number(core, "left", &record->left));
    KS_TRY(get_figure(core, "loss", &record->loss));
    KS_TRY(get_hash(core, "model", record->model));
    KS_TRY(ks_json_get_string(core, "outcome", &record->outcome));
    KS_TRY(get_hash(core, "parent", record->parent));
    KS_TRY(get_hash(core, "previous", record->previous));
    KS_TRY(get_number(core, "refused", &record->refused));
    KS_TRY(get_number(core, "round", &record->round));
    KS_TRY(get_number(core, "samples", &record->samples));
    KS_TRY(get_time(core, "started_at", &record->started_us));
    KS_TRY(record->metric.known ? get_figure(core, "test_loss", &record->metric.loss) : KS_OK);
    KS_TRY(get_hash(core, "updates", record->updates));
    KS_TRY(get_number(core, "uploaded", &record->uploaded));
out:
    return err;
}

/* --- what holds --------------------------------------------------------------------------- */

static enum ks_err check_signatures(const struct reading *reading, const struct ks_json *line,
                                    const uint8_t hash[KS_FL_HASH_LEN])
{
    static const char *const names[] = {"ed25519", "ml-dsa-65", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *signatures = NULL;
    uint8_t digest[KS_SHA256_LEN];
    struct ks_buf ed25519;
    struct ks_buf mldsa65;

    ks_buf_init(&ed25519, KS_SIG_LEN_MAX);
    ks_buf_init(&mldsa65, KS_SIG_LEN_MAX);
    ks_flsim_digest(hash, digest);
    KS_TRY(ks_json_get(line, "signatures", KS_JSON_OBJECT, &signatures));
    KS_TRY(ks_json_only(signatures, names));
    KS_TRY(ks_json_get_base64(signatures, "ed25519", &ed25519));
    KS_TRY(ks_json_get_base64(signatures, "ml-dsa-65", &mldsa65));
    KS_TRY(ks_fail_prefix(
        ks_verify(reading->ed25519, "", KS_BYTES(digest), ks_buf_view(&ed25519)), "Ed25519"));
    KS_TRY(ks_fail_prefix(
        ks_verify(reading->mldsa65, KS_FLSIM_CONTEXT, KS_BYTES(digest), ks_buf_view(&mldsa65)),
        "ML-DSA-65"));
out:
    ks_buf_done(&ed25519);
    ks_buf_done(&mldsa65);
    return err;
}

/* CORE has no members, and no form, but those of what it was read as. */
static enum ks_err check_form(const struct ks_json *core, struct ks_buf *again)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FLSIM_LINE_MAX);
    ks_json_canonical(core, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_buf_check(again));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&bytes), ks_buf_view(again)), KS_ERR_FORMAT,
             "members that a record does not have");
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err take_update(struct reading *reading, const struct ks_json *core,
                               const uint8_t hash[KS_FL_HASH_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_flsim_update_record record = {0};
    uint8_t client[KS_FL_HASH_LEN];
    struct ks_buf again;

    ks_buf_init(&again, KS_FLSIM_LINE_MAX);
    KS_TRY(read_update(core, &record));
    ks_flsim_update_core(&record, &again);
    KS_TRY(check_form(core, &again));
    KS_CHECK(record.round == reading->checked.rounds + 1, KS_ERR_VERIFY,
             "an update of round %llu among those of round %llu",
             (unsigned long long)record.round, (unsigned long long)reading->checked.rounds + 1);
    ks_buf_put(&reading->hashes, ks_bytes_of(hash, KS_FL_HASH_LEN));
    ks_fl_client_id(record.client, client);
    ks_buf_put(&reading->clients, KS_BYTES(client));
    KS_TRY(ks_buf_check(&reading->hashes));
    KS_TRY(ks_buf_check(&reading->clients));
    KS_CHECK(reading->samples + record.samples >= reading->samples &&
                 reading->uploaded + record.length >= reading->uploaded,
             KS_ERR_LIMIT, "more samples, or bytes, than there are numbers for");
    reading->samples += record.samples;
    reading->uploaded += record.length;
    reading->loss += (double)record.samples * record.loss;
    reading->checked.updates++;
    if (reading->visitor->update != NULL) {
        KS_TRY(reading->visitor->update(reading->visitor->context, &record));
    }
out:
    ks_buf_done(&again);
    return err;
}

static enum ks_err check_round(struct reading *reading,
                               const struct ks_flsim_round_record *record)
{
    enum ks_err err = KS_OK;
    const struct ks_flsim_checked *checked = &reading->checked;
    const size_t count = reading->hashes.len / KS_FL_HASH_LEN;
    uint8_t digest[KS_FL_HASH_LEN];

    KS_CHECK(record->round == checked->rounds + 1, KS_ERR_VERIFY, "round %llu after round %llu",
             (unsigned long long)record->round, (unsigned long long)checked->rounds);
    KS_CHECK(ks_bytes_equal(KS_BYTES(record->previous), KS_BYTES(checked->head)), KS_ERR_VERIFY,
             "it goes back to another record than the one before");
    KS_CHECK(ks_bytes_equal(KS_BYTES(record->parent), KS_BYTES(checked->model)), KS_ERR_VERIFY,
             "it begins with another model than the one before left");
    KS_CHECK(ks_flsim_sort(reading->hashes.data, count) &&
                 ks_flsim_sort(reading->clients.data, count),
             KS_ERR_VERIFY, "a client counts twice");
    ks_round_updates_digest(reading->hashes.data, count, digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(record->updates)) &&
                 record->count == count && record->samples == reading->samples &&
                 record->uploaded == reading->uploaded &&
                 record->loss ==
                     (reading->samples == 0 ? 0 : reading->loss / (double)reading->samples),
             KS_ERR_VERIFY, "its updates are not those before it");
    KS_CHECK(count > 0 || !ks_bytes_is(record->outcome, "completed"), KS_ERR_VERIFY,
             "it was completed by nobody");
    KS_CHECK(ks_bytes_is(record->outcome, "completed") ||
                 ks_bytes_equal(KS_BYTES(record->model), KS_BYTES(record->parent)),
             KS_ERR_VERIFY, "it failed, and has a model of its own");
out:
    return err;
}

static enum ks_err take_round(struct reading *reading, const struct ks_json *core,
                              const uint8_t hash[KS_FL_HASH_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_flsim_round_record record = {0};
    struct ks_buf again;

    ks_buf_init(&again, KS_FLSIM_LINE_MAX);
    KS_TRY(read_round(core, &record));
    ks_flsim_round_core(&record, &again);
    KS_TRY(check_form(core, &again));
    KS_TRY(check_round(reading, &record));
    reading->checked.rounds++;
    reading->samples = 0;
    reading->uploaded = 0;
    reading->loss = 0;
    ks_buf_clear(&reading->hashes);
    ks_buf_clear(&reading->clients);
    ks_copy(reading->checked.head, hash, KS_FL_HASH_LEN);
    ks_copy(reading->checked.model, record.model, KS_FL_HASH_LEN);
    if (reading->visitor->round != NULL) {
        KS_TRY(reading->visitor->round(reading->visitor->context, &record));
    }
out:
    ks_buf_done(&again);
    return err;
}

static enum ks_err take_session(struct reading *reading, const struct ks_json *core,
                                const uint8_t hash[KS_FL_HASH_LEN])
{
    static const char *const names[] = {"ed25519",   "evidence", "isolation", "kind",
                                        "ml-dsa-65", "model",    "params",    "plan",
                                        "schema",    "session",  "shape",     NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes schema = {0};
    struct ks_bytes evidence = {0};
    struct ks_bytes isolation = {0};
    struct ks_buf publics;
    size_t first = 0;

    ks_buf_init(&publics, 2 * KS_SIG_PUBLIC_LEN_MAX);
    KS_CHECK(reading->ed25519 == NULL, KS_ERR_VERIFY, "a second session");
    KS_TRY(ks_json_only(core, names));
    KS_TRY(ks_json_get_string(core, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, KS_FLSIM_SCHEMA), KS_ERR_FORMAT,
             "'schema': expected " KS_FLSIM_SCHEMA);
    KS_TRY(ks_json_get_string(core, "evidence", &evidence));
    KS_TRY(ks_json_get_string(core, "isolation", &isolation));
    KS_CHECK(ks_bytes_is(evidence, "none") && ks_bytes_is(isolation, "none"), KS_ERR_FORMAT,
             "'evidence' and 'isolation': a simulation has none");
    KS_TRY(get_hash(core, "model", reading->checked.model));
    KS_TRY(ks_json_get_base64(core, "ed25519", &publics));
    first = publics.len;
    KS_TRY(ks_verify_key_new(KS_SIG_ED25519, ks_buf_view(&publics), &reading->ed25519));
    KS_TRY(ks_json_get_base64(core, "ml-dsa-65", &publics));
    KS_TRY(ks_verify_key_new(KS_SIG_MLDSA65,
                             ks_bytes_of(publics.data + first, publics.len - first),
                             &reading->mldsa65));
    ks_sha256(ks_buf_view(&publics), reading->checked.keys);
    ks_copy(reading->checked.head, hash, KS_FL_HASH_LEN);
out:
    ks_buf_done(&publics);
    return err;
}

/* --- lines -------------------------------------------------------------------------------- */

static enum ks_err take_core(struct reading *reading, const struct ks_json *line,
                             const struct ks_json *core, const uint8_t hash[KS_FL_HASH_LEN])
{
    enum ks_err err = KS_OK;
    static const char *const names[] = {"core", "signatures", NULL};
    struct ks_bytes kind = {0};

    KS_TRY(ks_json_only(line, names));
    KS_TRY(ks_json_get_string(core, "kind", &kind));
    if (ks_bytes_is(kind, "fl.simulation")) {
        KS_TRY(take_session(reading, core, hash));
    }
    KS_CHECK(reading->ed25519 != NULL && reading->mldsa65 != NULL, KS_ERR_FORMAT,
             "the first record is not that of a session");
    if (ks_bytes_is(kind, ks_kind_name(KS_KIND_UPDATE))) {
        KS_CHECK(ks_json_count(line) == 1, KS_ERR_FORMAT, "signatures of an update");
        KS_TRY(take_update(reading, core, hash));
        return KS_OK;
    }
    KS_TRY(check_signatures(reading, line, hash));
    if (ks_bytes_is(kind, ks_kind_name(KS_KIND_ROUND))) {
        KS_TRY(take_round(reading, core, hash));
    } else {
        KS_CHECK(ks_bytes_is(kind, "fl.simulation"), KS_ERR_FORMAT, "a record of what is none");
    }
out:
    return err;
}

static enum ks_err take_line(struct reading *reading, struct ks_bytes text)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *core = NULL;
    uint8_t hash[KS_FL_HASH_LEN];
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FLSIM_LINE_MAX);
    KS_TRY(ks_json_parse_canonical(text, &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "core", KS_JSON_OBJECT, &core));
    ks_json_canonical(core, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    ks_sha256(ks_buf_view(&bytes), hash);
    KS_TRY(take_core(reading, ks_json_root(doc), core, hash));
out:
    ks_json_doc_free(doc);
    ks_buf_done(&bytes);
    return err;
}

enum ks_err ks_flsim_records_visit(struct ks_bytes text, const struct ks_flsim_visitor *visitor,
                                   struct ks_flsim_checked *out_checked)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(text, "records");
    struct reading reading = {.visitor = visitor};
    uint64_t number = 0;

    ks_buf_init(&reading.hashes, (size_t)KS_FL_MEMBERS_MAX * KS_FL_HASH_LEN);
    ks_buf_init(&reading.clients, (size_t)KS_FL_MEMBERS_MAX * KS_FL_HASH_LEN);
    while (reader.rest.len > 0) {
        struct ks_bytes line = {0};

        number++;
        KS_TRY(ks_read_line(&reader, &line));
        KS_TRY(
            ks_fail_prefix(take_line(&reading, line), "line %llu", (unsigned long long)number));
    }
    KS_CHECK(number > 0 && reading.ed25519 != NULL, KS_ERR_FORMAT, "there are no records");
    KS_CHECK(reading.hashes.len == 0, KS_ERR_VERIFY, "the last round has no record");
    *out_checked = reading.checked;
out:
    ks_verify_key_free(reading.ed25519);
    ks_verify_key_free(reading.mldsa65);
    ks_buf_done(&reading.hashes);
    ks_buf_done(&reading.clients);
    return err;
}

bool ks_flsim_records_are(struct ks_bytes text)
{
    static const char *const begins = "{\"core\":{\"ed25519\":\"";

    return text.len > strlen(begins) &&
           ks_bytes_is(ks_bytes_of(text.data, strlen(begins)), begins);
}
