/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Messages of ETSI GS QKD 014 V1.1.1: names, words and codes as the standard has them, written
 * out here once more; and everything that is refused. */
#include "unit/expect.h"

#include "qkd/etsi014.h"

#define ID_A  "bc490419-7d60-487f-adc1-4ddcc177c139"
#define ID_B  "0a782fb5-3434-48fe-aa4d-14f41d46cf92"
#define KEY_A "wHHVxRwDJs3/bXd38GHP3oe4svTuRpZS0yCC7x4Ly+s=" /* 32 bytes */
#define KEY_B "OeGMPxh1+2RpJpNCYixWHFLYRubpOKCw94FcCI7VdJA="
#define STATUS                                                                                 \
    "{\"key_size\":256,\"master_SAE_ID\":\"M\",\"max_SAE_ID_count\":2,\"max_key_count\":100,"  \
    "\"max_key_per_request\":10,\"max_key_size\":1024,\"min_key_size\":64,"                    \
    "\"slave_SAE_ID\":\"S\",\"source_KME_ID\":\"K 1\",\"stored_key_count\":7,"                 \
    "\"target_KME_ID\":\"K 2\"}"
#define CONTAINER                                                                              \
    "{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A "\"},"                              \
    "{\"key\":\"" KEY_B "\",\"key_ID\":\"" ID_B "\"}]}"

static struct ks_etsi014_sae sae_of(const char *text)
{
    struct ks_etsi014_sae sae;

    assert_int_equal(ks_etsi014_sae_parse(ks_bytes_text(text), &sae), KS_OK);
    return sae;
}

static struct ks_etsi014_id id_of(const char *text)
{
    struct ks_etsi014_id id;

    assert_int_equal(ks_etsi014_id_parse(ks_bytes_text(text), &id), KS_OK);
    return id;
}

static void test_ids(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "bc490419-7d60-487f-adc1-4ddcc177c13",
        "bc490419-7d60-487f-adc1-4ddcc177c1399",
        "bc490419-7d60-487f-adc1-4ddcc177c13g",
        "bc4904197d60-487f-adc1-4ddcc177c139-",
        "bc490419_7d60_487f_adc1_4ddcc177c139",
        "{c490419-7d60-487f-adc1-4ddcc177c13}",
    };
    char text[KS_ETSI014_ID_TEXT_LEN + 1];
    struct ks_etsi014_id id = id_of(ID_A);
    const struct ks_etsi014_id upper = id_of("BC490419-7D60-487F-ADC1-4DDCC177C139");

    ks_etsi014_id_text(&id, text);
    assert_string_equal(text, ID_A);
    assert_true(ks_etsi014_id_equal(&id, &upper));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        expect_failure(ks_etsi014_id_parse(ks_bytes_text(wrong[i]), &id), KS_ERR_FORMAT,
                       "key_ID");
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *sae;
        enum ks_etsi014_method method;
        const char *path;
    } good[] = {
        {"sae-1", KS_ETSI014_STATUS, "/api/v1/keys/sae-1/status"},
        {"sae-1", KS_ETSI014_ENC_KEYS, "/api/v1/keys/sae-1/enc_keys"},
        {"sae-1", KS_ETSI014_DEC_KEYS, "/api/v1/keys/sae-1/dec_keys"},
        {"A b/c%", KS_ETSI014_STATUS, "/api/v1/keys/A%20b%2Fc%25/status"},
    };
    static const struct {
        const char *path;
        enum ks_err err;
    } wrong[] = {
        {"/", KS_ERR_NOT_FOUND},
        {"/api/v1/keys/", KS_ERR_NOT_FOUND},
        {"/api/v1/keys/a", KS_ERR_NOT_FOUND},
        {"/api/v1/keys/a/", KS_ERR_NOT_FOUND},
        {"/api/v1/keys/a/enc_key", KS_ERR_NOT_FOUND},
        {"/api/v1/keys/a/enc_keys/", KS_ERR_NOT_FOUND},
        {"/api/v1/keys/a/b/enc_keys", KS_ERR_NOT_FOUND},
        {"/api/v2/keys/a/enc_keys", KS_ERR_NOT_FOUND},
        {"/api/v1/keys//enc_keys", KS_ERR_FORMAT},
        {"/api/v1/keys/%/enc_keys", KS_ERR_FORMAT},
        {"/api/v1/keys/%4/enc_keys", KS_ERR_FORMAT},
        {"/api/v1/keys/%4g/enc_keys", KS_ERR_FORMAT},
        {"/api/v1/keys/%00/enc_keys", KS_ERR_FORMAT},
        {"/api/v1/keys/%c3%a9/enc_keys", KS_ERR_FORMAT},
        {"/api/v1/keys/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"
         "status",
         KS_ERR_FORMAT},
    };
    struct ks_etsi014_sae sae;
    enum ks_etsi014_method method = KS_ETSI014_STATUS;
    struct ks_buf out;

    ks_buf_init(&out, KS_ETSI014_TARGET_MAX);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        sae = sae_of(good[i].sae);
        ks_buf_clear(&out);
        ks_etsi014_path_put(&out, &sae, good[i].method);
        expect_text(ks_buf_view(&out), good[i].path);
        assert_int_equal(ks_etsi014_path_parse(ks_bytes_text(good[i].path), &sae, &method),
                         KS_OK);
        assert_string_equal(sae.text, good[i].sae);
        assert_int_equal(method, good[i].method);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(ks_etsi014_path_parse(ks_bytes_text(wrong[i].path), &sae, &method),
                         wrong[i].err);
    }
    ks_buf_done(&out);
}

/* --- errors ------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        enum ks_etsi014_refusal refusal;
        int status;
        const char *message;
    } words[] = {
        {KS_ETSI014_SIZE_MULTIPLE, 400, "size shall be a multiple of 8"},
        {KS_ETSI014_MANDATORY_UNSUPPORTED, 400,
         "not all extension_mandatory parameters are supported"},
        {KS_ETSI014_MANDATORY_UNMET, 400,
         "not all extension_mandatory request options could be met"},
        {KS_ETSI014_OPTIONAL_UNHANDLED, 400,
         "not all extension_optional request options handled"},
        {KS_ETSI014_KEYS_NOT_FOUND, 400, "one or more keys specified are not found on KME"},
        {KS_ETSI014_BAD_REQUEST, 400, "bad request format"},
        {KS_ETSI014_UNAUTHORIZED, 401, "unauthorized"},
        {KS_ETSI014_UNAVAILABLE, 503, "error on server side"},
    };
    struct ks_etsi014_error error;
    struct ks_buf out;

    ks_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        char want[256];

        (void)snprintf(want, sizeof want,
                       "{\"details\":[{\"name\":\"what\"}],\"message\":\"%s\"}",
                       words[i].message);
        ks_etsi014_error_set(&error, words[i].refusal, "name", "what");
        ks_buf_clear(&out);
        ks_etsi014_error_put(&out, &error);
        expect_text(ks_buf_view(&out), want);
        assert_int_equal(ks_etsi014_refusal_status(words[i].refusal), words[i].status);
        assert_int_equal(ks_etsi014_error_parse(words[i].status, ks_buf_view(&out), &error),
                         KS_OK);
        assert_int_equal(error.refusal, words[i].refusal);
        assert_string_equal(error.message, words[i].message);
        assert_string_equal(error.detail, "{\"name\":\"what\"}");
    }
    ks_etsi014_error_set(&error, KS_ETSI014_UNAUTHORIZED, NULL, NULL);
    ks_buf_clear(&out);
    ks_etsi014_error_put(&out, &error);
    expect_text(ks_buf_view(&out), "{\"message\":\"unauthorized\"}");
    /* Words of a vendor's own. */
    assert_int_equal(
        ks_etsi014_error_parse(400, KS_LITERAL("{\"message\":\"no \\u0007\"}"), &error), KS_OK);
    assert_int_equal(error.refusal, KS_ETSI014_BAD_REQUEST);
    assert_string_equal(error.message, "no ?");
    assert_int_equal(ks_etsi014_error_parse(404, KS_LITERAL("{\"message\":\"m\"}"), &error),
                     KS_ERR_FORMAT);
    assert_int_equal(ks_etsi014_error_parse(400, KS_LITERAL("<html>"), &error), KS_ERR_FORMAT);
    assert_int_equal(ks_etsi014_error_parse(503, KS_LITERAL("{}"), &error), KS_ERR_FORMAT);
    assert_int_equal(ks_etsi014_error_parse(401, KS_LITERAL("{\"message\":1}"), &error),
                     KS_ERR_FORMAT);
    ks_buf_done(&out);
}

/* --- status ------------------------------------------------------------------------------- */

static void test_status(void **state)
{
    (void)state;
    static const char *const names[] = {
        "key_size",         "master_SAE_ID",       "max_SAE_ID_count", "max_key_count",
        "stored_key_count", "max_key_per_request", "max_key_size",     "min_key_size",
        "slave_SAE_ID",     "source_KME_ID",       "target_KME_ID"};
    struct ks_etsi014_status status;
    struct ks_buf out;
    char text[sizeof STATUS];

    ks_buf_init(&out, 4096);
    assert_int_equal(ks_etsi014_status_parse(KS_LITERAL(STATUS), &status), KS_OK);
    assert_string_equal(status.source_kme.text, "K 1");
    assert_string_equal(status.target_kme.text, "K 2");
    assert_string_equal(status.master_sae.text, "M");
    assert_string_equal(status.slave_sae.text, "S");
    assert_true(status.key_size == 256 && status.stored_key_count == 7);
    assert_true(status.max_key_count == 100 && status.max_key_per_request == 10);
    assert_true(status.max_key_size == 1024 && status.min_key_size == 64);
    assert_int_equal(status.max_sae_id_count, 2);
    ks_etsi014_status_put(&out, &status);
    expect_text(ks_buf_view(&out), STATUS);
    ks_buf_done(&out);
    /* Each member is needed. */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ks_copy(text, STATUS, sizeof STATUS);
        *strstr(text, names[i]) = 'X';
        assert_int_equal(ks_etsi014_status_parse(ks_bytes_text(text), &status), KS_ERR_FORMAT);
    }
    ks_copy(text, STATUS, sizeof STATUS);
    ks_copy(strstr(text, "1024"), "0128", 4); /* no number */
    assert_int_equal(ks_etsi014_status_parse(ks_bytes_text(text), &status), KS_ERR_FORMAT);
    ks_copy(strstr(text, "0128"), "128 ", 4);
    expect_failure(ks_etsi014_status_parse(ks_bytes_text(text), &status), KS_ERR_FORMAT,
                   "'key_size'");
}

/* --- requests ----------------------------------------------------------------------------- */

static void test_requests(void **state)
{
    (void)state;
    static const char full[] =
        "{\"additional_slave_SAE_IDs\":[\"S2\",\"S3\"],\"number\":20,\"size\":512}";
    struct ks_etsi014_request request;
    struct ks_buf out;

    ks_buf_init(&out, 4096);
    assert_int_equal(ks_etsi014_request_parse(ks_bytes_text(full), &request), KS_OK);
    assert_true(request.number == 20 && request.size == 512 && request.saes == 2);
    assert_string_equal(request.additional[1].text, "S3");
    ks_etsi014_request_put(&out, &request);
    expect_text(ks_buf_view(&out), full);
    request.saes = 0;
    ks_buf_clear(&out);
    ks_etsi014_request_put_query(&out, &request);
    expect_text(ks_buf_view(&out), "?number=20&size=512");
    assert_int_equal(ks_etsi014_request_parse_query(ks_buf_view(&out), &request), KS_OK);
    assert_true(request.number == 20 && request.size == 512);
    request.number = 0;
    ks_buf_clear(&out);
    ks_etsi014_request_put_query(&out, &request);
    expect_text(ks_buf_view(&out), "?size=512");
    /* Nothing said: by an empty body, an empty object, nulls, no query. */
    assert_int_equal(ks_etsi014_request_parse((struct ks_bytes){0}, &request), KS_OK);
    assert_true(request.number == 0 && request.size == 0);
    assert_int_equal(
        ks_etsi014_request_parse(
            KS_LITERAL("{\"number\":null,\"size\":null,\"additional_slave_SAE_IDs\""
                       ":null,\"extension_mandatory\":null,\"extension_optional\":"
                       "null}"),
            &request),
        KS_OK);
    assert_true(request.number == 0 && request.saes == 0 && request.mandatory == 0);
    assert_int_equal(ks_etsi014_request_parse_query((struct ks_bytes){0}, &request), KS_OK);
    ks_buf_clear(&out);
    ks_etsi014_request_put(&out, &request);
    expect_text(ks_buf_view(&out), "{}");
    assert_int_equal(
        ks_etsi014_request_parse(
            KS_LITERAL("{\"extension_mandatory\":[{\"route\":1,\"b\":{}},{\"c\":[]}],"
                       "\"extension_optional\":[{},{\"d\":null}]}"),
            &request),
        KS_OK);
    assert_true(request.mandatory == 3 && request.optional == 1);
    assert_string_equal(request.mandatory_name, "route");
    assert_string_equal(request.optional_name, "d");
    ks_buf_done(&out);
}

static void test_requests_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "[]",
        "1",
        "{",
        "{}{}",
        "{\"number\":0}",
        "{\"number\":-1}",
        "{\"number\":1.5}",
        "{\"number\":\"1\"}",
        "{\"number\":true}",
        "{\"number\":1,\"number\":1}",
        "{\"number\":9007199254740992}",
        "{\"size\":0}",
        "{\"Size\":8}",
        "{\"additional_slave_SAE_IDs\":\"S\"}",
        "{\"additional_slave_SAE_IDs\":[1]}",
        "{\"additional_slave_SAE_IDs\":[\"\"]}",
        "{\"additional_slave_SAE_IDs\":[\"S\",\"S\"]}",
        "{\"additional_slave_SAE_IDs\":[\"\\u00e9\"]}",
        "{\"extension_mandatory\":{}}",
        "{\"extension_mandatory\":[1]}",
        "{\"extension_optional\":[[]]}",
    };
    static const char *const queries[] = {
        "?",          "?number",           "?number=",
        "?number=0",  "?number=01",        "?number=-1",
        "?number=1&", "?number=1&&size=8", "?size=8&size=8",
        "?=1",        "?number=1x",        "?extension_mandatory=1",
        "?Number=1",  "?number=1;size=8",  "?number=99999999999999999999",
    };
    struct ks_etsi014_request request;

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        if (ks_etsi014_request_parse(ks_bytes_text(bodies[i]), &request) != KS_ERR_FORMAT) {
            fail_msg("%s", bodies[i]);
        }
    }
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        if (ks_etsi014_request_parse_query(ks_bytes_text(queries[i]), &request) == KS_OK) {
            fail_msg("%s", queries[i]);
        }
    }
    assert_int_equal(
        ks_etsi014_request_parse(KS_LITERAL("{\"additional_slave_SAE_IDs\":[\"1\",\"2\",\"3\","
                                            "\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}"),
                                 &request),
        KS_ERR_LIMIT);
}

static void test_settling(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum ks_etsi014_refusal refusal;
        const char *name, *detail;
    } refused[] = {
        {"{\"size\":257}", KS_ETSI014_SIZE_MULTIPLE, "size", "257"},
        {"{\"size\":56}", KS_ETSI014_BAD_REQUEST, "size", "expected 64 to 1024"},
        {"{\"size\":1032}", KS_ETSI014_BAD_REQUEST, "size", "expected 64 to 1024"},
        {"{\"number\":11}", KS_ETSI014_BAD_REQUEST, "number", "at most 10"},
        {"{\"additional_slave_SAE_IDs\":[\"1\",\"2\",\"3\"]}", KS_ETSI014_BAD_REQUEST,
         "additional_slave_SAE_IDs", "at most 2"},
        {"{\"extension_mandatory\":[{\"route\":1}]}", KS_ETSI014_MANDATORY_UNSUPPORTED,
         "extension_mandatory_unsupported", "route is not supported"},
        {"{\"extension_optional\":[{\"route\":1}]}", KS_ETSI014_OPTIONAL_UNHANDLED,
         "extension_optional_unhandled", "route is not handled"},
    };
    struct ks_etsi014_status status;
    struct ks_etsi014_request request;
    struct ks_etsi014_error error;

    assert_int_equal(ks_etsi014_status_parse(KS_LITERAL(STATUS), &status), KS_OK);
    assert_int_equal(ks_etsi014_request_parse(KS_LITERAL("{}"), &request), KS_OK);
    assert_true(ks_etsi014_request_settle(&request, &status, &error));
    assert_true(request.number == 1 && request.size == 256);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(ks_etsi014_request_parse(ks_bytes_text(refused[i].body), &request),
                         KS_OK);
        assert_false(ks_etsi014_request_settle(&request, &status, &error));
        assert_int_equal(error.refusal, refused[i].refusal);
        assert_string_equal(error.name, refused[i].name);
        assert_string_equal(error.detail, refused[i].detail);
        assert_string_equal(error.message, ks_etsi014_refusal_message(refused[i].refusal));
    }
}

/* --- key IDs ------------------------------------------------------------------------------ */

static void test_key_ids(void **state)
{
    (void)state;
    static const char body[] =
        "{\"key_IDs\":[{\"key_ID\":\"" ID_A "\"},{\"key_ID\":\"" ID_B "\"}]}";
    static const char *const wrong[] = {
        "",
        "{}",
        "[]",
        "{\"key_IDs\":[]}",
        "{\"key_IDs\":{}}",
        "{\"key_IDs\":[\"" ID_A "\"]}",
        "{\"key_IDs\":[{\"key_ID\":\"x\"}]}",
        "{\"key_IDs\":[{\"key_id\":\"" ID_A "\"}]}",
        "{\"key_IDs\":[{\"key_ID\":\"" ID_A "\"},{\"key_ID\":\"" ID_A "\"}]}",
        "{\"key_IDs\":[{\"key_ID\":\"" ID_A "\"}],\"x\":1}",
        "{\"key_IDs\":[{\"key_ID\":\"" ID_A "\",\"x\":1}]}",
    };
    static const char *const queries[] = {"",
                                          "?",
                                          "?key_ID",
                                          "?key_ID=",
                                          "?key_ID=x",
                                          "?key_id=" ID_A,
                                          "?key_ID=" ID_A "&key_ID=" ID_B,
                                          "?key_ID=" ID_A "&"};
    const struct ks_etsi014_id ids[] = {id_of(ID_A), id_of(ID_B)};
    struct ks_etsi014_ids parsed;
    struct ks_buf out;

    ks_buf_init(&out, KS_ETSI014_REQUEST_MAX);
    ks_etsi014_ids_put(&out, ids, 2);
    expect_text(ks_buf_view(&out), body);
    assert_int_equal(ks_etsi014_ids_parse(ks_buf_view(&out), &parsed), KS_OK);
    assert_true(parsed.count == 2 && ks_etsi014_id_equal(&parsed.ids[1], &ids[1]));
    ks_buf_clear(&out);
    ks_etsi014_ids_put_query(&out, &ids[0]);
    expect_text(ks_buf_view(&out), "?key_ID=" ID_A);
    assert_int_equal(ks_etsi014_ids_parse_query(ks_buf_view(&out), &parsed), KS_OK);
    assert_true(parsed.count == 1 && ks_etsi014_id_equal(&parsed.ids[0], &ids[0]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (ks_etsi014_ids_parse(ks_bytes_text(wrong[i]), &parsed) != KS_ERR_FORMAT) {
            fail_msg("%s", wrong[i]);
        }
    }
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        assert_int_equal(ks_etsi014_ids_parse_query(ks_bytes_text(queries[i]), &parsed),
                         KS_ERR_FORMAT);
    }
    ks_buf_clear(&out);
    ks_buf_put_text(&out, "{\"key_IDs\":[");
    for (unsigned i = 0; i <= KS_ETSI014_KEYS_MAX; i++) {
        ks_buf_put_format(&out, "%s{\"key_ID\":\"bc490419-7d60-487f-adc1-4ddcc177%04x\"}",
                          i == 0 ? "" : ",", i);
    }
    ks_buf_put_text(&out, "]}");
    assert_int_equal(ks_etsi014_ids_parse(ks_buf_view(&out), &parsed), KS_ERR_LIMIT);
    ks_buf_done(&out);
}

/* --- containers --------------------------------------------------------------------------- */

static void test_container(void **state)
{
    (void)state;
    const struct ks_etsi014_id ids[] = {id_of(ID_B), id_of(ID_A)};
    struct ks_etsi014_wanted wanted = {.number = 2, .size = 256};
    struct ks_etsi014_key keys[2];
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_SIZE;
    struct ks_buf out;

    ks_buf_init(&out, KS_ETSI014_ANSWER_MAX);
    assert_int_equal(ks_etsi014_container_parse(KS_LITERAL(CONTAINER), &wanted, keys, &fault),
                     KS_OK);
    assert_int_equal(fault, KS_ETSI014_FAULT_NONE);
    assert_true(keys[0].len == 32 && ks_etsi014_id_equal(&keys[0].id, &ids[1]));
    assert_int_equal(keys[0].data[0], 0xc0);
    assert_int_equal(keys[1].data[31], 0x90);
    ks_etsi014_container_put(&out, keys, 2);
    expect_text(ks_buf_view(&out), CONTAINER);
    assert_true(out.len <= KS_ETSI014_CONTAINER_LEN((size_t)2, (size_t)32));
    ks_buf_done(&out);
    /* In the order in which they were asked for. */
    wanted.ids = ids;
    assert_int_equal(ks_etsi014_container_parse(KS_LITERAL(CONTAINER), &wanted, keys, &fault),
                     KS_OK);
    assert_true(ks_etsi014_id_equal(&keys[0].id, &ids[0]));
    assert_int_equal(keys[1].data[0], 0xc0);
    /* What a vendor adds. */
    wanted = (struct ks_etsi014_wanted){.number = 1, .size = 256};
    assert_int_equal(
        ks_etsi014_container_parse(
            KS_LITERAL("{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A
                       "\",\"key_ID_extension\":{\"a\":1},\"key_extension\":null}],"
                       "\"key_container_extension\":{},\"vendor\":[1]}"),
            &wanted, keys, &fault),
        KS_OK);
}

static const struct {
    const char *body;
    enum ks_etsi014_fault fault;
} wrong_containers[] = {
    {"", KS_ETSI014_FAULT_MALFORMED},
    {"<html>", KS_ETSI014_FAULT_MALFORMED},
    {"{}", KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":{}}", KS_ETSI014_FAULT_MALFORMED},
    {CONTAINER "x", KS_ETSI014_FAULT_MALFORMED},
    {"{\"Keys\":[]}", KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[1,2]}", KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key\":\"" KEY_A "\"},{\"key\":\"" KEY_A "\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key_ID\":\"" ID_A "\"},{\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A "\"},{\"key\":\"" KEY_A
     "\",\"key_ID\":\"7\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    /* White space, URL alphabet, no padding, bits beyond the end. */
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A
     "\"},{\"key\":\" HHVxRwDJs3/bXd38GHP3oe4svTuRpZS0yCC7x4Ly+s=\",\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A
     "\"},{\"key\":\"wHHVxRwDJs3_bXd38GHP3oe4svTuRpZS0yCC7x4Ly-s=\",\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A
     "\"},{\"key\":\"wHHVxRwDJs3/bXd38GHP3oe4svTuRpZS0yCC7x4Ly+s\",\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A
     "\"},{\"key\":\"wHHVxRwDJs3/bXd38GHP3oe4svTuRpZS0yCC7x4Ly+t=\",\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_MALFORMED},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A
     "\"},{\"key\":\"wHHVxRwDJs3/bXd38GHP3oe4svTuRpZS0yCC7x4L\",\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_SIZE},
    {"{\"keys\":[{\"key\":\"\",\"key_ID\":\"" ID_A "\"},{\"key\":\"" KEY_A
     "\",\"key_ID\":\"" ID_B "\"}]}",
     KS_ETSI014_FAULT_SIZE},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A "\"},{\"key\":\"" KEY_B
     "\",\"key_ID\":\"BC490419-7D60-487F-ADC1-4DDCC177C139\"}]}",
     KS_ETSI014_FAULT_DUPLICATE},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A "\"},{\"key\":\"" KEY_B
     "\",\"key_ID\":\"00000000-0000-0000-0000-000000000000\"}]}",
     KS_ETSI014_FAULT_STRANGER},
    {"{\"keys\":[]}", KS_ETSI014_FAULT_TOO_FEW},
    {"{\"keys\":[{\"key\":\"" KEY_A "\",\"key_ID\":\"" ID_A "\"}]}", KS_ETSI014_FAULT_TOO_FEW},
    {"{\"keys\":[{},{},{}]}", KS_ETSI014_FAULT_TOO_MANY},
};

static void test_containers_refused(void **state)
{
    (void)state;
    const struct ks_etsi014_id ids[] = {id_of(ID_A), id_of(ID_B)};
    const struct ks_etsi014_wanted wanted = {.number = 2, .size = 256, .ids = ids};
    static const struct ks_etsi014_key none[2];
    struct ks_etsi014_key keys[2];

    for (size_t i = 0; i < sizeof wrong_containers / sizeof wrong_containers[0]; i++) {
        enum ks_etsi014_fault fault = KS_ETSI014_FAULT_NONE;

        (void)memset(keys, 0xaa, sizeof keys);
        assert_int_equal(ks_etsi014_container_parse(ks_bytes_text(wrong_containers[i].body),
                                                    &wanted, keys, &fault),
                         KS_ERR_FORMAT);
        if (fault != wrong_containers[i].fault) {
            fail_msg("%s: %s", wrong_containers[i].body, ks_etsi014_fault_name(fault));
        }
        assert_memory_equal(keys, none, sizeof keys); /* wiped */
        assert_null(strstr(ks_err_detail(), "wHHV"));
    }
}

/* As much as there can be. */
static void test_the_largest_container(void **state)
{
    (void)state;
    const struct ks_etsi014_wanted wanted = {.number = KS_ETSI014_KEYS_MAX,
                                             .size = KS_ETSI014_SIZE_MAX};
    static struct ks_etsi014_key keys[KS_ETSI014_KEYS_MAX];
    static struct ks_etsi014_key again[KS_ETSI014_KEYS_MAX];
    enum ks_etsi014_fault fault = KS_ETSI014_FAULT_NONE;
    struct ks_buf out;

    for (size_t i = 0; i < KS_ETSI014_KEYS_MAX; i++) {
        keys[i].id.bytes[3] = (uint8_t)i;
        keys[i].len = KS_ETSI014_KEY_LEN_MAX;
        (void)memset(keys[i].data, (int)i, sizeof keys[i].data);
    }
    ks_buf_init(&out, KS_ETSI014_ANSWER_MAX);
    ks_etsi014_container_put(&out, keys, KS_ETSI014_KEYS_MAX);
    assert_int_equal(ks_buf_check(&out), KS_OK);
    assert_int_equal(ks_etsi014_container_parse(ks_buf_view(&out), &wanted, again, &fault),
                     KS_OK);
    assert_memory_equal(keys, again, sizeof keys);
    ks_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_requests_refused),
        cmocka_unit_test(test_settling),
        cmocka_unit_test(test_key_ids),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_containers_refused),
        cmocka_unit_test(test_the_largest_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
