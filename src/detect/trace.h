/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace.h: what one execution, of a circuit or of a contribution to federated learning, looked
 * like from one side: a row of numbers, of which any may be missing, and whose row it is
 * (docs/formats/trace.md). Reader and writer of its forms, CSV
 * for people and tools and bytes for frames and the store, share a file. A row has no secret,
 * no payload and no text of a program. Pure. */
#ifndef KS_DETECT_TRACE_H
#define KS_DETECT_TRACE_H

#include "base/json.h"
#include "base/table.h"
#include "base/text.h"

#define KS_TRACE_DEVICE_MAX 100                /* characters of a device's id */
#define KS_TRACE_KIND_MAX   64                 /* of a kind of anomaly */
#define KS_TRACE_COUNT_MAX  9007199254740991.0 /* of whole numbers: 2^53 - 1 */

/* The columns in their order, which is the order of features and, with the list's end as the
 * one place to grow at, part of both formats. INTEGER: whole, from 0 to KS_TRACE_COUNT_MAX;
 * REAL: finite. Times are of one clock of the row's side, except in a device's row those that
 * the site measured: there they are the site's claim. Codes are those of docs/formats/trace.md.
 */
/* clang-format off */
#define KS_TRACE_LIST(X)                                                                       \
    /* the circuit */                                                                          \
    X(QUBITS, "qubits", INTEGER, "", "qubits of the circuit")                                  \
    X(CLBITS, "clbits", INTEGER, "", "classical bits of the circuit")                          \
    X(DEPTH, "depth", INTEGER, "", "longest chain of operations")                              \
    X(OPS, "ops", INTEGER, "", "operations, without barriers")                                 \
    X(GATES_1Q, "gates_1q", INTEGER, "", "gates on one qubit")                                 \
    X(GATES_2Q, "gates_2q", INTEGER, "", "gates on two qubits")                                \
    X(GATES_MORE, "gates_more", INTEGER, "", "gates on three qubits")                          \
    X(GATES_NONCLIFFORD, "gates_nonclifford", INTEGER, "", "gates that are not Clifford gates")\
    X(MEASUREMENTS, "measurements", INTEGER, "", "measurements")                               \
    X(SHOTS, "shots", INTEGER, "", "shots of the result, else shots asked for")                \
    X(PRECISION_BITS, "precision_bits", INTEGER, "bit", "of a simulated real number: 32 or 64")\
    X(METHOD, "method", INTEGER, "code", "how it was simulated")                               \
    X(NOISE, "noise", INTEGER, "code", "1: under a noise model, 0: without")                   \
    X(SDK, "sdk", INTEGER, "code", "whose simulator ran it")                                   \
    /* the site's stages */                                                                    \
    X(ADMIT_US, "admit_us", INTEGER, "us", "request received to request admitted")             \
    X(INTENT_US, "intent_us", INTEGER, "us", "admitted to intent durable")                     \
    X(QUEUE_US, "queue_us", INTEGER, "us", "waiting for a worker")                             \
    X(PARSE_US, "parse_us", INTEGER, "us", "parsing the program, in the worker")               \
    X(SIMULATE_US, "simulate_us", INTEGER, "us", "simulating and sampling, in the worker")     \
    X(QUOTE_US, "quote_us", INTEGER, "us", "waiting for the TPM quote")                        \
    X(SIGN_US, "sign_us", INTEGER, "us", "signing the record")                                 \
    X(KEY_US, "key_us", INTEGER, "us", "finding and spending the one-time key, in the enclave")\
    X(COMMIT_US, "commit_us", INTEGER, "us", "record sealed to record durable")                \
    X(CHECKPOINT_US, "checkpoint_us", INTEGER, "us", "durable to covered by a checkpoint")     \
    /* the connection */                                                                       \
    X(ROUND_TRIP_US, "round_trip_us", INTEGER, "us", "submission sent to bundle received")     \
    X(CONNECT_US, "connect_us", INTEGER, "us", "connection asked for to TCP connected")        \
    X(HANDSHAKE_US, "handshake_us", INTEGER, "us", "TLS handshake")                            \
    X(KEY_LATENCY_US, "key_latency_us", INTEGER, "us", "until a one-time key was at hand")     \
    X(BYTES_SENT, "bytes_sent", INTEGER, "byte", "HTTP bytes that this side sent")             \
    X(BYTES_RECEIVED, "bytes_received", INTEGER, "byte", "HTTP bytes that this side received") \
    X(RETRIES, "retries", INTEGER, "", "requests sent again")                                  \
    X(TLS_GROUP, "tls_group", INTEGER, "code", "key exchange: IANA's number of the group")     \
    X(TLS_RESUMED, "tls_resumed", INTEGER, "code", "1: the session was resumed, 0: it was not")\
    X(KEY_SOURCE, "key_source", INTEGER, "code", "where the one-time key came from")           \
    X(PCR_MATCH, "pcr_match", INTEGER, "code", "1: the quote shows the PCRs of the launch")    \
    /* the result */                                                                           \
    X(RESULT_ENTROPY_BITS, "result_entropy_bits", REAL, "bit", "Shannon entropy of the counts")\
    X(RESULT_SUPPORT, "result_support", INTEGER, "", "distinct outcomes")                      \
    X(TVD, "tvd", REAL, "", "total variation distance from the exact distribution")            \
    X(TVD_SIGMA, "tvd_sigma", REAL, "", "what it exceeds so many shots' mean by, in their "    \
                                        "standard deviations")                                 \
    /* the worker */                                                                           \
    X(WORKER_CPU_US, "worker_cpu_us", INTEGER, "us", "CPU time of the worker's process")       \
    X(WORKER_MEMORY_BYTES, "worker_memory_bytes", INTEGER, "byte", "most memory it held")      \
    /* the end */                                                                              \
    X(ERROR, "error", INTEGER, "code", "0: there is a record; else why there is none")         \
    /* a contribution to federated learning */                                                 \
    X(WORKLOAD, "workload", INTEGER, "code", "0: a circuit, 1: a contribution; missing: a circuit")\
    X(FL_ROUND, "fl_round", INTEGER, "", "number of the round")                                \
    X(FL_SAMPLES, "fl_samples", INTEGER, "", "samples that the device says it trained on")     \
    X(FL_STEPS, "fl_steps", INTEGER, "", "steps that it says it took")                         \
    X(FL_LOSS, "fl_loss", REAL, "", "loss on them, as it says")                                \
    X(FL_BYTES, "fl_bytes", INTEGER, "byte", "the sealed update")                              \
    X(FL_NORM, "fl_norm", REAL, "", "Euclidean norm of the update")                            \
    X(FL_LOCAL_US, "fl_local_us", INTEGER, "us", "training, on the device")                    \
    X(FL_UPLOAD_US, "fl_upload_us", INTEGER, "us", "sending the sealed update in parts")       \
    X(FL_ADD_US, "fl_add_us", INTEGER, "us", "opening, checking and adding it, in the worker") \
    X(FL_KEEP_US, "fl_keep_us", INTEGER, "us", "added to durable: from then on it counts")
/* clang-format on */

enum ks_trace_field {
#define KS_TRACE_ENUM(name, text, type, unit, meaning) KS_TRACE_##name,
    KS_TRACE_LIST(KS_TRACE_ENUM)
#undef KS_TRACE_ENUM
        KS_TRACE_COLUMNS
};

enum ks_trace_type { KS_TRACE_INTEGER, KS_TRACE_REAL };

struct ks_trace_column {
    const char *name;
    enum ks_trace_type type;
    const char *unit; /* "": a number without one */
    const char *meaning;
};
/* FIELD below KS_TRACE_COLUMNS (asserted). */
const struct ks_trace_column *ks_trace_column(enum ks_trace_field field);

/* What was executed: the values of the column workload. */
enum ks_trace_workload { KS_TRACE_CIRCUIT, KS_TRACE_UPDATE, KS_TRACE_WORKLOADS };
const char *
ks_trace_workload_name(enum ks_trace_workload workload); /* "circuit", "fl.update" */
KS_MUST_CHECK enum ks_err ks_trace_workload_find(struct ks_bytes name,
                                                 enum ks_trace_workload *out_workload);
/* Whether FIELD tells rows of WORKLOAD apart: not what only rows of others have, what all of
 * them have alike, nor the round's number, which is another one each time. */
bool ks_trace_is_feature(enum ks_trace_field field, enum ks_trace_workload workload);
/* Whether only rows of WORKLOAD have FIELD. */
bool ks_trace_is_own(enum ks_trace_field field, enum ks_trace_workload workload);

/* The column called NAME: KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_trace_find(struct ks_bytes name, enum ks_trace_field *out_field);

enum ks_trace_side { KS_TRACE_SIDE_DEVICE, KS_TRACE_SIDE_SITE };
const char *ks_trace_side_name(enum ks_trace_side side); /* "device", "site" */

struct ks_trace {
    char job[KS_UUID_TEXT_LEN + 1];       /* "": it came to no job */
    char device[KS_TRACE_DEVICE_MAX + 1]; /* a name (ks_text_is_name) */
    enum ks_trace_side side;
    uint64_t started_us;             /* since 1970, by the row's side's clock */
    double values[KS_TRACE_COLUMNS]; /* NaN: missing. As they stand a row of a forest */
};
/* Of a row that does not say so, or says a number that has no meaning: a circuit. */
enum ks_trace_workload ks_trace_workload_of(const struct ks_trace *trace);
/* Nobody's row, every value missing. */
void ks_trace_init(struct ks_trace *trace);
/* Sets FIELD to VALUE, cut to what the column holds: too large a count is the largest, a
 * negative one 0, what is not finite is missing. Measuring never fails. */
void ks_trace_set(struct ks_trace *trace, enum ks_trace_field field, double value);
void ks_trace_set_u64(struct ks_trace *trace, enum ks_trace_field field, uint64_t value);
bool ks_trace_has(const struct ks_trace *trace, enum ks_trace_field field);
/* KS_ERR_FORMAT for identity or values that no format has. */
KS_MUST_CHECK enum ks_err ks_trace_check(const struct ks_trace *trace);

/* The names of the columns as ks_forest_fit takes them. */
void ks_trace_feature_names(struct ks_bytes out_names[KS_TRACE_COLUMNS]);

/* What data sets say besides of a row. */
struct ks_trace_label {
    bool is_anomaly;
    char kind[KS_TRACE_KIND_MAX + 1]; /* a name, or empty */
};

/* --- CSV: job,device,side,started_at, the columns, in data sets label,kind ---------------- */

#define KS_TRACE_CSV_ROW_MAX 4096

/* The line of names, with its end. */
void ks_trace_put_csv_header(bool labelled, struct ks_buf *out);
/* One line of TRACE, which ks_trace_check passes (asserted); LABEL NULL where the header has
 * none. */
void ks_trace_put_csv_row(const struct ks_trace *trace, const struct ks_trace_label *label,
                          struct ks_buf *out);

/* Whether the first columns are those of a trace. */
bool ks_trace_is_table(const struct ks_table *table);
/* Whether NAME is a column of the CSV form that is no number of the row's: whose it is, label,
 * kind. */
bool ks_trace_is_identity(struct ks_bytes name);

/* Where a table has a trace's columns. */
struct ks_trace_layout {
    size_t columns[KS_TRACE_COLUMNS]; /* SIZE_MAX: not there, so missing in every row */
    bool labelled;
    size_t label;
    size_t kind;
};
/* Behind the four of the identity columns may stand in any order, and be left out; label and
 * kind are there both or not at all. KS_ERR_FORMAT for a table of something else, and for a
 * column that no trace has. */
KS_MUST_CHECK enum ks_err ks_trace_layout(const struct ks_table *table,
                                          struct ks_trace_layout *out_layout);
/* Row ROW (below the table's; asserted). OUT_LABEL may be NULL; it is zeroed where the table
 * has no labels. KS_ERR_FORMAT with file, line and column. */
KS_MUST_CHECK enum ks_err ks_trace_read(const struct ks_table *table,
                                        const struct ks_trace_layout *layout, size_t row,
                                        struct ks_trace *out_trace,
                                        struct ks_trace_label *out_label);

/* --- bytes: the values alone -------------------------------------------------------------- */

#define KS_TRACE_BYTES_MAX (1 + 9 * 255)

/* One encoding for each row. Values as ks_trace_set leaves them (asserted). */
void ks_trace_put_values(const struct ks_trace *trace, struct ks_buf *out);
/* Sets those values of TRACE that BYTES have; the others, and whose it is, stay. KS_ERR_FORMAT.
 */
KS_MUST_CHECK enum ks_err ks_trace_read_values(struct ks_bytes bytes, struct ks_trace *trace);

/* --- JSON --------------------------------------------------------------------------------- */

/* One row as an object: whose it is, and "values" by their names; what is missing is absent. */
void ks_trace_put_json(const struct ks_trace *trace, struct ks_json_writer *writer);

/* A page of rows as a site gives them, "ketseal.trace-list/1": begin, rows, end with the number
 * that the next page begins behind, 0 for none. */
void ks_trace_page_begin(struct ks_json_writer *writer);
void ks_trace_page_put(uint64_t number, const struct ks_trace *trace,
                       struct ks_json_writer *writer);
void ks_trace_page_end(uint64_t next, struct ks_json_writer *writer);
#define KS_TRACE_PAGE_ROWS_MAX  500
#define KS_TRACE_PAGE_BYTES_MAX (1024 * 1024)
typedef enum ks_err (*ks_trace_visit)(void *context, uint64_t number,
                                      const struct ks_trace *trace);
/* Calls VISIT for each row of the page TEXT; *OUT_NEXT as above. KS_ERR_FORMAT, also for a
 * column that this version does not know. */
KS_MUST_CHECK enum ks_err ks_trace_page_read(struct ks_bytes text, ks_trace_visit visit,
                                             void *context, uint64_t *out_next);

/* --- the schema --------------------------------------------------------------------------- */

/* Canonical JSON: name, type, unit and meaning of each column of the CSV form. */
void ks_trace_schema_write(struct ks_buf *out);

#endif
