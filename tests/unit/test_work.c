/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What an enclave and a worker, a launcher and an enclave say to each other: round trips, each
 * length, each limit. */
#include "expect.h"

#include "enclave/launch.h"
#include "enclave/work.h"

static const struct ks_work_job job = {
    .source = {(const uint8_t *)"OPENQASM 2.0;", 13},
    .template = {(const uint8_t *)"ghz", 3},
    .qubits = 0x01020304,
    .depth = 0xfffffffe,
    .template_seed = UINT64_C(0x0102030405060708),
    .shots = 10000000,
    .seed = UINT64_MAX,
    .single = true,
    .memory_max = UINT64_C(1) << 40,
};

static const struct ks_work_result result = {
    .counts = {(const uint8_t *)"{\"0\":1}", 7},
    .circuit = {(const uint8_t *)"OPENQASM 2.0;\n", 14},
    .qubits = 30,
    .clbits = 31,
    .ops = UINT64_C(1) << 33,
    .depth = 33,
    .numerics = 1,
    .threads = 4,
    .kernels = {(const uint8_t *)"avx512", 6},
    .parse_us = 123,
    .simulate_us = UINT64_C(456) << 32,
};

static const struct ks_enclave_config config = {
    .origin = {(const uint8_t *)"lab.example", 11},
    .root_pem = {(const uint8_t *)"root", 4},
    .crl_pem = {(const uint8_t *)"", 0},
    .event_log = {(const uint8_t *)"{}", 2},
    .simulated_tpm = true,
    .workers = KS_LAUNCH_WORKERS_MAX,
    .state_memory_max = UINT64_C(1) << 34,
    .job_seconds_max = 300,
    .worker_digest = {1, 2, 3},
};

static void put_result(struct ks_buf *out)
{
    ks_work_result_put(&result, out);
}

static void put_job(struct ks_buf *out)
{
    ks_work_job_put(&job, out);
}

static void put_config(struct ks_buf *out)
{
    ks_enclave_config_put(&config, out);
}

static enum ks_err read_job(struct ks_bytes bytes, struct ks_buf *again)
{
    struct ks_work_job read;
    enum ks_err err = ks_work_job_read(bytes, &read);

    if (err == KS_OK) {
        ks_work_job_put(&read, again);
    }
    return err;
}

static enum ks_err read_result(struct ks_bytes bytes, struct ks_buf *again)
{
    struct ks_work_result read;
    struct ks_reader reader = ks_reader_of(bytes, "result");
    enum ks_err err = ks_work_result_read(&reader, &read);

    if (err == KS_OK) {
        ks_work_result_put(&read, again);
    }
    return err;
}

static enum ks_err read_config(struct ks_bytes bytes, struct ks_buf *again)
{
    struct ks_enclave_config read;
    enum ks_err err = ks_enclave_config_read(bytes, &read);

    if (err == KS_OK) {
        ks_enclave_config_put(&read, again);
    }
    return err;
}

static const struct {
    void (*put)(struct ks_buf *out);
    enum ks_err (*read)(struct ks_bytes bytes, struct ks_buf *again);
} messages[] = {{put_job, read_job}, {put_result, read_result}, {put_config, read_config}};

static void test_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct ks_buf bytes;
        struct ks_buf again;

        ks_buf_init(&bytes, 4096);
        ks_buf_init(&again, 4096);
        messages[i].put(&bytes);
        assert_int_equal(messages[i].read(ks_buf_view(&bytes), &again), KS_OK);
        expect_bytes(ks_buf_view(&again), ks_buf_view(&bytes));
        ks_buf_done(&bytes);
        ks_buf_done(&again);
    }
}

/* Cut at each length, and with a byte behind it. */
static void test_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        struct ks_buf bytes;
        struct ks_buf again;

        ks_buf_init(&bytes, 4096);
        ks_buf_init(&again, 4096);
        messages[i].put(&bytes);
        for (size_t len = 0; len < bytes.len; len++) {
            uint8_t *cut = ks_calloc(1, len + 1);

            ks_copy(cut, bytes.data, len);
            assert_int_equal(messages[i].read(ks_bytes_of(cut, len), &again), KS_ERR_FORMAT);
            ks_free(cut);
        }
        ks_buf_put_u8(&bytes, 0);
        assert_int_equal(messages[i].read(ks_buf_view(&bytes), &again), KS_ERR_FORMAT);
        ks_buf_done(&bytes);
        ks_buf_done(&again);
    }
}

static void test_fields(void **state)
{
    struct ks_buf bytes;
    struct ks_work_job read_back;
    struct ks_work_result result_back;
    struct ks_enclave_config config_back;
    struct ks_reader reader;

    (void)state;
    ks_buf_init(&bytes, 4096);
    put_job(&bytes);
    assert_int_equal(ks_work_job_read(ks_buf_view(&bytes), &read_back), KS_OK);
    expect_bytes(read_back.source, job.source);
    expect_bytes(read_back.template, job.template);
    assert_true(read_back.qubits == job.qubits && read_back.depth == job.depth);
    assert_true(read_back.template_seed == job.template_seed && read_back.seed == job.seed);
    assert_true(read_back.shots == job.shots && read_back.single);
    assert_true(read_back.memory_max == job.memory_max);
    ks_buf_clear(&bytes);
    put_result(&bytes);
    reader = ks_reader_of(ks_buf_view(&bytes), "result");
    assert_int_equal(ks_work_result_read(&reader, &result_back), KS_OK);
    expect_bytes(result_back.counts, result.counts);
    expect_bytes(result_back.circuit, result.circuit);
    expect_bytes(result_back.kernels, result.kernels);
    assert_true(result_back.qubits == 30 && result_back.clbits == 31 &&
                result_back.depth == 33);
    assert_true(result_back.ops == result.ops && result_back.simulate_us == result.simulate_us);
    ks_buf_clear(&bytes);
    put_config(&bytes);
    assert_int_equal(ks_enclave_config_read(ks_buf_view(&bytes), &config_back), KS_OK);
    assert_true(config_back.simulated_tpm && config_back.workers == KS_LAUNCH_WORKERS_MAX);
    assert_memory_equal(config_back.worker_digest, config.worker_digest, 32);
    ks_buf_done(&bytes);
}

static void test_limits(void **state)
{
    struct ks_work_job long_job = job;
    struct ks_work_result long_result = result;
    struct ks_enclave_config bad = config;
    struct ks_buf bytes;
    struct ks_buf again;
    static const uint8_t filler[KS_WORK_CIRCUIT_MAX + 1];

    (void)state;
    ks_buf_init(&bytes, (size_t)2 * KS_WORK_CIRCUIT_MAX);
    ks_buf_init(&again, (size_t)2 * KS_WORK_CIRCUIT_MAX);
    long_job.source = ks_bytes_of(filler, KS_WORK_PROGRAM_MAX + 1);
    ks_work_job_put(&long_job, &bytes);
    assert_int_equal(read_job(ks_buf_view(&bytes), &again), KS_ERR_LIMIT);
    long_job = job;
    long_job.template = ks_bytes_of(filler, KS_WORK_NAME_MAX + 1);
    ks_buf_clear(&bytes);
    ks_work_job_put(&long_job, &bytes);
    assert_int_equal(read_job(ks_buf_view(&bytes), &again), KS_ERR_LIMIT);
    long_result.counts = ks_bytes_of(filler, KS_WORK_RESULT_MAX + 1);
    ks_buf_clear(&bytes);
    ks_work_result_put(&long_result, &bytes);
    assert_int_equal(read_result(ks_buf_view(&bytes), &again), KS_ERR_LIMIT);
    long_result = result;
    long_result.circuit = ks_bytes_of(filler, KS_WORK_CIRCUIT_MAX + 1);
    ks_buf_clear(&bytes);
    ks_work_result_put(&long_result, &bytes);
    assert_int_equal(read_result(ks_buf_view(&bytes), &again), KS_ERR_LIMIT);
    bad.workers = 0;
    ks_buf_clear(&bytes);
    ks_enclave_config_put(&bad, &bytes);
    assert_int_equal(read_config(ks_buf_view(&bytes), &again), KS_ERR_FORMAT);
    bad.workers = KS_LAUNCH_WORKERS_MAX + 1;
    ks_buf_clear(&bytes);
    ks_enclave_config_put(&bad, &bytes);
    assert_int_equal(read_config(ks_buf_view(&bytes), &again), KS_ERR_FORMAT);
    bad = config;
    bad.origin = ks_bytes_of(filler, 256);
    ks_buf_clear(&bytes);
    ks_enclave_config_put(&bad, &bytes);
    assert_int_equal(read_config(ks_buf_view(&bytes), &again), KS_ERR_LIMIT);
    ks_buf_done(&bytes);
    ks_buf_done(&again);
}

/* One encoding per value: a bool is 0 or 1. */
static void test_bools(void **state)
{
    struct ks_buf bytes;
    struct ks_buf again;

    (void)state;
    ks_buf_init(&bytes, 4096);
    ks_buf_init(&again, 4096);
    put_job(&bytes);
    assert_int_equal(bytes.data[bytes.len - 9], 1);
    bytes.data[bytes.len - 9] = 2;
    expect_failure(read_job(ks_buf_view(&bytes), &again), KS_ERR_FORMAT, "precision 2");
    ks_buf_clear(&bytes);
    put_config(&bytes);
    const size_t at = 2 + 11 + 4 + 4 + 4 + 2 + 2;
    assert_int_equal(bytes.data[at], 1);
    bytes.data[at] = 3;
    assert_int_equal(read_config(ks_buf_view(&bytes), &again), KS_ERR_FORMAT);
    ks_buf_done(&bytes);
    ks_buf_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_fields),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bools),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
