/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_verify VECTORS [SECONDS]: what an auditor keeps and waits for: bytes of a bundle, of
 * its record, anchor and time stamp, and the time of one offline verification, the policy read
 * once before. VECTORS is tests/vectors/bundle; its folders `4` and `anchored` hold the same
 * record without and with attachments. The two take turns, so that both see the same load;
 * times are medians. Beside them: the same bundle whose first hash of the path is wrong, which
 * costs as much, since every check runs. One JSON line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "record/policy.h"
#include "record/record.h"

#define SECONDS_DEFAULT 3
#define SECONDS_MAX     600
#define TIMES_MAX       200000

struct subject {
    const char *name;
    const char *folder;
    bool altered; /* one hash of its path */
    struct ks_buf bytes;
    struct ks_policy *policy;
    uint64_t *times_us;
    size_t count;
};

static enum ks_err load(const char *vectors, struct subject *subject)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];
    struct ks_buf text;
    struct ks_bytes document = {0};

    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    ks_buf_init(&subject->bytes, KS_BUNDLE_BYTES_MAX);
    subject->times_us = ks_calloc(TIMES_MAX, sizeof subject->times_us[0]);
    KS_CHECK(subject->times_us != NULL, KS_ERR_NOMEM, "times");
    (void)snprintf(path, sizeof path, "%s/%s/lab.policy", vectors, subject->folder);
    KS_TRY(ks_file_read(path, KS_POLICY_BYTES_MAX, &text));
    document = ks_buf_view(&text);
    KS_TRY(ks_policy_read(&document, &subject->policy));
    (void)snprintf(path, sizeof path, "%s/%s/bell.bundle", vectors, subject->folder);
    KS_TRY(ks_file_read(path, KS_BUNDLE_BYTES_MAX, &subject->bytes));
    if (subject->altered) {
        uint8_t *hash = memmem(subject->bytes.data, subject->bytes.len, "\"path\":[\"", 9);

        KS_CHECK(hash != NULL, KS_ERR_FORMAT, "%s: no path", path);
        hash[9] = hash[9] == '0' ? '1' : '0';
    }
out:
    ks_buf_done(&text);
    return err;
}

static void unload(struct subject *subject)
{
    ks_buf_done(&subject->bytes);
    ks_policy_free(subject->policy);
    ks_free(subject->times_us);
}

static enum ks_err run_once(struct subject *subject)
{
    enum ks_err err = KS_OK;
    struct ks_verdict verdict;
    struct ks_bytes view = ks_buf_view(&subject->bytes);
    const uint64_t start_us = ks_clock_monotonic_us();

    err = ks_bundle_verify(&view, subject->policy, &verdict);
    if (subject->count < TIMES_MAX) {
        subject->times_us[subject->count++] = ks_clock_monotonic_us() - start_us;
    }
    KS_CHECK(err == (subject->altered ? KS_ERR_VERIFY : KS_OK), KS_ERR_INTERNAL, "%s: %s",
             subject->name, err == KS_OK ? "accepted" : ks_err_detail());
    err = KS_OK;
out:
    return err;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static enum ks_err report(struct subject *subject)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;

    qsort(subject->times_us, subject->count, sizeof subject->times_us[0], ascending);
    KS_TRY(ks_bundle_parse(ks_buf_view(&subject->bytes), &bundle));
    (void)printf("{\"bench\":\"verify\",\"bundle\":\"%s\",\"bytes\":%zu,\"record_bytes\":%zu,"
                 "\"anchor_bytes\":%zu,\"timestamp_bytes\":%zu,\"runs\":%zu,\"median_us\":%llu,"
                 "\"p99_us\":%llu}\n",
                 subject->name, subject->bytes.len, bundle->record.len,
                 bundle->anchor_bytes.len, bundle->timestamp.len, subject->count,
                 (unsigned long long)subject->times_us[subject->count / 2],
                 (unsigned long long)subject->times_us[subject->count * 99 / 100]);
out:
    ks_bundle_free(bundle);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct subject subjects[] = {
        {.name = "record", .folder = "4"},
        {.name = "anchored, stamped", .folder = "anchored"},
        {.name = "altered", .folder = "4", .altered = true},
    };
    const size_t count = sizeof subjects / sizeof subjects[0];
    uint64_t seconds = SECONDS_DEFAULT;
    uint64_t start_us = 0;

    KS_CHECK(argc >= 2 && argc <= 3, KS_ERR_USAGE, "usage: bench_verify VECTORS [SECONDS]");
    if (argc == 3) {
        KS_TRY(ks_text_u64(ks_bytes_text(argv[2]), SECONDS_MAX, &seconds));
    }
    for (size_t i = 0; i < count; i++) {
        KS_TRY(load(argv[1], &subjects[i]));
    }
    start_us = ks_clock_monotonic_us();
    while (ks_clock_monotonic_us() - start_us < seconds * 1000000 * count) {
        for (size_t i = 0; i < count; i++) {
            KS_TRY(run_once(&subjects[i]));
        }
    }
    for (size_t i = 0; i < count; i++) {
        KS_TRY(report(&subjects[i]));
    }
out:
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_verify: %s\n", ks_err_detail());
    }
    for (size_t i = 0; i < count; i++) {
        unload(&subjects[i]);
    }
    return ks_err_exit_code(err);
}
