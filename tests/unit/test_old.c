/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Records of the schemas "0.1" and "qpoe-0.1": the hashes that Python computed, circuits as
 * Qiskit and Cirq write them, what is refused, and what is written is read. */
#include "base/text.h"
#include "expect.h"
#include "quantum/sdk_text.h"
#include "record/old.h"
#include "record/pyjson.h"
#include "vector_files.h"

/* The next line of TEXT up to and without its newline; false at the end. */
static bool next_line(struct ks_reader *reader, struct ks_bytes *out_line)
{
    return reader->rest.len > 0 && ks_read_line(reader, out_line) == KS_OK;
}

static void test_hashes(void **state)
{
    struct ks_buf list;
    struct ks_reader reader;
    struct ks_bytes line;
    unsigned count = 0;

    (void)state;
    vector_read("old", "hashes.txt", &list);
    reader = ks_reader_of(ks_buf_view(&list), "hashes.txt");
    while (next_line(&reader, &line)) {
        char name[64];
        char want[KS_OLD_HASH_TEXT];
        char got[KS_OLD_HASH_TEXT];
        char text[256];
        struct ks_buf file;
        struct ks_old_record *record = NULL;
        bool is_signed = false;

        ks_copy(text, line.data, line.len);
        text[line.len] = '\0';
        if (text[0] == '#') {
            continue;
        }
        assert_int_equal(sscanf(text, "%63s %71s", name, want), 2);
        vector_read("old", name, &file);
        assert_int_equal(ks_old_parse(ks_buf_view(&file), &record), KS_OK);
        ks_old_hash(record, got);
        assert_string_equal(got, want);
        assert_true(ks_old_hash_stated(record));
        assert_int_equal(ks_old_verify(record, &is_signed), KS_OK);
        assert_int_equal(is_signed, strncmp(name, "qpoe", 4) == 0 || strstr(name, "-signed"));
        ks_old_free(record);
        ks_buf_done(&file);
        count++;
    }
    assert_true(count >= 16);
    ks_buf_done(&list);
}

static void test_circuits(void **state)
{
    struct ks_buf list;
    struct ks_reader reader;
    struct ks_bytes line;
    unsigned count = 0;

    (void)state;
    vector_read("old", "circuits.txt", &list);
    reader = ks_reader_of(ks_buf_view(&list), "circuits.txt");
    while (next_line(&reader, &line)) {
        struct ks_template_spec spec = {.version = 1, .name = "clifford_t_sampling"};
        char text[256];
        char framework[16];
        char want[65];
        char got[65];
        unsigned long long seed = 0;
        uint8_t hash[32];
        struct ks_circuit *circuit = NULL;
        struct ks_buf out;

        ks_copy(text, line.data, line.len);
        text[line.len] = '\0';
        if (text[0] == '#') {
            continue;
        }
        assert_int_equal(sscanf(text, "%15s %u %u %llu %64s", framework, &spec.qubits,
                                &spec.depth, &seed, want),
                         5);
        spec.seed = seed;
        ks_buf_init(&out, 1 << 24);
        assert_int_equal(ks_circuit_template(&spec, NULL, &circuit), KS_OK);
        assert_int_equal(strcmp(framework, "cirq") == 0 ? ks_sdk_text_cirq(circuit, &out)
                                                        : ks_sdk_text_qiskit(circuit, &out),
                         KS_OK);
        ks_sha256(ks_buf_view(&out), hash);
        ks_hex_encode(KS_BYTES(hash), got);
        assert_string_equal(got, want);
        ks_circuit_free(circuit);
        ks_buf_done(&out);
        count++;
    }
    assert_true(count >= 16);
    ks_buf_done(&list);
}

static void test_other_circuit(void **state)
{
    const struct ks_template_spec spec = {.version = 1, .name = "bell", .qubits = 2};
    struct ks_circuit *circuit = NULL;
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 1 << 20);
    assert_int_equal(ks_circuit_template(&spec, NULL, &circuit), KS_OK);
    expect_failure(ks_sdk_text_qiskit(circuit, &out), KS_ERR_USAGE, "clifford_t_sampling");
    expect_failure(ks_sdk_text_cirq(circuit, &out), KS_ERR_USAGE, "clifford_t_sampling");
    ks_circuit_free(circuit);
    ks_buf_done(&out);
}

/* --- what is refused ---------------------------------------------------------------------- */

static void test_rejects(void **state)
{
    static const struct {
        const char *text;
        enum ks_err err;
        const char *detail;
    } table[] = {
        {"", KS_ERR_FORMAT, "1:1: expected a value"},
        {"{", KS_ERR_FORMAT, "1:2: expected a string"},
        {"{\"a\"", KS_ERR_FORMAT, "1:5: expected ':'"},
        {"{\"a\":1", KS_ERR_FORMAT, "1:7: expected ',' or '}'"},
        {"{\"a\":1,}", KS_ERR_FORMAT, "expected a string"},
        {"[1 2]", KS_ERR_FORMAT, "expected ',' or ']'"},
        {"[1,\n ]", KS_ERR_FORMAT, "2:2: expected a value"},
        {"01", KS_ERR_FORMAT, "1:2: something behind"},
        {"1.", KS_ERR_FORMAT, "digits expected"},
        {"1e", KS_ERR_FORMAT, "digits expected"},
        {"-", KS_ERR_FORMAT, "expected a value"},
        {"+1", KS_ERR_FORMAT, "expected a value"},
        {".5", KS_ERR_FORMAT, "expected a value"},
        {"nan", KS_ERR_FORMAT, "expected a value"},
        {"'a'", KS_ERR_FORMAT, "expected a value"},
        {"\"a", KS_ERR_FORMAT, "does not end"},
        {"\"a\nb\"", KS_ERR_FORMAT, "control character"},
        {"\"\\x\"", KS_ERR_FORMAT, "unknown escape"},
        {"\"\\u12g4\"", KS_ERR_FORMAT, "hexadecimal"},
        {"\"\\u12", KS_ERR_FORMAT, "hexadecimal"},
        {"\"\\", KS_ERR_FORMAT, "unknown escape"},
        {"\"\xff\"", KS_ERR_FORMAT, "not UTF-8"},
        {"\"\xed\xa0\x80\"", KS_ERR_FORMAT, "not UTF-8"},
        {"\xef\xbb\xbf{}", KS_ERR_FORMAT, "expected a value"},
        {"{} {}", KS_ERR_FORMAT, "something behind"},
        {"{}", KS_ERR_NOT_FOUND, "no record"},
        {"[]", KS_ERR_NOT_FOUND, "no record"},
        {"{\"schema\":\"qpoe-0.2\"}", KS_ERR_NOT_FOUND, "no record"},
        {"{\"schema_version\":0.1}", KS_ERR_NOT_FOUND, "no record"},
        {"{\"schema_version\":\"0.1\"}", KS_ERR_FORMAT, "'execution'"},
        {"{\"schema_version\":\"0.1\",\"execution\":1,\"record\":{\"created_at\":1}}",
         KS_ERR_FORMAT, "'record.hash_alg'"},
        {"{\"schema\":\"qpoe-0.1\",\"artifacts\":1}", KS_ERR_FORMAT,
         "'artifacts.circuit_hash'"},
        {"{\"schema\":\"qpoe-0.1\",\"artifacts\":{\"circuit_hash\":\"\\ud800\"}}",
         KS_ERR_FORMAT, "surrogate"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ks_old_record *record = NULL;

        expect_failure(ks_old_parse(ks_bytes_text(table[i].text), &record), table[i].err,
                       table[i].detail);
        assert_null(record);
    }
}

static void test_limits(void **state)
{
    struct ks_old_record *record = NULL;
    struct ks_pyjson_doc *doc = NULL;
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, 1 << 24);
    for (unsigned i = 0; i <= KS_PYJSON_DEPTH_MAX; i++) {
        ks_buf_put_u8(&text, '[');
    }
    expect_failure(ks_old_parse(ks_buf_view(&text), &record), KS_ERR_LIMIT, "too deeply");
    ks_buf_clear(&text);
    for (unsigned i = 0; i <= KS_PYJSON_DIGITS_MAX; i++) {
        ks_buf_put_u8(&text, '7');
    }
    expect_failure(ks_pyjson_parse(ks_buf_view(&text), &doc), KS_ERR_LIMIT, "4300");
    text.len--;
    assert_int_equal(ks_pyjson_parse(ks_buf_view(&text), &doc), KS_OK);
    ks_pyjson_free(doc);
    doc = NULL;
    ks_buf_clear(&text);
    ks_buf_put_u8(&text, '[');
    for (unsigned i = 0; i < KS_PYJSON_NODES_MAX; i++) {
        ks_buf_put_text(&text, "1,");
    }
    expect_failure(ks_pyjson_parse(ks_buf_view(&text), &doc), KS_ERR_LIMIT, "too many values");
    ks_buf_done(&text);
}

/* Replaces the first FROM by TO, of one length. */
static void change(struct ks_buf *text, const char *from, const char *to)
{
    uint8_t *at = memmem(text->data, text->len, from, strlen(from));

    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    ks_copy(at, to, strlen(to));
}

static void test_forged(void **state)
{
    static const struct {
        const char *name;
        const char *from;
        const char *to;
        enum ks_err err;
        const char *detail;
    } table[] = {
        {"0.1-signed.json", "\"000\": 512", "\"000\": 513", KS_ERR_VERIFY, "hash"},
        {"0.1-signed.json", "\"hash\": \"c", "\"hash\": \"d", KS_ERR_VERIFY, "hash"},
        {"0.1-signed.json", "\"ed25519\"", "\"ed25518\"", KS_ERR_VERIFY,
         "'record.signature_alg'"},
        {"0.1-signed.json", "\"public_key\": \"A", "\"public_key\": \"B", KS_ERR_VERIFY,
         "signature"},
        {"0.1-signed.json", "\"public_key\": \"A", "\"public_key\": \"*", KS_ERR_FORMAT,
         "'record.public_key'"},
        {"qpoe-0.1-raw.json", "\"shots\":1024", "\"shots\":1025", KS_ERR_VERIFY, "hash"},
        {"qpoe-0.1-raw.json", "\"ed25519\"", "\"none\"   ", KS_ERR_VERIFY,
         "'attestation.signing_alg'"},
        {"qpoe-0.1-raw.json", "\"signing_alg\"", "\"Signing_alg\"", KS_ERR_VERIFY,
         "'attestation.signing_alg'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct ks_old_record *record = NULL;
        struct ks_buf text;
        bool is_signed = true;
        enum ks_err err = KS_OK;

        vector_read("old", table[i].name, &text);
        change(&text, table[i].from, table[i].to);
        err = ks_old_parse(ks_buf_view(&text), &record);
        if (err == KS_OK) {
            err = ks_old_verify(record, &is_signed);
            assert_false(is_signed);
        }
        expect_failure(err, table[i].err, table[i].detail);
        ks_old_free(record);
        ks_buf_done(&text);
    }
}

/* --- writing ------------------------------------------------------------------------------ */

static void test_written(void **state)
{
    static const uint8_t seed[32] = {7};
    struct ks_old_spec spec = {.framework = KS_LITERAL("na\xc3\xafve"),
                               .framework_version = KS_LITERAL("1"),
                               .backend = KS_LITERAL("b"),
                               .circuit_hash = KS_LITERAL("sha256:00"),
                               .counts = KS_LITERAL("{\"00\":5,\"11\":6}"),
                               .name = KS_LITERAL("clifford_t_sampling"),
                               .qubits = 2,
                               .depth = 3,
                               .seed = 4,
                               .shots = 11,
                               .record_id = KS_LITERAL("6f2f6d63-3c7a-4f88-9f55-7aa7c93f1e2b"),
                               .started_at = KS_LITERAL("2026-01-14T02:01:23Z"),
                               .finished_at = KS_LITERAL("2026-01-14T02:01:24Z")};
    struct ks_sign_key *key = NULL;

    (void)state;
    assert_int_equal(ks_sign_key_from_seed(KS_SIG_ED25519, KS_BYTES(seed), &key), KS_OK);
    for (unsigned i = 0; i < 4; i++) {
        struct ks_old_record *record = NULL;
        const struct ks_old_workload *workload = NULL;
        struct ks_buf out;
        bool is_signed = false;

        ks_buf_init(&out, 65536);
        spec.schema = (enum ks_old_schema)(i % 2);
        spec.key = i < 2 ? key : NULL;
        if (i == 3) {
            expect_failure(ks_old_write(&spec, &out), KS_ERR_USAGE, "unsigned");
            ks_buf_done(&out);
            continue;
        }
        assert_int_equal(ks_old_write(&spec, &out), KS_OK);
        assert_int_equal(ks_old_parse(ks_buf_view(&out), &record), KS_OK);
        assert_int_equal(ks_old_schema_of(record), spec.schema);
        assert_int_equal(ks_old_verify(record, &is_signed), KS_OK);
        assert_int_equal(is_signed, i < 2);
        workload = ks_old_workload_of(record);
        assert_true(workload->whole);
        assert_int_equal(workload->qubits, 2);
        assert_int_equal(workload->depth, 3);
        assert_int_equal(workload->seed, 4);
        assert_int_equal(workload->shots, 11);
        expect_bytes(workload->framework, spec.framework);
        expect_bytes(workload->name, spec.name);
        /* ensure_ascii of each schema. */
        assert_int_equal(memmem(out.data, out.len, "na\\u00efve", 10) != NULL, i != 1);
        ks_old_free(record);
        ks_buf_done(&out);
    }
    ks_sign_key_free(key);
}

static void test_schemas(void **state)
{
    enum ks_old_schema schema = KS_OLD_0_1;

    (void)state;
    assert_int_equal(ks_old_schema_find("qpoe-0.1", &schema), KS_OK);
    assert_int_equal(schema, KS_OLD_QPOE_0_1);
    expect_failure(ks_old_schema_find("0.2", &schema), KS_ERR_USAGE, "'0.2'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),        cmocka_unit_test(test_circuits),
        cmocka_unit_test(test_other_circuit), cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_written),       cmocka_unit_test(test_schemas),
    };

    return cmocka_run_group_tests_name("old", tests, NULL, NULL);
}
