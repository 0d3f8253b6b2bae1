/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/fl_updates.h"

#include <math.h>
#include <stdlib.h>

#include "crypto/digest.h"
#include "record/internal.h"

#define SCHEMA  "ketseal.fl-updates/1"
#define MEMBERS 13 /* of an entry */

/* Names and signs of an entry, and the most that its values can have. */
#define ENTRY_BYTES_MAX                                                                        \
    (150 + KS_DEVICE_ID_MAX + 2 * KS_UPDATE_WORD_MAX + KS_UUID_TEXT_LEN + 3 * 2 * 32 +         \
     3 * 25 + 26)
_Static_assert((long long)KS_FL_DEVICES_MAX *ENTRY_BYTES_MAX + 4096 <= KS_FL_UPDATES_BYTES_MAX,
               "every list that can be written can be read");

static const struct ks_json_limits limits = {
    .len_max = KS_FL_UPDATES_BYTES_MAX, .nodes_max = KS_FL_DEVICES_MAX * (MEMBERS + 1) + 16};

/* --- members ------------------------------------------------------------------------------ */

static void put_number(struct ks_json_writer *writer, const char *name, double value)
{
    KS_ASSERT(isfinite(value));
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_counted(struct ks_json_writer *writer, const struct ks_fl_counted *counted)
{
    ks_json_put_object(writer);
    ks_json_member_string(writer, "device", counted->device);
    ks_json_member_string(writer, "encoding", counted->encoding);
    ks_json_member_string(writer, "job", counted->job);
    ks_json_member_u64(writer, "length", counted->length);
    put_number(writer, "loss", counted->loss);
    put_number(writer, "norm", counted->norm);
    ks_json_member_u64(writer, "place", counted->place);
    ks_json_member_string(writer, "reason", counted->reason);
    ks_json_member_hex(writer, "record", KS_BYTES(counted->record));
    ks_json_member_u64(writer, "samples", counted->samples);
    ks_json_member_hex(writer, "sealed", KS_BYTES(counted->sealed));
    put_number(writer, "suspicion", counted->suspicion);
    ks_json_member_hex(writer, "update", KS_BYTES(counted->update));
    ks_json_put_end(writer);
}

void ks_fl_updates_write(const struct ks_fl_updates *updates, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "invited", updates->invited);
    ks_json_member_u64(&writer, "round", updates->round);
    ks_json_member_text(&writer, "schema", SCHEMA);
    ks_json_member_hex(&writer, "session", KS_BYTES(updates->session));
    ks_json_put_key(&writer, "updates");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < updates->count; i++) {
        put_counted(&writer, &updates->counted[i]);
    }
    ks_json_put_end(&writer);
    ks_json_put_end(&writer);
}

static enum ks_err get_number(const struct ks_json *value, const char *name, bool below_0,
                              double *out_number)
{
    enum ks_err err = KS_OK;
    const struct ks_json *member = NULL;
    double number = 0;

    KS_TRY(ks_json_get(value, name, KS_JSON_NUMBER, &member));
    KS_TRY(ks_json_double(member, &number));
    KS_CHECK(below_0 || number >= 0, KS_ERR_FORMAT, "'%s': below 0", name);
    *out_number = number;
out:
    return err;
}

static enum ks_err get_name(const struct ks_json *value, const char *name, size_t len_max,
                            struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, name, &text));
    KS_CHECK(ks_text_is_name(text, len_max), KS_ERR_FORMAT,
             "'%s': 1 to %zu letters, digits, '-' and '_'", name, len_max);
    *out_text = text;
out:
    return err;
}

static enum ks_err read_counted(const struct ks_json *value, uint64_t invited,
                                struct ks_fl_counted *counted)
{
    static const char *const names[] = {"device", "encoding",  "job",    "length", "loss",
                                        "norm",   "place",     "reason", "record", "samples",
                                        "sealed", "suspicion", "update", NULL};
    enum ks_err err = KS_OK;
    uint64_t samples = 0;
    uint64_t place = 0;

    KS_TRY(ks_json_only(value, names));
    KS_TRY(get_name(value, "device", KS_DEVICE_ID_MAX, &counted->device));
    KS_TRY(get_name(value, "encoding", KS_UPDATE_WORD_MAX, &counted->encoding));
    KS_TRY(ks_json_get_string(value, "job", &counted->job));
    KS_CHECK(ks_text_is_uuid(counted->job), KS_ERR_FORMAT, "'job': not a job id");
    KS_TRY(ks_json_get_u64(value, "length", KS_UPDATE_SEALED_MAX, &counted->length));
    KS_TRY(get_number(value, "loss", true, &counted->loss));
    KS_TRY(get_number(value, "norm", false, &counted->norm));
    KS_TRY(ks_json_get_u64(value, "place", invited - 1, &place));
    counted->place = (uint32_t)place;
    KS_TRY(get_name(value, "reason", KS_UPDATE_WORD_MAX, &counted->reason));
    KS_TRY(ks_json_get_hex(value, "record", counted->record, sizeof counted->record));
    KS_TRY(ks_json_get_u64(value, "samples", KS_UPDATE_SAMPLES_MAX, &samples));
    KS_CHECK(samples >= 1, KS_ERR_FORMAT, "'samples': at least 1");
    counted->samples = (uint32_t)samples;
    KS_TRY(ks_json_get_hex(value, "sealed", counted->sealed, sizeof counted->sealed));
    KS_TRY(get_number(value, "suspicion", false, &counted->suspicion));
    KS_TRY(ks_json_get_hex(value, "update", counted->update, sizeof counted->update));
out:
    return err;
}

/* --- once each ---------------------------------------------------------------------------- */

struct place {
    const struct ks_fl_counted *counted;
};

static int by_device(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    return ks_bytes_compare(a->counted->device, b->counted->device);
}

static int by_record(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;

    return ks_bytes_compare(KS_BYTES(a->counted->record), KS_BYTES(b->counted->record));
}

/* UPDATES in an ORDER that has no two alike. The array is the caller's, also of a failed call.
 */
static enum ks_err sort(const struct ks_fl_updates *updates,
                        int (*order)(const void *, const void *), const char *what,
                        struct place **out_sorted)
{
    enum ks_err err = KS_OK;
    struct place *sorted = ks_calloc(updates->count + 1, sizeof *sorted);

    KS_CHECK(sorted != NULL, KS_ERR_NOMEM, "updates of a round");
    *out_sorted = sorted;
    for (size_t i = 0; i < updates->count; i++) {
        sorted[i].counted = &updates->counted[i];
    }
    qsort(sorted, updates->count, sizeof *sorted, order);
    for (size_t i = 1; i < updates->count; i++) {
        KS_CHECK(order(&sorted[i - 1], &sorted[i]) != 0, KS_ERR_FORMAT,
                 "'updates': %s is in it twice", what);
    }
out:
    return err;
}

enum ks_err ks_fl_updates_read(struct ks_bytes list, struct ks_fl_updates *out_updates)
{
    static const char *const names[] = {"invited", "round",   "schema",
                                        "session", "updates", NULL};
    enum ks_err err = KS_OK;
    struct ks_fl_updates updates = {0};
    struct place *sorted = NULL;
    const struct ks_json *root = NULL;
    const struct ks_json *array = NULL;
    uint64_t invited = 0;

    KS_TRY(ks_json_parse_canonical(list, &limits, &updates.doc));
    root = ks_json_root(updates.doc);
    KS_TRY(ks_document_schema(root, SCHEMA, names));
    KS_TRY(ks_json_get_u64(root, "invited", KS_FL_DEVICES_MAX, &invited));
    KS_CHECK(invited >= 1, KS_ERR_FORMAT, "'invited': nobody");
    updates.invited = (uint32_t)invited;
    KS_TRY(ks_json_get_u64(root, "round", KS_FL_ROUNDS_MAX, &updates.round));
    KS_CHECK(updates.round >= 1, KS_ERR_FORMAT, "'round': from 1");
    KS_TRY(ks_json_get_hex(root, "session", updates.session, sizeof updates.session));
    KS_TRY(ks_json_get(root, "updates", KS_JSON_ARRAY, &array));
    KS_CHECK(ks_json_count(array) <= KS_FL_DEVICES_MAX, KS_ERR_LIMIT, "'updates': over %d",
             KS_FL_DEVICES_MAX);
    updates.counted = ks_calloc(ks_json_count(array) + 1, sizeof *updates.counted);
    KS_CHECK(updates.counted != NULL, KS_ERR_NOMEM, "updates of a round");
    for (; updates.count < ks_json_count(array); updates.count++) {
        KS_TRY(read_counted(ks_json_at(array, updates.count), updates.invited,
                            &updates.counted[updates.count]));
    }
    KS_TRY(sort(&updates, by_device, "a device", &sorted));
    *out_updates = updates;
    updates = (struct ks_fl_updates){0}; /* transferred */
out:
    ks_free(sorted);
    ks_fl_updates_done(&updates);
    return ks_fail_prefix(err, "list of updates");
}

void ks_fl_updates_done(struct ks_fl_updates *updates)
{
    ks_free(updates->counted);
    ks_json_doc_free(updates->doc);
    *updates = (struct ks_fl_updates){0};
}

/* --- against records ---------------------------------------------------------------------- */

enum ks_err ks_fl_updates_sum(const struct ks_fl_updates *updates,
                              struct ks_fl_updates_sum *out_sum)
{
    enum ks_err err = KS_OK;
    struct ks_fl_updates_sum sum = {.samples = 0};
    struct place *sorted = NULL;
    uint8_t(*hashes)[32] = ks_calloc(updates->count + 1, sizeof *hashes);
    double loss = 0;

    KS_CHECK(hashes != NULL, KS_ERR_NOMEM, "updates of a round");
    KS_TRY(sort(updates, by_record, "a record", &sorted));
    for (size_t i = 0; i < updates->count; i++) {
        ks_copy(hashes[i], sorted[i].counted->record, sizeof hashes[i]);
        sum.samples += updates->counted[i].samples;
        loss += updates->counted[i].loss * updates->counted[i].samples;
    }
    ks_round_updates_digest(hashes[0], updates->count, sum.digest);
    sum.loss = sum.samples > 0 ? loss / (double)sum.samples : 0;
    *out_sum = sum;
out:
    ks_free(sorted);
    ks_free(hashes);
    return err;
}

/* UPDATES come to what RESULT says. */
static enum ks_err check_sum(const struct ks_fl_updates *updates,
                             const struct ks_round_result *result)
{
    enum ks_err err = KS_OK;
    struct ks_fl_updates_sum sum = {.samples = 0};

    KS_TRY(ks_fl_updates_sum(updates, &sum));
    KS_CHECK(updates->count == result->count, KS_ERR_VERIFY,
             "the list has %zu updates, the record %llu", updates->count,
             (unsigned long long)result->count);
    KS_CHECK(ks_bytes_equal(KS_BYTES(sum.digest), KS_BYTES(result->updates)), KS_ERR_VERIFY,
             "the list names other records than the record's 'updates' commits to");
    KS_CHECK(sum.samples == result->samples, KS_ERR_VERIFY,
             "the list's samples are %llu, the record's %llu", (unsigned long long)sum.samples,
             (unsigned long long)result->samples);
    KS_CHECK(sum.loss == result->loss, KS_ERR_VERIFY, "the list's loss is not the record's");
out:
    return err;
}

enum ks_err ks_fl_updates_check(struct ks_bytes list, const struct ks_core *core,
                                struct ks_fl_updates *out_updates)
{
    enum ks_err err = KS_OK;
    struct ks_fl_updates updates = {0};
    struct ks_json_doc *doc = NULL;
    struct ks_round_result result = {0};
    uint8_t hash[32];

    KS_CHECK(core->schema == KS_RECORD_SCHEMA_FL && core->kind == KS_KIND_ROUND, KS_ERR_VERIFY,
             "the record is of no round");
    KS_TRY(ks_round_result_read(core->result, &doc, &result));
    ks_sha256(list, hash);
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash), KS_BYTES(result.list)), KS_ERR_VERIFY,
             "the list is another than the record's 'list' commits to");
    KS_TRY(ks_fl_updates_read(list, &updates));
    KS_CHECK(ks_bytes_equal(KS_BYTES(updates.session), KS_BYTES(core->fl.session)) &&
                 updates.round == core->fl.round,
             KS_ERR_VERIFY, "the list is of another round");
    KS_TRY(check_sum(&updates, &result));
    *out_updates = updates;
    updates = (struct ks_fl_updates){0}; /* transferred */
out:
    ks_fl_updates_done(&updates);
    ks_json_doc_free(doc);
    return err;
}

/* What the update's record and its JOB say of the same things. */
static enum ks_err check_counted(const struct ks_fl_counted *counted,
                                 const struct ks_core *core, const struct ks_job *job)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_update_result result = {0};

    KS_TRY(ks_update_result_read(core->result, &doc, &result));
    KS_CHECK(ks_bytes_equal(counted->device, core->device), KS_ERR_VERIFY,
             "the list names another device than the update's record");
    KS_CHECK(ks_bytes_equal(KS_BYTES(counted->sealed), KS_BYTES(core->fl.sealed)) &&
                 counted->length == core->fl.length &&
                 ks_bytes_equal(counted->encoding, core->fl.encoding),
             KS_ERR_VERIFY, "the list names another sealed update than the update's record");
    KS_CHECK(ks_bytes_equal(KS_BYTES(counted->update), KS_BYTES(result.update)) &&
                 counted->norm == result.norm && counted->samples == core->fl.samples,
             KS_ERR_VERIFY, "the list names another update than the update's record");
    KS_CHECK(ks_bytes_is(counted->job, core->record_id) && counted->loss == job->update.loss,
             KS_ERR_VERIFY, "the list names another job, or another loss, than the update's");
out:
    ks_json_doc_free(doc);
    return err;
}

enum ks_err ks_fl_counted_check(const struct ks_fl_counted *counted, const struct ks_core *core,
                                const struct ks_job *job, const uint8_t h[32],
                                const struct ks_core *round)
{
    enum ks_err err = KS_OK;

    KS_CHECK(core->schema == KS_RECORD_SCHEMA_FL && core->kind == KS_KIND_UPDATE, KS_ERR_VERIFY,
             "the record is of no update");
    KS_CHECK(ks_bytes_equal(KS_BYTES(counted->record), ks_bytes_of(h, 32)), KS_ERR_VERIFY,
             "the list names another record");
    KS_CHECK(ks_bytes_equal(KS_BYTES(core->fl.session), KS_BYTES(round->fl.session)) &&
                 core->fl.round == round->fl.round &&
                 ks_bytes_equal(KS_BYTES(core->fl.parent), KS_BYTES(round->fl.parent)) &&
                 ks_bytes_equal(KS_BYTES(core->fl.descriptor), KS_BYTES(round->fl.descriptor)),
             KS_ERR_VERIFY, "the update is of another round");
    KS_CHECK(ks_bytes_equal(core->parameters, round->parameters) &&
                 core->fl.params == round->fl.params &&
                 ks_bytes_equal(KS_BYTES(core->fl.shape), KS_BYTES(round->fl.shape)),
             KS_ERR_VERIFY, "the update was made for another rule, or another model's shape");
    KS_TRY(check_counted(counted, core, job));
out:
    return err;
}
