/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What enclave and ketseal-worker-fl say to each other; the first byte says which of it. What
 * is read is written again as the same bytes. */
#include "enclave/fl_work.h"

#define LEN_MAX    4096
#define SCORES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ks_err again(uint8_t which, struct ks_bytes bytes, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "answer");
    union {
        struct ks_fl_work_file file;
        struct ks_fl_work_begin begin;
        struct ks_fl_work_begun begun;
        struct ks_fl_work_update update;
        struct ks_fl_work_added added;
        struct ks_fl_work_checkpoint checkpoint;
        struct ks_fl_work_written written;
        struct ks_fl_work_finish finish;
        struct ks_fl_work_finished finished;
    } work;
    struct ks_fl_score scores[SCORES_MAX];

    switch (which) {
    case 0:
        KS_TRY(ks_fl_work_file_read(bytes, &work.file));
        ks_fl_work_file_put(&work.file, out);
        break;
    case 1:
        KS_TRY(ks_fl_work_begin_read(bytes, &work.begin));
        ks_fl_work_begin_put(&work.begin, out);
        break;
    case 2:
        KS_TRY(ks_fl_work_begun_read(&reader, &work.begun));
        ks_fl_work_begun_put(&work.begun, out);
        break;
    case 3:
        KS_TRY(ks_fl_work_update_read(bytes, &work.update));
        ks_fl_work_update_put(&work.update, out);
        break;
    case 4:
        KS_TRY(ks_fl_work_added_read(&reader, &work.added));
        ks_fl_work_added_put(&work.added, out);
        break;
    case 5:
        KS_TRY(ks_fl_work_checkpoint_read(bytes, &work.checkpoint));
        ks_fl_work_checkpoint_put(&work.checkpoint, out);
        break;
    case 7:
        KS_TRY(ks_fl_work_finish_read(bytes, &work.finish));
        ks_fl_work_finish_put(&work.finish, out);
        break;
    case 8:
        work.finished = (struct ks_fl_work_finished){.scores = scores};
        KS_TRY(ks_fl_work_finished_read(&reader, SCORES_MAX, &work.finished));
        ks_fl_work_finished_put(&work.finished, out);
        break;
    default:
        KS_TRY(ks_fl_work_written_read(&reader, &work.written));
        ks_fl_work_written_put(&work.written, out);
    }
out:
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_buf out;

    if (size == 0) {
        return 0;
    }
    ks_buf_init(&out, LEN_MAX);
    if (again(data[0], ks_bytes_of(data + 1, size - 1), &out) == KS_OK) {
        KS_ASSERT(ks_buf_check(&out) == KS_OK);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&out), ks_bytes_of(data + 1, size - 1)));
    }
    ks_buf_done(&out);
    return 0;
}
