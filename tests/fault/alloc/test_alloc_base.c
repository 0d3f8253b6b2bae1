/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault/alloc/fail_each.h"

#include "base/json.h"
#include "base/pool.h"
#include "base/sys.h"
#include "base/text.h"

static const struct ks_json_limits limits = {.len_max = 1U << 20, .nodes_max = 100000};

/* Long enough that every kind of memory of the parser grows several times. */
static struct ks_buf document;

static int make_document(void **state)
{
    struct ks_json_writer writer;

    (void)state;
    ks_buf_init(&document, 1U << 20);
    writer = ks_json_writer_of(&document);
    ks_json_put_array(&writer);
    for (unsigned i = 0; i < 300; i++) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "a", "some text\nof several lines");
        ks_json_member_u64(&writer, "b", i);
        ks_json_put_key(&writer, "c");
        ks_json_put_array(&writer);
        ks_json_put_double(&writer, i / 7.0);
        ks_json_put_end(&writer);
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    return ks_buf_check(&document) != KS_OK;
}

static int free_document(void **state)
{
    (void)state;
    ks_buf_done(&document);
    return 0;
}

/* --- tasks: each releases all it got, and reports what it was told --- */

static enum ks_err task_json_parse(void)
{
    struct ks_json_doc *doc = NULL;
    const enum ks_err err = ks_json_parse(ks_buf_view(&document), &limits, &doc);

    assert_int_equal(err == KS_OK, doc != NULL);
    ks_json_doc_free(doc);
    return err;
}

static enum ks_err task_json_parse_canonical(void)
{
    struct ks_json_doc *doc = NULL;
    const enum ks_err err = ks_json_parse_canonical(ks_buf_view(&document), &limits, &doc);

    assert_int_equal(err == KS_OK, doc != NULL);
    ks_json_doc_free(doc);
    return err;
}

static enum ks_err task_json_write(void)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_json_writer writer;
    struct ks_buf buf;

    ks_buf_init(&buf, 1U << 20);
    KS_TRY(ks_json_parse(KS_LITERAL("{\"b\":[1,2,3],\"a\":\"\\u0001\"}"), &limits, &doc));
    writer = ks_json_writer_of(&buf);
    ks_json_put_array(&writer);
    for (unsigned i = 0; i < 200; i++) {
        ks_json_put_value(&writer, ks_json_root(doc));
        ks_json_put_object(&writer);
        ks_json_member_base64(&writer, "x", KS_LITERAL("0123456789"));
        ks_json_member_hex(&writer, "y", KS_LITERAL("0123456789"));
        ks_json_put_end(&writer);
    }
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&buf));
out:
    ks_json_doc_free(doc);
    ks_buf_done(&buf);
    return err;
}

/* Beyond 64 KiB a buffer grows in another way; both must keep what they had. */
static enum ks_err task_buf(void)
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;

    ks_buf_init(&buf, 1U << 20);
    for (unsigned i = 0; i < 30000; i++) {
        const size_t len = buf.len;

        ks_buf_put_format(&buf, "%08u", i);
        assert_int_equal(buf.len, buf.err == KS_OK ? len + 8 : len);
    }
    for (size_t i = 0; i < buf.len; i += 8) {
        char want[24];

        (void)snprintf(want, sizeof want, "%08zu", i / 8);
        assert_memory_equal(buf.data + i, want, 8);
    }
    err = ks_buf_check(&buf);
    ks_buf_done(&buf);
    return err;
}

static enum ks_err task_text(void)
{
    enum ks_err err = KS_OK;
    char *text = NULL;
    uint8_t *data = NULL;
    struct ks_buf buf;

    ks_buf_init(&buf, 100);
    KS_TRY(ks_text_copy("text", &text));
    KS_TRY(ks_bytes_dup(KS_LITERAL("data"), &data));
    KS_TRY(ks_base64_decode(KS_LITERAL("Zm9vYmFy"), &buf));
out:
    ks_free(text);
    ks_free(data);
    ks_buf_done(&buf);
    return err;
}

static enum ks_err task_pool(void)
{
    struct ks_pool *pool = NULL;
    const enum ks_err err = ks_pool_new(3, &pool);

    assert_int_equal(err == KS_OK, pool != NULL);
    ks_pool_free(pool);
    return err;
}

static enum ks_err task_files(void)
{
    enum ks_err err = KS_OK;
    char folder[] = "/tmp/ketseal-alloc-XXXXXX";
    char path[64];
    struct ks_fs *fs = NULL;
    struct ks_buf buf;
    int dir_fd = -1;

    ks_buf_init(&buf, 100);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/head", folder);
    dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir_fd >= 0);
    KS_TRY(ks_fs_system_new(dir_fd, &fs));
    dir_fd = -1; /* moved */
    KS_TRY(ks_fs_replace(fs, "head", KS_LITERAL("head")));
    KS_TRY(ks_fs_load(fs, "head", 100, &buf));
    KS_TRY(ks_file_write(path, KS_LITERAL("head"), 0600));
    ks_buf_done(&buf);
    KS_TRY(ks_file_read(path, 100, &buf));
out:
    ks_fd_close(&dir_fd);
    ks_fs_system_free(fs);
    ks_buf_done(&buf);
    (void)unlink(path);
    assert_int_equal(rmdir(folder), 0); /* which also shows that nothing else is in it */
    return err;
}

static void test_json(void **state)
{
    (void)state;
    fail_each(task_json_parse, 8, "no memory");
    fail_each(task_json_parse_canonical, 16, "no memory");
    fail_each(task_json_write, 8, "no memory");
}

static void test_buf_and_text(void **state)
{
    (void)state;
    fail_each(task_buf, 8, "no memory");
    fail_each(task_text, 3, "no memory");
}

static void test_sys(void **state)
{
    (void)state;
    fail_each(task_pool, 1, "no memory");
    fail_each(task_files, 4, "no memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_buf_and_text),
        cmocka_unit_test(test_sys),
    };

    return cmocka_run_group_tests(tests, make_document, free_document);
}
