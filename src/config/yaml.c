/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "config/yaml.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"

/* What libcyaml says: the first error, which is the precise one, and then the fields around it,
 * innermost first. Both are kept for our one error. */
struct complaint {
    char text[160];
    char field[128];     /* "workers.count" */
    unsigned line;       /* of the innermost place that has one; 0: none */
    bool beside_a_field; /* the next field named is the neighbour of one that is missing */
};

/* "… (line: 7, column: 3)" */
static void keep_line(struct complaint *complaint, const char *line)
{
    static const char before[] = "(line: ";
    const char *number = strstr(line, before);
    uint64_t value = 0;

    if (number != NULL && complaint->line == 0 && !complaint->beside_a_field) {
        number += sizeof before - 1;
        if (ks_text_u64(ks_bytes_of(number, strspn(number, "0123456789")), UINT32_MAX,
                        &value) == KS_OK) {
            complaint->line = (unsigned)value;
        }
    }
}

static void keep_field(struct complaint *complaint, const char *line)
{
    static const char before[] = "in mapping field '";
    const char *name = strstr(line, before);
    char outer[sizeof complaint->text + sizeof complaint->field + 1];
    int len = 0;

    if (strstr(line, "in mapping") == NULL) {
        return;
    }
    if (name != NULL && !complaint->beside_a_field) {
        name += sizeof before - 1;
        len = (int)strcspn(name, "'");
        (void)snprintf(outer, sizeof outer, "%.*s%s%s", len, name,
                       complaint->field[0] != '\0' ? "." : "", complaint->field);
        (void)snprintf(complaint->field, sizeof complaint->field, "%.*s",
                       (int)sizeof complaint->field - 1, outer);
    }
    complaint->beside_a_field = false;
}

__attribute__((format(printf, 3, 0))) static void
keep_complaint(cyaml_log_t level, void *context, const char *format, va_list args)
{
    static const char prefix[] = "Load: ";
    struct complaint *complaint = context;
    char line[sizeof complaint->text];
    const char *text = line;

    (void)vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    if (level != CYAML_LOG_ERROR) {
        return;
    }
    if (complaint->text[0] != '\0') {
        keep_line(complaint, line);
        keep_field(complaint, line);
        return;
    }
    if (strncmp(line, prefix, sizeof prefix - 1) == 0) {
        text += sizeof prefix - 1;
    }
    (void)snprintf(complaint->text, sizeof complaint->text, "%s", text);
    complaint->beside_a_field = strncmp(text, "Missing", 7) == 0;
}

static cyaml_config_t cyaml_settings(struct complaint *complaint)
{
    return (cyaml_config_t){
        .log_fn = keep_complaint,
        .log_ctx = complaint,
        .mem_fn = cyaml_mem,
        .log_level = CYAML_LOG_ERROR,
        .flags = CYAML_CFG_DEFAULT,
    };
}

unsigned ks_yaml_line(struct ks_bytes text, const char *key, unsigned from)
{
    const size_t len = strlen(key);
    unsigned line = 1;
    size_t at = 0;

    while (at < text.len) {
        const uint8_t *end = memchr(text.data + at, '\n', text.len - at);

        while (at < text.len && (text.data[at] == ' ' || text.data[at] == '-')) {
            at++;
        }
        if (line >= from && text.len - at > len &&
            ks_bytes_is(ks_bytes_of(text.data + at, len), key) &&
            (text.data[at + len] == ':' || text.data[at + len] == ' ')) {
            return line;
        }
        at = end == NULL ? text.len : (size_t)(end - text.data) + 1;
        line++;
    }
    return 0;
}

/* libcyaml places a key that it does not take on the line of the one before. */
static void find_key(struct complaint *complaint, struct ks_bytes text)
{
    static const char *const about[] = {"Unexpected key: ", "Mapping field already seen: "};

    for (size_t i = 0; i < sizeof about / sizeof about[0]; i++) {
        const size_t len = strlen(about[i]);
        unsigned line = 0;

        if (strncmp(complaint->text, about[i], len) == 0) {
            line = ks_yaml_line(text, complaint->text + len,
                                complaint->line + (unsigned)i); /* a second one: behind */
            complaint->line = line > 0 ? line : complaint->line;
        }
    }
}

enum ks_err ks_yaml_load(const char *path, size_t len_max, const cyaml_schema_value_t *schema,
                         void **out_data)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct complaint complaint = {0};
    cyaml_config_t settings = cyaml_settings(&complaint);
    cyaml_data_t *data = NULL;
    cyaml_err_t result = CYAML_OK;
    char line[16];

    ks_buf_init(&text, len_max);
    KS_TRY(ks_file_read(path, len_max, &text));
    result = cyaml_load_data(text.data, text.len, &settings, schema, &data, NULL);
    find_key(&complaint, ks_buf_view(&text));
    line[0] = '\0';
    if (complaint.line > 0) {
        (void)snprintf(line, sizeof line, ":%u", complaint.line);
    }
    KS_CHECK(result == CYAML_OK, KS_ERR_FORMAT, "%s%s: %s%s%s", path, line, complaint.field,
             complaint.field[0] != '\0' ? ": " : "",
             complaint.text[0] != '\0' ? complaint.text : cyaml_strerror(result));
    KS_CHECK(data != NULL, KS_ERR_FORMAT, "%s: it is empty", path);
    *out_data = data;
out:
    ks_buf_done(&text);
    return err;
}

void ks_yaml_free(const cyaml_schema_value_t *schema, void *data)
{
    struct complaint complaint = {0};
    cyaml_config_t settings = cyaml_settings(&complaint);

    if (data != NULL) {
        (void)cyaml_free(&settings, schema, data, 0); /* fails on bad arguments only */
    }
}

enum ks_err ks_config_resolve(const char *file, char **path)
{
    enum ks_err err = KS_OK;
    const char *slash = strrchr(file, '/');
    char joined[8192];
    char *copy = NULL;
    int len = 0;

    if (*path == NULL || (*path)[0] == '/' || slash == NULL) {
        return KS_OK;
    }
    len = snprintf(joined, sizeof joined, "%.*s/%s", (int)(slash - file), file, *path);
    KS_CHECK(len > 0 && (size_t)len < sizeof joined, KS_ERR_LIMIT, "path '%s' is too long",
             *path);
    /* cyaml frees its strings with its own allocator. */
    copy = cyaml_mem(NULL, NULL, (size_t)len + 1);
    KS_CHECK(copy != NULL, KS_ERR_NOMEM, "configuration");
    ks_copy(copy, joined, (size_t)len + 1);
    (void)cyaml_mem(NULL, *path, 0);
    *path = copy;
out:
    return err;
}

enum ks_err ks_config_listen(const char *name, const char *listen, char address[64],
                             uint16_t *out_port)
{
    enum ks_err err = KS_OK;
    const char *colon = strrchr(listen, ':');
    size_t len = 0;
    uint64_t port = 0;

    KS_CHECK(colon != NULL, KS_ERR_FORMAT, "%s: expected address:port", name);
    len = (size_t)(colon - listen);
    if (len >= 2 && listen[0] == '[' && listen[len - 1] == ']') {
        listen++;
        len -= 2;
    } else {
        /* "::1:80": where the address ends is unclear. */
        KS_CHECK(strcspn(listen, "[]:") == len, KS_ERR_FORMAT,
                 "%s: an IPv6 address needs brackets, such as [::1]:8443", name);
    }
    KS_CHECK(len >= 1 && len < 64, KS_ERR_FORMAT, "%s: expected address:port", name);
    KS_TRY(
        ks_fail_prefix(ks_text_u64(ks_bytes_text(colon + 1), 65535, &port), "%s: port", name));
    ks_copy(address, listen, len);
    address[len] = '\0';
    *out_port = (uint16_t)port;
out:
    return err;
}
