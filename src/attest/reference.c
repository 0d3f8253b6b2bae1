/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/reference.h"

#include <stdio.h>
#include <stdlib.h>

#include "attest/ima.h"
#include "attest/tcglog.h"
#include "base/text.h"

#define FIRMWARE_HEX_LEN 8 /* bytes of the version, as 16 digits */
#define TYPE_HEX_LEN     4
/* Values in a document: itself and 12 members, 3 for each PCR and its values, 4 for each row.
 */
#define NODES_MAX                                                                              \
    (64 + KS_PCR_COUNT * (4 + KS_REFERENCE_VALUES_MAX) +                                       \
     4 * (KS_REFERENCE_EVENTS_MAX + KS_REFERENCE_FILES_MAX + KS_REFERENCE_PROGRAMS_MAX))
_Static_assert(sizeof(((struct ks_reference_file *)0)->alg) == KS_IMA_ALG_MAX + 1 &&
                   sizeof(((struct ks_reference_file *)0)->digest) == KS_IMA_DIGEST_MAX,
               "files are those of the kernel's list");

/* --- order -------------------------------------------------------------------------------- */

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_events(const void *a, const void *b)
{
    const struct ks_reference_event *one = a;
    const struct ks_reference_event *two = b;
    int order = compare_u32(one->pcr, two->pcr);

    if (order == 0) {
        order = compare_u32(one->type, two->type);
    }
    return order != 0 ? order : ks_bytes_compare(KS_BYTES(one->digest), KS_BYTES(two->digest));
}

/* A file as it is looked for. */
struct file_key {
    struct ks_bytes path;
    struct ks_bytes alg;
    struct ks_bytes digest;
};

static int compare_key(const void *key, const void *row)
{
    const struct file_key *wanted = key;
    const struct ks_reference_file *file = row;
    int order = ks_bytes_compare(wanted->path, ks_bytes_text(file->path));

    if (order == 0) {
        order = ks_bytes_compare(wanted->alg, ks_bytes_text(file->alg));
    }
    return order != 0
               ? order
               : ks_bytes_compare(wanted->digest, ks_bytes_of(file->digest, file->digest_len));
}

static int compare_files(const void *a, const void *b)
{
    const struct ks_reference_file *file = a;
    const struct file_key key = {
        .path = ks_bytes_text(file->path),
        .alg = ks_bytes_text(file->alg),
        .digest = ks_bytes_of(file->digest, file->digest_len),
    };

    return compare_key(&key, b);
}

static int compare_programs(const void *a, const void *b)
{
    const struct ks_reference_program *one = a;
    const struct ks_reference_program *two = b;
    int order = ks_bytes_compare(ks_bytes_text(one->name), ks_bytes_text(two->name));

    return order != 0 ? order : ks_bytes_compare(KS_BYTES(one->digest), KS_BYTES(two->digest));
}

static int order_values(const void *a, const void *b)
{
    return ks_bytes_compare(ks_bytes_of(a, KS_PCR_DIGEST_LEN),
                            ks_bytes_of(b, KS_PCR_DIGEST_LEN));
}

void ks_reference_sort(struct ks_reference *reference)
{
    qsort(reference->events, reference->event_count, sizeof *reference->events, compare_events);
    qsort(reference->files, reference->file_count, sizeof *reference->files, compare_files);
    qsort(reference->programs, reference->program_count, sizeof *reference->programs,
          compare_programs);
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        struct ks_reference_pcr *golden = &reference->pcrs[pcr];

        qsort(golden->values, golden->count, sizeof golden->values[0], order_values);
    }
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err get_pcr(const struct ks_json *object, unsigned *out_pcr)
{
    uint64_t pcr = 0;
    enum ks_err err = ks_json_get_u64(object, "pcr", KS_PCR_COUNT - 1, &pcr);

    if (err == KS_OK) {
        *out_pcr = (unsigned)pcr;
    }
    return err;
}

/* An object of exactly such members. */
static enum ks_err object_only(const struct ks_json *value, const char *const *members)
{
    if (ks_json_type(value) != KS_JSON_OBJECT) {
        return ks_fail(KS_ERR_FORMAT, "not an object");
    }
    return ks_json_only(value, members);
}

/* A list of the document, and of what its rows are made. */
struct list {
    const char *name;
    size_t count_max;
    size_t row_size;
    enum ks_err (*read)(const struct ks_json *value, void *row);
    int (*compare)(const void *a, const void *b);
};

/* Reads member LIST->name, where it is there, into *OUT_ROWS; a row that was half read when an
 * error came is counted, so that it is freed. */
static enum ks_err read_list(const struct ks_json *root, const struct list *list, bool *out_has,
                             uint8_t **out_rows, size_t *out_count)
{
    enum ks_err err = KS_OK;
    const struct ks_json *rows = NULL;
    size_t count = 0;

    *out_has = ks_json_find(root, list->name) != NULL;
    if (*out_has) {
        KS_TRY(ks_json_get(root, list->name, KS_JSON_ARRAY, &rows));
        count = ks_json_count(rows);
        KS_CHECK(count <= list->count_max, KS_ERR_LIMIT, "'%s': %zu, limit %zu", list->name,
                 count, list->count_max);
    }
    *out_rows = ks_calloc(count, list->row_size);
    KS_CHECK(*out_rows != NULL, KS_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        uint8_t *row = &(*out_rows)[i * list->row_size];
        *out_count = i + 1;
        KS_TRY(ks_fail_prefix(list->read(ks_json_at(rows, i), row), "'%s' %zu", list->name, i));
        KS_CHECK(i == 0 || list->compare(&(*out_rows)[(i - 1) * list->row_size], row) < 0,
                 KS_ERR_FORMAT, "'%s' %zu: twice or out of order", list->name, i);
    }
out:
    return err;
}

/* Types that have a name are written by it; others as "0x" and 8 digits. */
static enum ks_err get_type(const struct ks_json *object, uint32_t *out_type)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text;
    uint8_t bytes[TYPE_HEX_LEN];
    struct ks_bytes prefix;
    uint32_t type;

    KS_TRY(ks_json_get_string(object, "type", &text));
    if (text.len == 2 + 2 * TYPE_HEX_LEN && text.data[0] == '0') {
        struct ks_reader reader = ks_reader_of(text, "type");
        KS_TRY(ks_read_bytes(&reader, 2, &prefix));
        KS_CHECK(ks_bytes_is(prefix, "0x"), KS_ERR_FORMAT, "'type': unknown");
        KS_TRY(ks_hex_decode(reader.rest, bytes, sizeof bytes));
        type = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
               bytes[3];
        KS_CHECK(ks_tcg_event_type_name(type) == NULL, KS_ERR_FORMAT,
                 "'type': 0x%08x has a name, %s", (unsigned)type, ks_tcg_event_type_name(type));
    } else {
        KS_TRY(ks_tcg_event_type_of(text, &type));
    }
    KS_CHECK(type != KS_TCG_EV_NO_ACTION, KS_ERR_FORMAT,
             "'type': EV_NO_ACTION is never measured");
    *out_type = type;
out:
    return err;
}

static enum ks_err read_event(const struct ks_json *value, void *row)
{
    enum ks_err err = KS_OK;
    struct ks_reference_event *event = row;
    static const char *const members[] = {"digest", "pcr", "type", NULL};

    KS_TRY(object_only(value, members));
    KS_TRY(ks_json_get_hex(value, "digest", event->digest, sizeof event->digest));
    KS_TRY(get_pcr(value, &event->pcr));
    KS_TRY(get_type(value, &event->type));
out:
    return err;
}

static enum ks_err read_file(const struct ks_json *value, void *row)
{
    enum ks_err err = KS_OK;
    struct ks_reference_file *file = row;
    static const char *const members[] = {"alg", "digest", "path", NULL};
    struct ks_bytes alg;
    struct ks_bytes digest;
    struct ks_bytes path;
    struct ks_buf text;

    ks_buf_init(&text, KS_IMA_PATH_MAX + 1);
    KS_TRY(object_only(value, members));
    KS_TRY(ks_json_get_string(value, "alg", &alg));
    KS_CHECK(ks_text_is_name(alg, KS_IMA_ALG_MAX), KS_ERR_FORMAT, "'alg': no algorithm");
    ks_copy(file->alg, alg.data, alg.len);
    KS_TRY(ks_json_get_string(value, "digest", &digest));
    KS_CHECK(digest.len >= 2 && digest.len <= 2 * sizeof file->digest && digest.len % 2 == 0,
             KS_ERR_FORMAT, "'digest': %zu characters", digest.len);
    file->digest_len = digest.len / 2;
    KS_TRY(ks_fail_prefix(ks_hex_decode(digest, file->digest, file->digest_len), "'digest'"));
    KS_TRY(ks_json_get_string(value, "path", &path));
    KS_CHECK(path.len >= 1 && path.len <= KS_IMA_PATH_MAX, KS_ERR_FORMAT,
             "'path': %zu bytes, not 1 to %d", path.len, KS_IMA_PATH_MAX);
    ks_buf_put(&text, path);
    ks_buf_put_u8(&text, 0);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_text_copy((const char *)text.data, &file->path));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err read_program(const struct ks_json *value, void *row)
{
    enum ks_err err = KS_OK;
    struct ks_reference_program *program = row;
    static const char *const members[] = {"digest", "name", NULL};
    struct ks_event_log log;
    struct ks_bytes name;

    KS_TRY(object_only(value, members));
    KS_TRY(ks_json_get_hex(value, "digest", program->digest, sizeof program->digest));
    KS_TRY(ks_json_get_string(value, "name", &name));
    KS_CHECK(name.len < sizeof program->name, KS_ERR_FORMAT, "'name': %zu bytes", name.len);
    ks_copy(program->name, name.data, name.len);
    /* A name that a launch log can have. */
    ks_event_log_init(&log, KS_LAUNCH_PCR, NULL);
    KS_TRY(ks_event_log_add(&log, program->name, program->digest));
out:
    return err;
}

static enum ks_err read_lists(const struct ks_json *root, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    static const struct list events = {"boot_events", KS_REFERENCE_EVENTS_MAX,
                                       sizeof(struct ks_reference_event), read_event,
                                       compare_events};
    static const struct list files = {"files", KS_REFERENCE_FILES_MAX,
                                      sizeof(struct ks_reference_file), read_file,
                                      compare_files};
    static const struct list programs = {"programs", KS_REFERENCE_PROGRAMS_MAX,
                                         sizeof(struct ks_reference_program), read_program,
                                         compare_programs};
    uint8_t *rows = NULL;

    err = read_list(root, &events, &reference->has_events, &rows, &reference->event_count);
    reference->events = (void *)rows; /* also when half read */
    KS_TRY(err);
    rows = NULL;
    err = read_list(root, &files, &reference->has_files, &rows, &reference->file_count);
    reference->files = (void *)rows;
    KS_TRY(err);
    rows = NULL;
    err =
        read_list(root, &programs, &reference->has_programs, &rows, &reference->program_count);
    reference->programs = (void *)rows;
    KS_TRY(err);
    KS_CHECK((ks_json_find(root, "violations_allowed") != NULL) == reference->has_files,
             KS_ERR_FORMAT, "'violations_allowed' goes with 'files'");
    if (reference->has_files) {
        KS_TRY(ks_json_get_bool(root, "violations_allowed", &reference->violations_allowed));
    }
out:
    return err;
}

static enum ks_err read_golden(const struct ks_json *value, struct ks_reference *reference,
                               unsigned *out_pcr)
{
    enum ks_err err = KS_OK;
    static const char *const members[] = {"pcr", "values", NULL};
    const struct ks_json *list = NULL;
    struct ks_reference_pcr *golden;

    KS_TRY(object_only(value, members));
    KS_TRY(get_pcr(value, out_pcr));
    golden = &reference->pcrs[*out_pcr];
    KS_TRY(ks_json_get(value, "values", KS_JSON_ARRAY, &list));
    KS_CHECK(ks_json_count(list) >= 1 && ks_json_count(list) <= KS_REFERENCE_VALUES_MAX,
             KS_ERR_LIMIT, "'values': %zu, not 1 to %d", ks_json_count(list),
             KS_REFERENCE_VALUES_MAX);
    for (size_t i = 0; i < ks_json_count(list); i++) {
        struct ks_bytes text;
        KS_TRY(ks_json_string(ks_json_at(list, i), &text));
        KS_TRY(ks_fail_prefix(ks_hex_decode(text, golden->values[i], KS_PCR_DIGEST_LEN),
                              "'values' %zu", i));
        KS_CHECK(i == 0 || ks_bytes_compare(KS_BYTES(golden->values[i - 1]),
                                            KS_BYTES(golden->values[i])) < 0,
                 KS_ERR_FORMAT, "'values' %zu: twice or out of order", i);
    }
    golden->count = ks_json_count(list);
out:
    return err;
}

static enum ks_err read_pcrs(const struct ks_json *root, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    const struct ks_json *list = NULL;
    unsigned before = 0;
    unsigned pcr = 0;

    KS_TRY(ks_json_get(root, "required_pcrs", KS_JSON_ARRAY, &list));
    KS_CHECK(ks_json_count(list) >= 1 && ks_json_count(list) <= KS_PCR_COUNT, KS_ERR_FORMAT,
             "'required_pcrs': %zu, not 1 to %d", ks_json_count(list), KS_PCR_COUNT);
    for (size_t i = 0; i < ks_json_count(list); i++) {
        uint64_t value = 0;
        KS_TRY(ks_fail_prefix(ks_json_u64(ks_json_at(list, i), KS_PCR_COUNT - 1, &value),
                              "'required_pcrs'"));
        /* Ascending: above all that were set before. */
        KS_CHECK(reference->required_pcrs >> value == 0, KS_ERR_FORMAT,
                 "'required_pcrs': %u twice or out of order", (unsigned)value);
        reference->required_pcrs |= 1u << value;
    }
    KS_TRY(ks_json_get(root, "pcrs", KS_JSON_ARRAY, &list));
    KS_CHECK(ks_json_count(list) <= KS_PCR_COUNT, KS_ERR_LIMIT, "'pcrs': %zu, limit %d",
             ks_json_count(list), KS_PCR_COUNT);
    for (size_t i = 0; i < ks_json_count(list); i++) {
        KS_TRY(
            ks_fail_prefix(read_golden(ks_json_at(list, i), reference, &pcr), "'pcrs' %zu", i));
        KS_CHECK(i == 0 || pcr > before, KS_ERR_FORMAT, "'pcrs' %zu: twice or out of order", i);
        before = pcr;
    }
out:
    return err;
}

static enum ks_err read_clock(const struct ks_json *root, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    static const char *const members[] = {"resets_ahead_max", "restarts_ahead_max", NULL};
    const struct ks_json *clock = NULL;
    uint64_t resets = 0;
    uint64_t restarts = 0;

    KS_TRY(ks_json_get(root, "clock", KS_JSON_OBJECT, &clock));
    KS_TRY(ks_json_only(clock, members));
    KS_TRY(ks_json_get_u64(clock, "resets_ahead_max", KS_REFERENCE_AHEAD_MAX, &resets));
    KS_TRY(ks_json_get_u64(clock, "restarts_ahead_max", KS_REFERENCE_AHEAD_MAX, &restarts));
    reference->resets_ahead_max = (uint32_t)resets;
    reference->restarts_ahead_max = (uint32_t)restarts;
out:
    return err;
}

static enum ks_err read_tpms(const struct ks_json *root, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    const struct ks_json *list = NULL;

    KS_TRY(ks_json_get(root, "tpms", KS_JSON_ARRAY, &list));
    for (size_t i = 0; i < ks_json_count(list); i++) {
        struct ks_bytes kind;
        unsigned bit;
        KS_TRY(ks_json_string(ks_json_at(list, i), &kind));
        bit = ks_bytes_is(kind, "hardware")    ? KS_TPM_SET_HARDWARE
              : ks_bytes_is(kind, "simulated") ? KS_TPM_SET_SIMULATED
                                               : 0;
        KS_CHECK(bit > reference->tpms, KS_ERR_FORMAT,
                 "'tpms' is not made of \"hardware\" and \"simulated\", in this order");
        reference->tpms |= bit;
    }
    KS_CHECK(reference->tpms != 0, KS_ERR_FORMAT, "'tpms' is empty");
out:
    return err;
}

static enum ks_err read_head(const struct ks_json *root, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    struct ks_bytes schema;
    struct ks_bytes name;
    uint8_t firmware[FIRMWARE_HEX_LEN];

    KS_TRY(ks_json_get_string(root, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, KS_REFERENCE_SCHEMA), KS_ERR_FORMAT,
             "'schema' is not \"" KS_REFERENCE_SCHEMA "\"");
    KS_TRY(ks_json_get_string(root, "name", &name));
    KS_CHECK(ks_text_is_name(name, KS_REFERENCE_NAME_MAX), KS_ERR_FORMAT,
             "'name' is not 1 to %d of [A-Za-z0-9_-]", KS_REFERENCE_NAME_MAX);
    ks_copy(reference->name, name.data, name.len);
    KS_TRY(ks_json_get_hex(root, "firmware_min", firmware, sizeof firmware));
    for (size_t i = 0; i < sizeof firmware; i++) {
        reference->firmware_min = reference->firmware_min << 8 | firmware[i];
    }
out:
    return err;
}

/* Each required PCR under a rule, and no rule that would never be applied: it would promise a
 * check that is not made. */
static enum ks_err check_rules(const struct ks_reference *reference)
{
    enum ks_err err = KS_OK;

    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        bool required = (reference->required_pcrs & 1u << pcr) != 0;
        KS_CHECK(!required || ks_reference_rule(reference, pcr) != KS_RULE_NONE, KS_ERR_FORMAT,
                 "PCR %u is required, but nothing says what it may be", pcr);
        KS_CHECK(required || reference->pcrs[pcr].count == 0, KS_ERR_FORMAT,
                 "PCR %u has golden values, but is not required", pcr);
    }
    KS_CHECK(!reference->has_files || ks_reference_rule(reference, KS_IMA_PCR) == KS_RULE_FILES,
             KS_ERR_FORMAT, "'files' is never applied: PCR %d is not required, or golden",
             KS_IMA_PCR);
    KS_CHECK(!reference->has_programs ||
                 ks_reference_rule(reference, KS_LAUNCH_PCR) == KS_RULE_PROGRAMS,
             KS_ERR_FORMAT, "'programs' is never applied: PCR %d is not required, or golden",
             KS_LAUNCH_PCR);
    for (size_t i = 0; i < reference->event_count; i++) {
        enum ks_reference_rule rule = ks_reference_rule(reference, reference->events[i].pcr);
        KS_CHECK(rule != KS_RULE_NONE && rule != KS_RULE_GOLDEN, KS_ERR_FORMAT,
                 "'boot_events' %zu is never applied: PCR %u is not required, or golden", i,
                 reference->events[i].pcr);
    }
out:
    return err;
}

static enum ks_err read_reference(const struct ks_json *root, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    static const char *const members[] = {
        "boot_events",   "clock",  "files", "firmware_min",       "name", "pcrs", "programs",
        "required_pcrs", "schema", "tpms",  "violations_allowed", NULL};

    KS_CHECK(ks_json_type(root) == KS_JSON_OBJECT, KS_ERR_FORMAT, "not an object");
    KS_TRY(ks_json_only(root, members));
    KS_TRY(read_head(root, reference));
    KS_TRY(read_clock(root, reference));
    KS_TRY(read_tpms(root, reference));
    KS_TRY(read_pcrs(root, reference));
    KS_TRY(read_lists(root, reference));
    KS_TRY(check_rules(reference));
out:
    return err;
}

enum ks_err ks_reference_parse(struct ks_bytes text, struct ks_reference **out_reference)
{
    enum ks_err err = KS_OK;
    static const struct ks_json_limits limits = {
        .len_max = KS_REFERENCE_MAX,
        .nodes_max = NODES_MAX,
    };
    struct ks_json_doc *doc = NULL;
    struct ks_reference *reference = ks_calloc(1, sizeof *reference);

    KS_CHECK(reference != NULL, KS_ERR_NOMEM, "out of memory");
    KS_TRY(ks_json_parse_canonical(text, &limits, &doc));
    KS_TRY(read_reference(ks_json_root(doc), reference));
    *out_reference = reference;
    reference = NULL;
out:
    ks_reference_free(reference);
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "reference");
}

void ks_reference_free(struct ks_reference *reference)
{
    if (reference != NULL) {
        for (size_t i = 0; i < reference->file_count; i++) {
            ks_free(reference->files[i].path);
        }
        ks_free(reference->files);
        ks_free(reference->events);
        ks_free(reference->programs);
        ks_free(reference);
    }
}

/* --- writing ------------------------------------------------------------------------------ */

static void put_events(const struct ks_reference *reference, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "boot_events");
    ks_json_put_array(writer);
    for (size_t i = 0; i < reference->event_count; i++) {
        const struct ks_reference_event *event = &reference->events[i];
        const char *name = ks_tcg_event_type_name(event->type);
        char digits[2 + 2 * TYPE_HEX_LEN + 1];

        ks_json_put_object(writer);
        ks_json_member_hex(writer, "digest", KS_BYTES(event->digest));
        ks_json_member_u64(writer, "pcr", event->pcr);
        if (name == NULL) {
            (void)snprintf(digits, sizeof digits, "0x%08x", (unsigned)event->type);
            name = digits;
        }
        ks_json_member_text(writer, "type", name);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static void put_files(const struct ks_reference *reference, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "files");
    ks_json_put_array(writer);
    for (size_t i = 0; i < reference->file_count; i++) {
        const struct ks_reference_file *file = &reference->files[i];

        ks_json_put_object(writer);
        ks_json_member_text(writer, "alg", file->alg);
        ks_json_member_hex(writer, "digest", ks_bytes_of(file->digest, file->digest_len));
        ks_json_member_text(writer, "path", file->path);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static void put_pcrs(const struct ks_reference *reference, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "pcrs");
    ks_json_put_array(writer);
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        const struct ks_reference_pcr *golden = &reference->pcrs[pcr];

        if (golden->count == 0) {
            continue;
        }
        ks_json_put_object(writer);
        ks_json_member_u64(writer, "pcr", pcr);
        ks_json_put_key(writer, "values");
        ks_json_put_array(writer);
        for (size_t i = 0; i < golden->count; i++) {
            ks_json_put_hex(writer, KS_BYTES(golden->values[i]));
        }
        ks_json_put_end(writer);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static void put_programs(const struct ks_reference *reference, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "programs");
    ks_json_put_array(writer);
    for (size_t i = 0; i < reference->program_count; i++) {
        ks_json_put_object(writer);
        ks_json_member_hex(writer, "digest", KS_BYTES(reference->programs[i].digest));
        ks_json_member_text(writer, "name", reference->programs[i].name);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static void put_tail(const struct ks_reference *reference, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "required_pcrs");
    ks_json_put_array(writer);
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if ((reference->required_pcrs & 1u << pcr) != 0) {
            ks_json_put_u64(writer, pcr);
        }
    }
    ks_json_put_end(writer);
    ks_json_member_text(writer, "schema", KS_REFERENCE_SCHEMA);
    ks_json_put_key(writer, "tpms");
    ks_json_put_array(writer);
    if ((reference->tpms & KS_TPM_SET_HARDWARE) != 0) {
        ks_json_put_text(writer, "hardware");
    }
    if ((reference->tpms & KS_TPM_SET_SIMULATED) != 0) {
        ks_json_put_text(writer, "simulated");
    }
    ks_json_put_end(writer);
    if (reference->has_files) {
        ks_json_member_bool(writer, "violations_allowed", reference->violations_allowed);
    }
}

void ks_reference_write(const struct ks_reference *reference, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    char firmware[2 * FIRMWARE_HEX_LEN + 1];

    (void)snprintf(firmware, sizeof firmware, "%016llx",
                   (unsigned long long)reference->firmware_min);
    ks_json_put_object(&writer);
    if (reference->has_events) {
        put_events(reference, &writer);
    }
    ks_json_put_key(&writer, "clock");
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "resets_ahead_max", reference->resets_ahead_max);
    ks_json_member_u64(&writer, "restarts_ahead_max", reference->restarts_ahead_max);
    ks_json_put_end(&writer);
    if (reference->has_files) {
        put_files(reference, &writer);
    }
    ks_json_member_text(&writer, "firmware_min", firmware);
    ks_json_member_text(&writer, "name", reference->name);
    put_pcrs(reference, &writer);
    if (reference->has_programs) {
        put_programs(reference, &writer);
    }
    put_tail(reference, &writer);
    ks_json_put_end(&writer);
}

/* --- questions ---------------------------------------------------------------------------- */

enum ks_reference_rule ks_reference_rule(const struct ks_reference *reference, unsigned pcr)
{
    KS_ASSERT(pcr < KS_PCR_COUNT);
    if ((reference->required_pcrs & 1u << pcr) == 0) {
        return KS_RULE_NONE;
    }
    if (reference->pcrs[pcr].count > 0) {
        return KS_RULE_GOLDEN;
    }
    if (pcr == KS_IMA_PCR) {
        return reference->has_files ? KS_RULE_FILES : KS_RULE_NONE;
    }
    if (pcr == KS_LAUNCH_PCR) {
        return reference->has_programs ? KS_RULE_PROGRAMS : KS_RULE_NONE;
    }
    return reference->has_events ? KS_RULE_EVENTS : KS_RULE_NONE;
}

bool ks_reference_golden(const struct ks_reference *reference, unsigned pcr,
                         const uint8_t value[KS_PCR_DIGEST_LEN])
{
    KS_ASSERT(pcr < KS_PCR_COUNT);
    for (size_t i = 0; i < reference->pcrs[pcr].count; i++) {
        if (ks_bytes_equal(KS_BYTES(reference->pcrs[pcr].values[i]),
                           ks_bytes_of(value, KS_PCR_DIGEST_LEN))) {
            return true;
        }
    }
    return false;
}

bool ks_reference_allows_event(const struct ks_reference *reference,
                               const struct ks_reference_event *event)
{
    return bsearch(event, reference->events, reference->event_count, sizeof *reference->events,
                   compare_events) != NULL;
}

bool ks_reference_allows_file(const struct ks_reference *reference, struct ks_bytes path,
                              struct ks_bytes alg, struct ks_bytes digest)
{
    const struct file_key wanted = {.path = path, .alg = alg, .digest = digest};

    return bsearch(&wanted, reference->files, reference->file_count, sizeof *reference->files,
                   compare_key) != NULL;
}

bool ks_reference_allows_program(const struct ks_reference *reference, const char *name,
                                 const uint8_t digest[KS_PCR_DIGEST_LEN])
{
    struct ks_reference_program wanted = {0};
    struct ks_bytes text = ks_bytes_text(name);

    if (text.len >= sizeof wanted.name) {
        return false;
    }
    ks_copy(wanted.name, text.data, text.len);
    ks_copy(wanted.digest, digest, sizeof wanted.digest);
    return bsearch(&wanted, reference->programs, reference->program_count,
                   sizeof *reference->programs, compare_programs) != NULL;
}
