/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* reader.h: what reader.c and check.c share. Inside src/store only. */
#ifndef KS_STORE_READER_H
#define KS_STORE_READER_H

#include "store/db.h"

#define KS_ERR_VALUE_MAX 255 /* error codes kept in a job; the list of error.h grows */

enum ks_store_statement {
    KS_STORE_SIZE,
    KS_STORE_ENTRIES,
    KS_STORE_JOB,
    KS_STORE_JOB_IDEMPOTENCY,
    KS_STORE_JOBS,
    KS_STORE_JOBS_DEVICE,
    KS_STORE_JOBS_OPEN,
    KS_STORE_RECORD,
    KS_STORE_CHECKPOINT,
    KS_STORE_COSIGNED,
    KS_STORE_ATTACHMENT,
    KS_STORE_ANCHORED,
    KS_STORE_TIMESTAMPED,
    KS_STORE_STATEMENTS,
};

struct ks_store_reader {
    struct ks_db db;
    sqlite3_stmt *statements[KS_STORE_STATEMENTS];
};

/* The job in a row with the columns of JOB_COLUMNS. */
KS_MUST_CHECK enum ks_err ks_store_job_of_row(const struct ks_db *db, sqlite3_stmt *row,
                                              struct ks_store_job *out_job);

#endif
