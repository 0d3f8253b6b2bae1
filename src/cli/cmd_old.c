/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* record make and record verify: records of the schemas "0.1" and "qpoe-0.1", as the scripts of
 * quantum-proof-of-execution made and verified them (docs/formats/old-records.md); and what `fl
 * simulate` leaves. */

#include "base/sys.h"
#include "base/text.h"
#include "cli/flsim_record.h"
#include "cli/flsim_verify.h"
#include "cli/request.h"
#include "cli/sdk.h"
#include "crypto/keyfile.h"
#include "quantum/sdk_text.h"
#include "record/old.h"

#define WORKLOAD     "clifford_t_sampling"
#define NATIVE       "native" /* our own simulator, as a framework */
#define SDK_TEXT_MAX ((size_t)256 << 20)
#define SECONDS_LEN  19 /* of a time, up to its seconds */
#define PRIVATE_LEN  32
#define PRIVATE_MAX  256 /* of a file with base64 in it */

/* --- the circuit -------------------------------------------------------------------------- */

static enum ks_err make_circuit(uint64_t qubits, uint64_t depth, uint64_t seed,
                                struct ks_circuit **out_circuit)
{
    const struct ks_template_spec spec = {.version = 1,
                                          .name = WORKLOAD,
                                          .qubits = (uint32_t)qubits,
                                          .depth = (uint32_t)depth,
                                          .seed = seed};

    if (qubits > UINT32_MAX || depth > UINT32_MAX) {
        return ks_fail(KS_ERR_LIMIT, "%llu qubits, depth %llu", (unsigned long long)qubits,
                       (unsigned long long)depth);
    }
    return ks_circuit_template(&spec, NULL, out_circuit);
}

/* "sha256:…" of what FRAMEWORK writes of the circuit. KS_ERR_UNAVAILABLE for a framework whose
 * text we cannot make. */
static enum ks_err hash_circuit(const struct ks_circuit *circuit, struct ks_bytes framework,
                                char target[KS_OLD_HASH_TEXT])
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    uint8_t hash[KS_SHA256_LEN];

    ks_buf_init(&text, SDK_TEXT_MAX);
    if (ks_bytes_is(framework, NATIVE)) {
        ks_circuit_print(circuit, &text);
    } else if (ks_bytes_is(framework, "qiskit")) {
        KS_TRY(ks_sdk_text_qiskit(circuit, &text));
    } else if (ks_bytes_is(framework, "cirq")) {
        KS_TRY(ks_sdk_text_cirq(circuit, &text));
    } else {
        KS_TRY(ks_fail(KS_ERR_UNAVAILABLE, "its framework is none of native, qiskit, cirq"));
    }
    KS_TRY(ks_buf_check(&text));
    ks_sha256(ks_buf_view(&text), hash);
    ks_copy(target, "sha256:", sizeof "sha256:");
    ks_hex_encode(KS_BYTES(hash), target + sizeof "sha256:" - 1);
out:
    ks_buf_done(&text);
    return err;
}

/* The circuit that the record names, built again. A text of another version of an SDK may
 * differ without any lie: then it cannot be told. */
static enum ks_err check_circuit(const struct ks_old_workload *workload)
{
    enum ks_err err = KS_OK;
    struct ks_circuit *circuit = NULL;
    char hash[KS_OLD_HASH_TEXT];

    KS_CHECK(workload->whole && ks_bytes_is(workload->name, WORKLOAD), KS_ERR_UNAVAILABLE,
             "its workload is not " WORKLOAD " with its four numbers");
    KS_TRY(make_circuit(workload->qubits, workload->depth, workload->seed, &circuit));
    KS_TRY(hash_circuit(circuit, workload->framework, hash));
    if (!ks_bytes_is(workload->circuit_hash, hash)) {
        KS_CHECK(!ks_bytes_is(workload->framework, NATIVE), KS_ERR_VERIFY,
                 "circuit_hash mismatch");
        KS_TRY(ks_fail(KS_ERR_UNAVAILABLE,
                       "Qiskit 1 or 2 and Cirq 1 would write the circuit otherwise"));
    }
out:
    ks_circuit_free(circuit);
    return err;
}

/* --- verify ------------------------------------------------------------------------------- */

struct verdict {
    enum ks_err record; /* of hash and signature */
    bool is_signed;
    enum ks_err circuit;      /* UNAVAILABLE: could not tell */
    char record_reason[256];  /* why not, in words */
    char circuit_reason[256]; /* why not */
};

static const char *circuit_word(const struct ks_old_record *record,
                                const struct verdict *verdict)
{
    if (ks_old_schema_of(record) == KS_OLD_0_1) {
        return "not-run"; /* it names none */
    }
    return verdict->circuit == KS_OK           ? "pass"
           : verdict->circuit == KS_ERR_VERIFY ? "fail"
                                               : "not-run";
}

static enum ks_err print_json(const struct ks_old_record *record, const struct verdict *verdict,
                              enum ks_err all)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    char hash[KS_OLD_HASH_TEXT];

    ks_buf_init(&out, 8192);
    ks_old_hash(record, hash);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "circuit", circuit_word(record, verdict));
    ks_json_member_text(&writer, "circuit_reason", verdict->circuit_reason);
    ks_json_member_text(&writer, "record_hash", hash);
    ks_json_member_text(&writer, "record_reason", verdict->record_reason);
    ks_json_member_text(&writer, "record_schema", ks_old_schema_name(ks_old_schema_of(record)));
    ks_json_member_text(&writer, "schema", "ketseal.record-verify/1");
    ks_json_member_bool(&writer, "signed", verdict->is_signed);
    ks_json_member_bool(&writer, "verified", all == KS_OK);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void keep_reason(enum ks_err err, char *target, size_t size)
{
    if (err != KS_OK) {
        ks_text_shown(ks_bytes_text(ks_err_detail()), target, size);
    }
}

static enum ks_err verify_old(struct ks_cli *cli, struct ks_bytes text)
{
    enum ks_err err = KS_OK;
    struct ks_old_record *record = NULL;
    struct verdict verdict = {0};
    enum ks_err all = KS_OK;

    KS_TRY(ks_fail_prefix(ks_old_parse(text, &record), "%s", cli->operands[0]));
    verdict.record = ks_old_verify(record, &verdict.is_signed);
    keep_reason(verdict.record, verdict.record_reason, sizeof verdict.record_reason);
    if (ks_old_schema_of(record) == KS_OLD_QPOE_0_1) {
        verdict.circuit = check_circuit(ks_old_workload_of(record));
        keep_reason(verdict.circuit, verdict.circuit_reason, sizeof verdict.circuit_reason);
    }
    all = verdict.record != KS_OK ? verdict.record : verdict.circuit;
    if (cli->json) {
        KS_TRY(print_json(record, &verdict, all));
        cli->answered = true;
    } else if (all == KS_OK) {
        ks_cli_print(verdict.is_signed ? "OK\n" : "OK (unsigned record)\n");
    }
    if (verdict.record == KS_OK && all == KS_ERR_UNAVAILABLE) {
        err = ks_fail(all,
                      "%s: could not tell: hash and signature hold, the circuit was not "
                      "checked: %s",
                      cli->operands[0], verdict.circuit_reason);
    } else if (all != KS_OK) {
        err = ks_fail(all, "%s: %s", cli->operands[0],
                      verdict.record != KS_OK ? verdict.record_reason : verdict.circuit_reason);
    }
out:
    ks_old_free(record);
    return err;
}

enum ks_err ks_command_record_verify(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FLSIM_RECORDS_MAX);
    KS_TRY(ks_file_read(cli->operands[0], KS_FLSIM_RECORDS_MAX, &bytes));
    if (ks_flsim_records_are(ks_buf_view(&bytes))) {
        KS_TRY(ks_flsim_verify(cli, ks_buf_view(&bytes)));
    } else {
        KS_CHECK(bytes.len <= KS_OLD_BYTES_MAX, KS_ERR_LIMIT, "%s: over %d bytes",
                 cli->operands[0], KS_OLD_BYTES_MAX);
        KS_TRY(verify_old(cli, ks_buf_view(&bytes)));
    }
out:
    ks_buf_done(&bytes);
    return err;
}

/* --- make --------------------------------------------------------------------------------- */

/* The key of a flag: base64 of the 32 raw bytes, in the argument or in a file of one line;
 * without either a fresh one, as the scripts had it. */
static enum ks_err make_key(const struct ks_cli *cli, struct ks_sign_key **out_key)
{
    enum ks_err err = KS_OK;
    const char *text = ks_cli_text(cli, "private-key-b64");
    const char *path = ks_cli_text(cli, "private-key-file");
    struct ks_buf file;
    struct ks_bytes line = {0};
    uint8_t seed[PRIVATE_LEN];

    ks_buf_init(&file, PRIVATE_MAX);
    KS_CHECK(text == NULL || path == NULL, KS_ERR_USAGE,
             "--private-key-b64 and --private-key-file: one of the two");
    if (text == NULL && path == NULL) {
        return ks_sign_key_new(KS_SIG_ED25519, out_key);
    }
    if (path != NULL) {
        KS_TRY(ks_file_read(path, PRIVATE_MAX, &file));
    }
    line = path != NULL ? ks_buf_view(&file) : ks_bytes_text(text);
    while (line.len > 0 && line.data[line.len - 1] <= ' ') {
        line.len--;
    }
    KS_CHECK(ks_base64_decode_exact(line, seed, sizeof seed) == KS_OK, KS_ERR_FORMAT,
             "--%s: expected base64 of the 32 bytes of an Ed25519 key",
             path != NULL ? "private-key-file" : "private-key-b64");
    KS_TRY(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed), out_key));
out:
    ks_wipe(seed, sizeof seed);
    ks_buf_wipe(&file);
    return err;
}

/* "2026-01-14T02:01:23Z" */
static void now_text(char target[SECONDS_LEN + 2])
{
    char whole[KS_TIME_TEXT_LEN + 1];

    ks_time_text(ks_clock_us(), whole);
    ks_copy(target, whole, SECONDS_LEN);
    target[SECONDS_LEN] = 'Z';
    target[SECONDS_LEN + 1] = '\0';
}

/* The names that the scripts gave their simulators. */
static const char *const old_backends[KS_SDK_COUNT] = {
    [KS_SDK_KETSEAL] = "ketseal-statevector",
    [KS_SDK_QISKIT] = "qiskit_aer.AerSimulator",
    [KS_SDK_CIRQ] = "cirq.Simulator",
};

/* The scripts wrote Cirq's outcomes with qubit 0 leftmost, and said so nowhere in the record.
 */
static enum ks_err put_reversed(struct ks_bytes counts, struct ks_buf *out)
{
    static const struct ks_json_limits limits = {.len_max = KS_RESULT_BYTES_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_json_doc *turned = NULL;
    struct ks_buf text;

    ks_buf_init(&text, KS_RESULT_BYTES_MAX);
    KS_TRY(ks_json_parse(counts, &limits, &doc));
    ks_buf_put_text(&text, "{");
    for (size_t i = 0; i < ks_json_count(ks_json_root(doc)); i++) {
        const struct ks_bytes outcome = ks_json_key_at(ks_json_root(doc), i);

        ks_buf_put_text(&text, i == 0 ? "\"" : ",\"");
        for (size_t bit = outcome.len; bit-- > 0;) {
            ks_buf_put_u8(&text, outcome.data[bit]);
        }
        ks_buf_put_text(&text, "\":");
        ks_buf_put(&text, ks_json_number_text(ks_json_at(ks_json_root(doc), i)));
    }
    ks_buf_put_text(&text, "}");
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_json_parse(ks_buf_view(&text), &limits, &turned));
    ks_json_canonical(ks_json_root(turned), out); /* in order again */
    KS_TRY(ks_buf_check(out));
out:
    ks_json_doc_free(doc);
    ks_json_doc_free(turned);
    ks_buf_done(&text);
    return err;
}

/* Runs the workload on another SDK, by ketseal-adapter. */
static enum ks_err run_sdk(const struct ks_cli *cli, enum ks_sdk sdk,
                           const struct ks_old_spec *old, struct ks_sdk_result *result,
                           struct ks_buf *counts_text)
{
    enum ks_err err = KS_OK;
    const struct ks_work_job job = {
        .template = KS_LITERAL(WORKLOAD),
        .qubits = (uint32_t)old->qubits,
        .depth = (uint32_t)old->depth,
        .template_seed = old->seed,
        .shots = old->shots,
        .seed = old->seed,
    };

    ks_cli_progress(cli, "sampling %llu shots on %llu qubits by %s",
                    (unsigned long long)old->shots, (unsigned long long)old->qubits,
                    ks_sdk_name(sdk));
    KS_TRY(ks_sdk_run_here(cli, sdk, &job, result));
    if (sdk == KS_SDK_CIRQ) {
        KS_TRY(put_reversed(ks_buf_view(&result->counts), counts_text));
    } else {
        ks_buf_put(counts_text, ks_buf_view(&result->counts));
        KS_TRY(ks_buf_check(counts_text));
    }
out:
    return err;
}

/* Runs the workload and writes COUNTS as canonical JSON. */
static enum ks_err run_workload(const struct ks_cli *cli, const struct ks_old_spec *old,
                                const struct ks_circuit *circuit, struct ks_buf *counts_text)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(counts_text);
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    spec.method = KS_METHOD_STATEVECTOR;
    spec.shots = old->shots;
    spec.seed = old->seed;
    spec.memory_max = (uint64_t)4 << 30;
    ks_cli_progress(cli, "sampling %llu shots on %llu qubits", (unsigned long long)old->shots,
                    (unsigned long long)old->qubits);
    KS_TRY(ks_simulate(circuit, &spec, &counts));
    ks_cli_counts_put(counts, &writer);
    KS_TRY(ks_buf_check(counts_text));
out:
    ks_counts_free(counts);
    return err;
}

static enum ks_err read_flags(const struct ks_cli *cli, struct ks_old_spec *spec,
                              enum ks_sdk *out_sdk)
{
    enum ks_err err = KS_OK;
    const char *framework = ks_cli_text(cli, "framework");
    const char *sdk = ks_cli_text(cli, "sdk");

    KS_TRY(ks_old_schema_find(ks_cli_text(cli, "schema"), &spec->schema));
    KS_CHECK(framework == NULL || sdk == NULL, KS_ERR_USAGE,
             "--framework and --sdk are the same: one of the two");
    framework = framework != NULL ? framework : sdk;
    KS_CHECK(framework != NULL, KS_ERR_USAGE, "--framework=NAME is required");
    KS_TRY(ks_fail_prefix(ks_cli_sdk(framework, out_sdk), "--framework"));
    spec->backend = ks_bytes_text(old_backends[*out_sdk]);
    spec->framework = ks_bytes_text(framework);
    KS_TRY(ks_cli_number(cli, "n-qubits", UINT32_MAX, &spec->qubits));
    KS_TRY(ks_cli_number(cli, "depth", UINT32_MAX, &spec->depth));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &spec->seed));
    KS_TRY(ks_cli_number(cli, "shots", KS_SHOTS_MAX, &spec->shots));
out:
    return err;
}

enum ks_err ks_command_record_make(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_old_spec spec = {.name = KS_LITERAL(WORKLOAD),
                               .framework_version = KS_LITERAL(KS_VERSION)};
    struct ks_sdk_result result = {0};
    enum ks_sdk sdk = KS_SDK_KETSEAL;
    struct ks_circuit *circuit = NULL;
    struct ks_sign_key *key = NULL;
    struct ks_buf counts;
    struct ks_buf out;
    char times[2][SECONDS_LEN + 2];
    char hash[KS_OLD_HASH_TEXT];
    char id[KS_UUID_TEXT_LEN + 1];
    uint8_t random[16];

    ks_buf_init(&counts, KS_OLD_BYTES_MAX / 4);
    ks_buf_init(&out, KS_OLD_BYTES_MAX);
    KS_TRY(read_flags(cli, &spec, &sdk));
    KS_TRY(make_key(cli, &key));
    KS_TRY(make_circuit(spec.qubits, spec.depth, spec.seed, &circuit));
    KS_TRY(hash_circuit(circuit, spec.framework, hash));
    now_text(times[0]);
    if (sdk == KS_SDK_KETSEAL) {
        KS_TRY(run_workload(cli, &spec, circuit, &counts));
    } else {
        KS_TRY(run_sdk(cli, sdk, &spec, &result, &counts));
        spec.framework_version = ks_bytes_text(result.version);
    }
    now_text(times[1]);
    KS_TRY(ks_random(random, sizeof random));
    ks_uuid_text(random, id);
    spec.circuit_hash = ks_bytes_text(hash);
    spec.counts = ks_buf_view(&counts);
    spec.record_id = ks_bytes_text(id);
    spec.started_at = ks_bytes_text(times[0]);
    spec.finished_at = ks_bytes_text(times[1]);
    spec.key = key;
    KS_TRY(ks_old_write(&spec, &out));
    ks_buf_put_text(&out, "\n");
    KS_TRY(ks_buf_check(&out));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), NULL, ks_buf_view(&out)));
out:
    ks_circuit_free(circuit);
    ks_sign_key_free(key);
    ks_sdk_result_done(&result);
    ks_buf_done(&counts);
    ks_buf_done(&out);
    return err;
}
