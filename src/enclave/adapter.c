/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/adapter.h"

#include "base/text.h"

#define PROTOCOL     "ketseal.adapter/1"
#define REFUSAL_SIZE (KS_ADAPTER_REFUSAL_MAX + 1)

void ks_adapter_request_put(const struct ks_work_job *job, struct ks_bytes program,
                            struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "precision", job->single ? "single" : "double");
    ks_json_member_string(&writer, "program", program);
    ks_json_member_text(&writer, "protocol", PROTOCOL);
    ks_json_member_u64(&writer, "seed", job->seed);
    ks_json_member_u64(&writer, "shots", job->shots);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
}

/* One line, and nothing behind it. */
static enum ks_err one_line(struct ks_bytes said, struct ks_bytes *out_line)
{
    enum ks_err err = KS_OK;
    size_t end = 0;

    while (end < said.len && said.data[end] != '\n') {
        end++;
    }
    KS_CHECK(end < said.len, KS_ERR_FORMAT, "it ended without an answer");
    KS_CHECK(end + 1 == said.len, KS_ERR_FORMAT, "it said more than one line");
    *out_line = ks_bytes_of(said.data, end);
out:
    return err;
}

/* The program's own sentence, for people. */
static enum ks_err read_refusal(const struct ks_json *root, char target[REFUSAL_SIZE])
{
    static const char *const names[] = {"protocol", "refused", "sdk", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "refused", &text));
    KS_CHECK(text.len >= 1 && text.len <= KS_ADAPTER_REFUSAL_MAX, KS_ERR_LIMIT,
             "'refused': 1 to %d bytes", KS_ADAPTER_REFUSAL_MAX);
    ks_text_shown(text, target, REFUSAL_SIZE);
out:
    return err;
}

/* Every outcome is a string of CLBITS bits, and the counts add up. */
static enum ks_err check_counts(const struct ks_json *counts, uint32_t clbits, uint64_t shots)
{
    enum ks_err err = KS_OK;
    uint64_t total = 0;

    for (size_t i = 0; i < ks_json_count(counts); i++) {
        const struct ks_bytes outcome = ks_json_key_at(counts, i);
        uint64_t count = 0;

        KS_CHECK(outcome.len == clbits, KS_ERR_FORMAT, "an outcome has %zu bits, not %u",
                 outcome.len, clbits);
        for (size_t bit = 0; bit < outcome.len; bit++) {
            KS_CHECK(outcome.data[bit] == '0' || outcome.data[bit] == '1', KS_ERR_FORMAT,
                     "an outcome is no bit string");
        }
        KS_TRY(ks_fail_prefix(ks_json_u64(ks_json_at(counts, i), shots, &count), "a count"));
        KS_CHECK(count >= 1 && count <= shots - total, KS_ERR_FORMAT,
                 "the counts are over %llu shots, or one is 0", (unsigned long long)shots);
        total += count;
    }
    KS_CHECK(total == shots, KS_ERR_FORMAT, "the counts add up to %llu of %llu shots",
             (unsigned long long)total, (unsigned long long)shots);
out:
    return err;
}

static enum ks_err get_text(const struct ks_json *root, const char *name,
                            struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(root, name, &text));
    KS_CHECK(text.len >= 1 && text.len <= KS_WORK_NAME_MAX, KS_ERR_FORMAT,
             "'%s': 1 to %d bytes", name, KS_WORK_NAME_MAX);
    *out_text = text;
out:
    return err;
}

static enum ks_err read_result(const struct ks_json *root, uint32_t clbits, uint64_t shots,
                               struct ks_adapter_answer *answer)
{
    static const char *const names[] = {"backend", "backend_version", "counts",  "protocol",
                                        "sdk",     "transpiled",      "version", NULL};
    enum ks_err err = KS_OK;
    struct ks_work_result *result = &answer->result;
    const struct ks_json *counts = NULL;

    KS_TRY(ks_json_only(root, names));
    KS_TRY(get_text(root, "version", &result->sdk_version));
    KS_TRY(get_text(root, "backend", &result->backend));
    KS_TRY(get_text(root, "backend_version", &result->backend_version));
    KS_TRY(ks_json_get_hex(root, "transpiled", result->transpiled, sizeof result->transpiled));
    KS_TRY(ks_json_get(root, "counts", KS_JSON_OBJECT, &counts));
    KS_TRY(check_counts(counts, clbits, shots));
    ks_json_canonical(counts, &answer->counts);
    KS_TRY(ks_fail_prefix(ks_buf_check(&answer->counts), "the counts"));
    result->counts = ks_buf_view(&answer->counts);
out:
    return err;
}

enum ks_err ks_adapter_answer_read(struct ks_bytes said, const char *sdk, uint32_t clbits,
                                   uint64_t shots, struct ks_adapter_answer *out_answer)
{
    static const struct ks_json_limits limits = {.len_max = KS_ADAPTER_ANSWER_MAX,
                                                 .nodes_max = KS_ADAPTER_OUTCOMES_MAX + 16};
    enum ks_err err = KS_OK;
    struct ks_adapter_answer answer = {0};
    const struct ks_json *root = NULL;
    struct ks_bytes line = {0};
    struct ks_bytes text = {0};
    char refusal[REFUSAL_SIZE] = "";

    ks_buf_init(&answer.counts, KS_WORK_RESULT_MAX);
    KS_TRY(one_line(said, &line));
    KS_TRY(ks_fail_prefix(ks_json_parse(line, &limits, &answer.doc), "its answer"));
    root = ks_json_root(answer.doc);
    KS_CHECK(ks_json_type(root) == KS_JSON_OBJECT, KS_ERR_FORMAT, "its answer is no object");
    KS_TRY(ks_json_get_string(root, "protocol", &text));
    KS_CHECK(ks_bytes_is(text, PROTOCOL), KS_ERR_FORMAT, "'protocol': expected '%s'", PROTOCOL);
    KS_TRY(ks_json_get_string(root, "sdk", &text));
    KS_CHECK(ks_bytes_is(text, sdk), KS_ERR_FORMAT, "'sdk': expected '%s'", sdk);
    KS_TRY(ks_json_find(root, "refused") != NULL ? read_refusal(root, refusal)
                                                 : read_result(root, clbits, shots, &answer));
    if (refusal[0] == '\0') {
        *out_answer = answer;
        answer = (struct ks_adapter_answer){0}; /* transferred */
    }
out:
    ks_adapter_answer_done(&answer);
    if (refusal[0] != '\0') {
        err = ks_fail(KS_ERR_LIMIT, "refused: %s", refusal);
    } else if (err != KS_OK && err != KS_ERR_NOMEM) {
        err = ks_fail(KS_ERR_IO, "%s", ks_err_detail());
    }
    return err;
}

void ks_adapter_answer_done(struct ks_adapter_answer *answer)
{
    ks_json_doc_free(answer->doc);
    ks_buf_done(&answer->counts);
    *answer = (struct ks_adapter_answer){0};
}
