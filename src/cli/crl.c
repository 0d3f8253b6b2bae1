/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The CA's revocations, a text file, and the list signed from it. The file is
 * written first: a crash between the two costs a number, never a revocation. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/ca.h"
#include "crypto/keyfile.h"

#define REVOKED_FILE      "revoked"
#define REVOKED_TITLE     "ketseal-revoked/1"
#define REVOKED_BYTES_MAX (8 * 1024 * 1024)
#define DAY_S             UINT64_C(86400)
#define BACKDATE_S        300 /* for clocks that are a little behind */

struct revocation {
    uint8_t serial[KS_CERT_SERIAL_MAX];
    size_t serial_len;
    uint64_t time_us;
};

struct revocations {
    uint64_t number; /* of the last list */
    size_t count;
    size_t cap;
    struct revocation *items;
};

/* --- the text file
 * ----------------------------------------------------------------------------------- */

static enum ks_err read_serial(struct ks_bytes text, struct revocation *target)
{
    if (text.len < 2 || text.len > 2 * KS_CERT_SERIAL_MAX || text.len % 2 != 0) {
        return ks_fail(KS_ERR_FORMAT, "'%.*s' is no serial number",
                       (int)(text.len > 64 ? 64 : text.len), (const char *)text.data);
    }
    target->serial_len = text.len / 2;
    return ks_hex_decode(text, target->serial, target->serial_len);
}

static struct ks_bytes serial_of(const struct revocation *item)
{
    return ks_bytes_of(item->serial, item->serial_len);
}

static bool is_listed(const struct revocations *list, struct ks_bytes serial)
{
    size_t i = 0;

    while (i < list->count && !ks_bytes_equal(serial_of(&list->items[i]), serial)) {
        i++;
    }
    return i < list->count;
}

static enum ks_err add(struct revocations *list, const struct revocation *item)
{
    enum ks_err err = KS_OK;

    KS_CHECK(list->count < KS_CRL_ENTRIES_MAX, KS_ERR_LIMIT, "over %d revocations",
             KS_CRL_ENTRIES_MAX);
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 64 : 2 * list->cap;
        struct revocation *items = ks_realloc(list->items, cap, sizeof *items);

        KS_CHECK(items != NULL, KS_ERR_NOMEM, "revocations");
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *item;
out:
    return err;
}

static enum ks_err parse_entry(struct ks_bytes line, struct revocations *list)
{
    enum ks_err err = KS_OK;
    struct revocation item = {0};
    size_t time_at = line.len - KS_TIME_TEXT_LEN;

    KS_CHECK(line.len > KS_TIME_TEXT_LEN + 1 && line.data[time_at - 1] == ' ', KS_ERR_FORMAT,
             "expected 'SERIAL TIME'");
    KS_TRY(read_serial(ks_bytes_of(line.data, time_at - 1), &item));
    KS_TRY(ks_time_parse(ks_bytes_of(line.data + time_at, KS_TIME_TEXT_LEN), &item.time_us));
    KS_CHECK(!is_listed(list, serial_of(&item)), KS_ERR_FORMAT, "listed twice");
    KS_TRY(add(list, &item));
out:
    return err;
}

static enum ks_err parse(struct ks_bytes text, struct revocations *list)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(text, REVOKED_FILE);
    struct ks_bytes line = {0};
    struct ks_bytes number = {0};

    KS_TRY(ks_read_line(&reader, &line));
    KS_CHECK(ks_bytes_is(line, REVOKED_TITLE), KS_ERR_FORMAT,
             "line 1: expected " REVOKED_TITLE);
    KS_TRY(ks_read_line(&reader, &line));
    KS_CHECK(line.len > 7 && ks_bytes_is(ks_bytes_of(line.data, 7), "number "), KS_ERR_FORMAT,
             "line 2: expected 'number N'");
    number = ks_bytes_of(line.data + 7, line.len - 7);
    KS_TRY(
        ks_fail_prefix(ks_text_u64(number, KS_JSON_INTEGER_MAX - 1, &list->number), "line 2"));
    while (reader.rest.len > 0) {
        KS_TRY(ks_read_line(&reader, &line));
        KS_TRY(ks_fail_prefix(parse_entry(line, list), "line %zu", list->count + 3));
    }
out:
    return err;
}

static enum ks_err load(const char *path, struct revocations *list)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, REVOKED_BYTES_MAX);
    err = ks_file_read(path, REVOKED_BYTES_MAX, &text);
    if (err == KS_ERR_NOT_FOUND) {
        ks_buf_done(&text);
        return KS_OK; /* a new CA */
    }
    KS_TRY(err);
    KS_TRY(ks_fail_prefix(parse(ks_buf_view(&text), list), "%s", path));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err store(const char *path, const struct revocations *list)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, REVOKED_BYTES_MAX);
    ks_buf_put_text(&text, REVOKED_TITLE "\n");
    ks_buf_put_format(&text, "number %llu\n", (unsigned long long)list->number);
    for (size_t i = 0; i < list->count; i++) {
        char time[KS_TIME_TEXT_LEN + 1];

        ks_time_text(list->items[i].time_us, time);
        ks_buf_put_hex(&text, serial_of(&list->items[i]));
        ks_buf_put_format(&text, " %s\n", time);
    }
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_file_write(path, ks_buf_view(&text), 0644));
out:
    ks_buf_done(&text);
    return err;
}

/* --- the signed list
 * --------------------------------------------------------------------------------- */

static enum ks_err sign_list(const char *directory, const struct ks_cert *root,
                             const struct ks_sign_key *root_key, const struct revocations *list,
                             uint64_t now_s)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_crl *crl = NULL;
    struct ks_buf pem;
    struct ks_crl_entry *entries = ks_calloc(list->count, sizeof *entries);
    const struct ks_crl_spec spec = {
        .entries = entries,
        .count = list->count,
        .number = list->number,
        .this_update_s = now_s - BACKDATE_S,
        .next_update_s = now_s + KS_CA_CRL_DAYS * DAY_S,
    };

    ks_buf_init(&pem, KS_CRL_PEM_MAX);
    KS_CHECK(entries != NULL, KS_ERR_NOMEM, "revocations");
    for (size_t i = 0; i < list->count; i++) {
        entries[i].serial = serial_of(&list->items[i]);
        entries[i].revoked_s = list->items[i].time_us / 1000000;
    }
    KS_TRY(ks_crl_issue(root, root_key, &spec, &crl));
    ks_crl_to_pem(crl, &pem);
    KS_TRY(ks_buf_check(&pem));
    KS_TRY(ks_path_join(directory, "crl.pem", path));
    KS_TRY(ks_file_write(path, ks_buf_view(&pem), 0644));
out:
    ks_crl_free(crl);
    ks_free(entries);
    ks_buf_done(&pem);
    return err;
}

/* Only what this CA has issued can be revoked: a mistyped number would revoke nothing,
 * silently. */
static enum ks_err revoke(const char *directory, const char *serial, uint64_t now_us,
                          struct revocations *list)
{
    enum ks_err err = KS_OK;
    struct revocation item = {.time_us = now_us};
    struct ks_cert *cert = NULL;
    char name[2 * KS_CERT_SERIAL_MAX + 16];

    err = read_serial(ks_bytes_text(serial), &item);
    KS_CHECK(err == KS_OK, KS_ERR_USAGE, "'%s' is no serial number", serial);
    (void)snprintf(name, sizeof name, "issued/%s.pem", serial);
    err = ks_ca_read_cert(directory, name, &cert);
    KS_CHECK(err != KS_ERR_NOT_FOUND, KS_ERR_NOT_FOUND, "%s: issued no certificate %s",
             directory, serial);
    KS_TRY(err);
    KS_CHECK(ks_bytes_equal(ks_cert_serial(cert), serial_of(&item)), KS_ERR_FORMAT,
             "%s/%s has another serial number", directory, name);
    if (!is_listed(list, serial_of(&item))) {
        KS_TRY(add(list, &item));
    }
out:
    ks_cert_free(cert);
    return err;
}

/* Held until the descriptor is closed. */
static enum ks_err lock(const char *directory, int *out_fd)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return ks_fail(errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "open '%s': %s",
                       directory, strerror(errno));
    }
    *out_fd = fd;
    while (flock(fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return ks_fail(KS_ERR_IO, "lock '%s': %s", directory, strerror(errno));
        }
    }
    return KS_OK;
}

enum ks_err ks_ca_issue_crl(const char *directory, const struct ks_cert *root,
                            const struct ks_sign_key *root_key, const char *const *serials,
                            size_t count)
{
    enum ks_err err = KS_OK;
    struct revocations list = {0};
    char path[KS_PATH_MAX];
    uint64_t now_us = ks_clock_us();
    int fd = -1;

    KS_TRY(ks_path_join(directory, REVOKED_FILE, path));
    KS_TRY(lock(directory, &fd));
    KS_TRY(load(path, &list));
    for (size_t i = 0; i < count; i++) {
        KS_TRY(revoke(directory, serials[i], now_us, &list));
    }
    list.number++;
    KS_TRY(store(path, &list));
    KS_TRY(sign_list(directory, root, root_key, &list, now_us / 1000000));
out:
    ks_fd_close(&fd);
    ks_free(list.items);
    return err;
}
