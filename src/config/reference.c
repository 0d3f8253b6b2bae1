/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "config/reference.h"

#include <stdio.h>

#include "attest/tcglog.h"
#include "base/text.h"
#include "config/yaml.h"

/* --- the file as it is written ------------------------------------------------------------ */

struct yaml_pcr {
    unsigned pcr;
    char **values;
    unsigned values_count;
};
struct yaml_event {
    unsigned pcr;
    char *type;
    char *digest;
};
struct yaml_file {
    char *path;
    char *alg; /* NULL: sha256 */
    char *digest;
};
struct yaml_program {
    char *name;
    char *digest;
};
struct yaml_reference {
    char *name;
    char **tpms;
    unsigned tpms_count;
    unsigned *required_pcrs;
    unsigned required_pcrs_count;
    unsigned resets_ahead_max;
    unsigned restarts_ahead_max;
    char *firmware_min;
    struct yaml_pcr *pcrs;
    unsigned pcrs_count;
    struct yaml_event *boot_events;
    unsigned boot_events_count;
    struct yaml_file *files;
    unsigned files_count;
    bool violations_allowed;
    struct yaml_program *programs;
    unsigned programs_count;
};

#define TEXT(structure, field, max)                                                            \
    CYAML_FIELD_STRING_PTR(#field, CYAML_FLAG_POINTER, structure, field, 1, max)
#define TEXT_OPTIONAL(structure, field, max)                                                   \
    CYAML_FIELD_STRING_PTR(#field, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, structure, field, \
                           1, max)
#define LIST(field, schema, max)                                                               \
    CYAML_FIELD_SEQUENCE(#field, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,                     \
                         struct yaml_reference, field, &(schema), 1, max)

static const cyaml_schema_value_t digest_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 256)};
static const cyaml_schema_value_t kind_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, 16)};
static const cyaml_schema_value_t number_schema = {
    CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, unsigned)};

static const cyaml_schema_field_t pcr_fields[] = {
    CYAML_FIELD_UINT("pcr", CYAML_FLAG_DEFAULT, struct yaml_pcr, pcr),
    CYAML_FIELD_SEQUENCE("values", CYAML_FLAG_POINTER, struct yaml_pcr, values, &digest_schema,
                         1, KS_REFERENCE_VALUES_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t pcr_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_pcr, pcr_fields)};

static const cyaml_schema_field_t event_fields[] = {
    CYAML_FIELD_UINT("pcr", CYAML_FLAG_DEFAULT, struct yaml_event, pcr),
    TEXT(struct yaml_event, type, 64),
    TEXT(struct yaml_event, digest, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t event_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_event, event_fields)};

static const cyaml_schema_field_t file_fields[] = {
    TEXT(struct yaml_file, path, 4096),
    TEXT_OPTIONAL(struct yaml_file, alg, 16),
    TEXT(struct yaml_file, digest, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_file, file_fields)};

static const cyaml_schema_field_t program_fields[] = {
    TEXT(struct yaml_program, name, KS_EVENT_NAME_MAX),
    TEXT(struct yaml_program, digest, 256),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t program_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_program, program_fields)};

static const cyaml_schema_field_t reference_fields[] = {
    TEXT(struct yaml_reference, name, KS_REFERENCE_NAME_MAX),
    CYAML_FIELD_SEQUENCE("tpms", CYAML_FLAG_POINTER, struct yaml_reference, tpms, &kind_schema,
                         1, 2),
    CYAML_FIELD_SEQUENCE("required_pcrs", CYAML_FLAG_POINTER, struct yaml_reference,
                         required_pcrs, &number_schema, 1, KS_PCR_COUNT),
    CYAML_FIELD_UINT("resets_ahead_max", CYAML_FLAG_OPTIONAL, struct yaml_reference,
                     resets_ahead_max),
    CYAML_FIELD_UINT("restarts_ahead_max", CYAML_FLAG_OPTIONAL, struct yaml_reference,
                     restarts_ahead_max),
    TEXT_OPTIONAL(struct yaml_reference, firmware_min, 16),
    LIST(pcrs, pcr_schema, KS_PCR_COUNT),
    LIST(boot_events, event_schema, KS_REFERENCE_EVENTS_MAX),
    LIST(files, file_schema, KS_REFERENCE_FILES_MAX),
    CYAML_FIELD_BOOL("violations_allowed", CYAML_FLAG_OPTIONAL, struct yaml_reference,
                     violations_allowed),
    LIST(programs, program_schema, KS_REFERENCE_PROGRAMS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t reference_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_reference, reference_fields)};

/* --- into a reference --------------------------------------------------------------------- */

static enum ks_err take_digest(const char *what, size_t index, const char *text,
                               uint8_t target[KS_PCR_DIGEST_LEN])
{
    return ks_fail_prefix(ks_hex_decode(ks_bytes_text(text), target, KS_PCR_DIGEST_LEN),
                          "%s %zu: digest", what, index + 1);
}

static enum ks_err take_head(const struct yaml_reference *yaml, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;
    uint8_t firmware[8];
    struct ks_reader reader = ks_reader_of(KS_BYTES(firmware), "firmware_min");

    KS_CHECK(ks_text_is_name(ks_bytes_text(yaml->name), KS_REFERENCE_NAME_MAX), KS_ERR_FORMAT,
             "name: letters, digits, '-' and '_'");
    (void)snprintf(reference->name, sizeof reference->name, "%s", yaml->name);
    for (unsigned i = 0; i < yaml->tpms_count; i++) {
        const struct ks_bytes kind = ks_bytes_text(yaml->tpms[i]);

        KS_CHECK(ks_bytes_is(kind, "hardware") || ks_bytes_is(kind, "simulated"), KS_ERR_FORMAT,
                 "tpms: 'hardware' or 'simulated', not '%s'", yaml->tpms[i]);
        reference->tpms |=
            ks_bytes_is(kind, "hardware") ? KS_TPM_SET_HARDWARE : KS_TPM_SET_SIMULATED;
    }
    for (unsigned i = 0; i < yaml->required_pcrs_count; i++) {
        KS_CHECK(yaml->required_pcrs[i] < KS_PCR_COUNT, KS_ERR_FORMAT,
                 "required_pcrs: 0 to %d, not %u", KS_PCR_COUNT - 1, yaml->required_pcrs[i]);
        reference->required_pcrs |= UINT32_C(1) << yaml->required_pcrs[i];
    }
    reference->resets_ahead_max = yaml->resets_ahead_max;
    reference->restarts_ahead_max = yaml->restarts_ahead_max;
    if (yaml->firmware_min != NULL) {
        KS_TRY(ks_fail_prefix(
            ks_hex_decode(ks_bytes_text(yaml->firmware_min), firmware, sizeof firmware),
            "firmware_min: 16 hexadecimal digits"));
        KS_TRY(ks_read_u64(&reader, &reference->firmware_min));
    }
out:
    return err;
}

static enum ks_err take_pcrs(const struct yaml_reference *yaml, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < yaml->pcrs_count; i++) {
        const struct yaml_pcr *from = &yaml->pcrs[i];
        struct ks_reference_pcr *golden = NULL;

        KS_CHECK(from->pcr < KS_PCR_COUNT, KS_ERR_FORMAT, "pcrs: 0 to %d, not %u",
                 KS_PCR_COUNT - 1, from->pcr);
        golden = &reference->pcrs[from->pcr];
        KS_CHECK(golden->count == 0, KS_ERR_FORMAT, "pcrs: PCR %u twice", from->pcr);
        for (unsigned k = 0; k < from->values_count; k++) {
            KS_TRY(take_digest("pcrs", i, from->values[k], golden->values[k]));
        }
        golden->count = from->values_count;
    }
out:
    return err;
}

static enum ks_err take_type(const char *text, uint32_t *out_type)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[4];
    struct ks_reader reader = ks_reader_of(KS_BYTES(bytes), "type");
    const struct ks_bytes type = ks_bytes_text(text);

    if (type.len == 10 && text[0] == '0' && text[1] == 'x') {
        KS_TRY(ks_hex_decode(ks_bytes_of(text + 2, 8), bytes, sizeof bytes));
        KS_TRY(ks_read_u32(&reader, out_type));
    } else {
        KS_TRY(ks_tcg_event_type_of(type, out_type));
    }
out:
    return err;
}

static enum ks_err take_events(const struct yaml_reference *yaml,
                               struct ks_reference *reference)
{
    enum ks_err err = KS_OK;

    reference->has_events = yaml->boot_events != NULL;
    reference->events = ks_calloc(yaml->boot_events_count, sizeof *reference->events);
    KS_CHECK(reference->events != NULL, KS_ERR_NOMEM, "reference");
    for (unsigned i = 0; i < yaml->boot_events_count; i++) {
        struct ks_reference_event *event = &reference->events[i];

        event->pcr = yaml->boot_events[i].pcr;
        KS_TRY(ks_fail_prefix(take_type(yaml->boot_events[i].type, &event->type),
                              "boot_events %u", i + 1));
        KS_TRY(take_digest("boot_events", i, yaml->boot_events[i].digest, event->digest));
        reference->event_count++;
    }
out:
    return err;
}

static enum ks_err take_files(const struct yaml_reference *yaml, struct ks_reference *reference)
{
    enum ks_err err = KS_OK;

    reference->has_files = yaml->files != NULL;
    KS_CHECK(reference->has_files || !yaml->violations_allowed, KS_ERR_FORMAT,
             "violations_allowed: there are no files");
    reference->violations_allowed = yaml->violations_allowed;
    reference->files = ks_calloc(yaml->files_count, sizeof *reference->files);
    KS_CHECK(reference->files != NULL, KS_ERR_NOMEM, "reference");
    for (unsigned i = 0; i < yaml->files_count; i++) {
        const struct yaml_file *from = &yaml->files[i];
        struct ks_reference_file *file = &reference->files[i];
        const size_t len = ks_bytes_text(from->digest).len / 2;

        reference->file_count++; /* a half-made one is freed as well */
        KS_CHECK(len >= 1 && len <= sizeof file->digest, KS_ERR_FORMAT,
                 "files %u: digest: %zu bytes", i + 1, len);
        KS_TRY(ks_fail_prefix(ks_hex_decode(ks_bytes_text(from->digest), file->digest, len),
                              "files %u: digest", i + 1));
        file->digest_len = len;
        (void)snprintf(file->alg, sizeof file->alg, "%s",
                       from->alg == NULL ? "sha256" : from->alg);
        KS_TRY(ks_text_copy(from->path, &file->path));
    }
out:
    return err;
}

static enum ks_err take_programs(const struct yaml_reference *yaml,
                                 struct ks_reference *reference)
{
    enum ks_err err = KS_OK;

    reference->has_programs = yaml->programs != NULL;
    reference->programs = ks_calloc(yaml->programs_count, sizeof *reference->programs);
    KS_CHECK(reference->programs != NULL, KS_ERR_NOMEM, "reference");
    for (unsigned i = 0; i < yaml->programs_count; i++) {
        struct ks_reference_program *program = &reference->programs[i];

        (void)snprintf(program->name, sizeof program->name, "%s", yaml->programs[i].name);
        KS_TRY(take_digest("programs", i, yaml->programs[i].digest, program->digest));
        reference->program_count++;
    }
out:
    return err;
}

static enum ks_err convert(const struct yaml_reference *yaml, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_reference *reference = ks_calloc(1, sizeof *reference);
    struct ks_reference *parsed = NULL;

    KS_CHECK(reference != NULL, KS_ERR_NOMEM, "reference");
    KS_TRY(take_head(yaml, reference));
    KS_TRY(take_pcrs(yaml, reference));
    KS_TRY(take_events(yaml, reference));
    KS_TRY(take_files(yaml, reference));
    KS_TRY(take_programs(yaml, reference));
    ks_reference_sort(reference);
    ks_reference_write(reference, out);
    KS_TRY(ks_buf_check(out));
    KS_TRY(ks_reference_parse(ks_buf_view(out), &parsed)); /* all the other rules */
out:
    ks_reference_free(reference);
    ks_reference_free(parsed);
    return err;
}

enum ks_err ks_reference_load(const char *path, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    void *yaml = NULL;

    KS_TRY(ks_yaml_load(path, KS_REFERENCE_MAX, &reference_schema, &yaml));
    KS_TRY(ks_fail_prefix(convert(yaml, out), "%s", path));
out:
    ks_yaml_free(&reference_schema, yaml);
    return err;
}
