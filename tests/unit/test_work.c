/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The payloads between launcher, enclave and worker: the job, the result, the configuration. */
#include "unit/expect.h"

#include <math.h>

#include "attest/eventlog.h"
#include "attest/reference.h"
#include "base/text.h"
#include "crypto/ekcert.h"
#include "crypto/sigalgs.h"
#include "enclave/launch.h"
#include "enclave/work.h"

#define ENCODED_MAX ((size_t)32 * 1024 * 1024)
/* Of config_full: the rules for devices, for the sealing of the state. */
#define DEVICES_LEN (1 + 4 + 8 + 8 + (4 + 6) + (4 + 10) + (4 + 7))
#define SEALING_LEN (4 + 2 + 3 + 2 + 4 + 4 + 4 + 1 + 4 + 4)
#define ALERTS_LEN  (4 + 4 + FL_LEN) /* and what is behind them */
#define FL_LEN      (4 + 4 + 8 + 8 + 8)
#define KEYS_LEN    (2 + (2 + 16) + (4 + 8) + (4 + 8) + (4 + 7) + 1 + 4 * 4 + ALERTS_LEN)
#define RULES_LEN   (DEVICES_LEN + SEALING_LEN + KEYS_LEN)
/* Of job_source: method, bond, cutoff, noise. */
#define METHOD_LEN (1 + 4 + 8 + 2 + 2)

static const struct ks_work_job job_source = {
    .source = {(const uint8_t *)"OPENQASM 2.0;", 13},
    .shots = 2000,
    .seed = UINT64_MAX,
    .single = true,
    .memory_max = UINT64_C(1) << 40,
    .method = KS_METHOD_MPS,
    .bond_max = KS_BOND_MAX,
    .cutoff = 0x1.fffffffffffffp-1,
    .noise = {(const uint8_t *)"{}", 2},
};
static const struct ks_work_job job_template = {
    .template = {(const uint8_t *)"rqc", 3},
    .qubits = UINT32_MAX,
    .depth = 20,
    .template_seed = 3,
    .shots = 1,
    .seed = 4,
    .memory_max = 5,
};
static const struct ks_work_result result_full = {
    .counts = {(const uint8_t *)"{\"00\":1}", 8},
    .circuit = {(const uint8_t *)"OPENQASM 2.0;\n", 14},
    .qubits = 2,
    .clbits = 3,
    .ops = UINT64_C(1) << 33,
    .depth = 4,
    .numerics = 5,
    .threads = 6,
    .kernels = {(const uint8_t *)"avx2", 4},
    .facts = {.method = KS_METHOD_SPARSE,
              .amplitudes = UINT64_C(9) << 40,
              .bond = 10,
              .discarded_weight = 0x1p-70},
    .reason = {(const uint8_t *)"so", 2},
    .bond_max = 11,
    .cutoff = 0.25,
    .parse_us = 7,
    .simulate_us = 8,
    .census = {.gates_1q = 12,
               .gates_2q = 13,
               .gates_more = 14,
               .gates_nonclifford = 15,
               .measurements = 16},
    .cpu_us = 17,
    .memory_bytes = UINT64_C(18) << 30,
};
static const struct ks_enclave_config config_full = {
    .origin = {(const uint8_t *)"lab.example/ketseal", 19},
    .root_pem = {(const uint8_t *)"root", 4},
    .crl_pem = {(const uint8_t *)"crl", 3},
    .event_log = {(const uint8_t *)"{}", 2},
    .simulated_tpm = true,
    .workers = KS_LAUNCH_WORKERS_MAX,
    .state_memory_max = 1,
    .job_seconds_max = 2,
    .worker_digest = {9, 8, 7},
    .devices = {.accept_issued = true,
                .key_algs = KS_SIGALG_BIT(KS_SIG_MLDSA65) | KS_SIGALG_BIT(KS_SIG_MLDSA87),
                .attest_every_s = 3,
                .certificate_s = KS_DEVICE_SECONDS_MAX,
                .ek_roots_pem = {(const uint8_t *)"makers", 6},
                .simulated_ek_roots_pem = {(const uint8_t *)"simulators", 10},
                .reference = {(const uint8_t *)"{\"a\":1}", 7}},
    .rules =
        {
            .seal_pcrs = 1U << KS_LAUNCH_PCR | 1U << 7,
            .update_authority = {(const uint8_t *)"key", 3},
            .update_authorisation = {(const uint8_t *)"word", 4},
            .counter = 0x01800001,
            .epoch_s = 60,
            .accept_rollback = true,
            .quote_window_ms = 5,
            .quote_refresh_s = 300,
        },
    .keys =
        {
            .source = KS_KEY_SOURCE_BOTH,
            .fall_back = true,
            .authority = {(const uint8_t *)"kme.example:9443", 16},
            .root_pem = {(const uint8_t *)"kme root", 8},
            .certificate_pem = {(const uint8_t *)"kme cert", 8},
            .key_pem = {(const uint8_t *)"kme key", 7},
            .classical = true,
            .timeout_ms = 5000,
            .life_s = 3600,
            .stock_max = 512,
            .low = 16,
        },
    .alerts = {.suspend_after = 3, .window_s = 3600},
    .fl = {.workers = 2,
           .params_max = 1000000,
           .memory_max = 1 << 30,
           .suspicion = 6.5,
           .alerts = {.suspend_after = 2, .window_s = 1800}},
};

/* --- three formats behind one form: read, and write again what was read ------------------- */

static enum ks_err again_job(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_work_job job = {0};
    enum ks_err err = ks_work_job_read(bytes, &job);

    if (err == KS_OK) {
        ks_work_job_put(&job, out);
    }
    return err;
}

static enum ks_err again_result(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_reader reader = ks_reader_of(bytes, "answer");
    struct ks_work_result result = {0};
    enum ks_err err = ks_work_result_read(&reader, &result);

    if (err == KS_OK) {
        ks_work_result_put(&result, out);
    }
    return err;
}

static enum ks_err again_config(struct ks_bytes bytes, struct ks_buf *out)
{
    struct ks_enclave_config config = {0};
    enum ks_err err = ks_enclave_config_read(bytes, &config);

    if (err == KS_OK) {
        ks_enclave_config_put(&config, out);
    }
    return err;
}

typedef enum ks_err (*again)(struct ks_bytes bytes, struct ks_buf *out);

static void expect_codec(again read, struct ks_bytes bytes)
{
    uint8_t longer[4096];
    struct ks_buf out;

    ks_buf_init(&out, ENCODED_MAX);
    assert_int_equal(read(bytes, &out), KS_OK);
    expect_bytes(ks_buf_view(&out), bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        /* An exact copy, so that a sanitizer sees a read past its end. */
        uint8_t *copy = NULL;

        assert_int_equal(ks_bytes_dup(ks_bytes_of(bytes.data, len), &copy), KS_OK);
        assert_int_equal(read(ks_bytes_of(copy, len), &out), KS_ERR_FORMAT);
        ks_free(copy);
    }
    assert_true(bytes.len < sizeof longer);
    ks_copy(longer, bytes.data, bytes.len);
    longer[bytes.len] = 0;
    expect_failure(read(ks_bytes_of(longer, bytes.len + 1), &out), KS_ERR_FORMAT, "1 ");
    ks_buf_done(&out);
}

static void encoded_config(const struct ks_enclave_config *config, struct ks_buf *out)
{
    ks_buf_init(out, ENCODED_MAX);
    ks_enclave_config_put(config, out);
    assert_int_equal(ks_buf_check(out), KS_OK);
}

static void test_round_trips(void **state)
{
    (void)state;
    struct ks_buf out;

    ks_buf_init(&out, ENCODED_MAX);
    ks_work_job_put(&job_source, &out);
    expect_codec(again_job, ks_buf_view(&out));
    ks_buf_clear(&out);
    ks_work_job_put(&job_template, &out);
    expect_codec(again_job, ks_buf_view(&out));
    ks_buf_clear(&out);
    ks_work_result_put(&result_full, &out);
    expect_codec(again_result, ks_buf_view(&out));
    ks_buf_clear(&out);
    ks_enclave_config_put(&config_full, &out);
    expect_codec(again_config, ks_buf_view(&out));
    ks_buf_done(&out);
}

/* Each field is where it belongs: a round trip alone would not notice two that are swapped. */
static void test_fields(void **state)
{
    (void)state;
    struct ks_buf out;
    struct ks_work_job job = {0};
    struct ks_work_result result = {0};
    struct ks_enclave_config config = {0};

    ks_buf_init(&out, ENCODED_MAX);
    ks_work_job_put(&job_template, &out);
    assert_int_equal(ks_work_job_read(ks_buf_view(&out), &job), KS_OK);
    assert_int_equal(job.source.len, 0);
    expect_text(job.template, "rqc");
    assert_true(job.qubits == UINT32_MAX && job.depth == 20 && job.template_seed == 3);
    assert_true(job.shots == 1 && job.seed == 4 && job.memory_max == 5 && !job.single);
    assert_true(job.method == KS_METHOD_AUTO && job.bond_max == 0 && job.noise.len == 0);
    ks_buf_clear(&out);
    ks_work_job_put(&job_source, &out);
    assert_int_equal(ks_work_job_read(ks_buf_view(&out), &job), KS_OK);
    assert_true(job.method == KS_METHOD_MPS && job.bond_max == KS_BOND_MAX);
    assert_true(job.cutoff == job_source.cutoff);
    expect_text(job.noise, "{}");
    ks_buf_clear(&out);
    ks_work_result_put(&result_full, &out);
    struct ks_reader reader = ks_reader_of(ks_buf_view(&out), "answer");
    assert_int_equal(ks_work_result_read(&reader, &result), KS_OK);
    expect_bytes(result.counts, result_full.counts);
    expect_bytes(result.circuit, result_full.circuit);
    expect_text(result.kernels, "avx2");
    assert_true(result.qubits == 2 && result.clbits == 3 && result.ops >> 33 == 1);
    assert_true(result.depth == 4 && result.numerics == 5 && result.threads == 6);
    assert_true(result.parse_us == 7 && result.simulate_us == 8);
    assert_true(result.facts.method == KS_METHOD_SPARSE && result.facts.amplitudes >> 40 == 9 &&
                result.facts.bond == 10);
    assert_true(result.facts.discarded_weight == 0x1p-70 && result.cutoff == 0.25);
    assert_int_equal(result.bond_max, 11);
    expect_text(result.reason, "so");
    ks_buf_clear(&out);
    ks_enclave_config_put(&config_full, &out);
    assert_int_equal(ks_enclave_config_read(ks_buf_view(&out), &config), KS_OK);
    expect_text(config.origin, "lab.example/ketseal");
    expect_text(config.root_pem, "root");
    expect_text(config.crl_pem, "crl");
    expect_text(config.event_log, "{}");
    assert_true(config.simulated_tpm && config.workers == 256);
    assert_true(config.state_memory_max == 1 && config.job_seconds_max == 2);
    expect_bytes(KS_BYTES(config.worker_digest), KS_BYTES(config_full.worker_digest));
    assert_true(config.devices.accept_issued && config.devices.attest_every_s == 3);
    assert_int_equal(config.devices.key_algs, config_full.devices.key_algs);
    assert_true(config.devices.certificate_s == KS_DEVICE_SECONDS_MAX);
    expect_text(config.devices.ek_roots_pem, "makers");
    expect_text(config.devices.simulated_ek_roots_pem, "simulators");
    expect_text(config.devices.reference, "{\"a\":1}");
    expect_text(config.rules.update_authority, "key");
    expect_text(config.rules.update_authorisation, "word");
    assert_true(config.rules.seal_pcrs == 0x4080 && config.rules.counter == 0x01800001);
    assert_true(config.rules.epoch_s == 60 && config.rules.accept_rollback);
    assert_true(config.rules.quote_window_ms == 5 && config.rules.quote_refresh_s == 300);
    assert_true(config.keys.source == KS_KEY_SOURCE_BOTH && config.keys.fall_back);
    expect_text(config.keys.authority, "kme.example:9443");
    expect_text(config.keys.root_pem, "kme root");
    expect_text(config.keys.certificate_pem, "kme cert");
    expect_text(config.keys.key_pem, "kme key");
    assert_true(config.keys.classical && config.keys.timeout_ms == 5000);
    assert_true(config.keys.life_s == 3600 && config.keys.stock_max == 512);
    assert_int_equal(config.keys.low, 16);
    assert_true(config.alerts.suspend_after == 3 && config.alerts.window_s == 3600);
    assert_memory_equal(&config.fl, &config_full.fl, sizeof config.fl);
    ks_buf_done(&out);
}

static void test_key_rules_out_of_range(void **state)
{
    (void)state;
    struct ks_enclave_config wrong[9];
    const size_t count = sizeof wrong / sizeof wrong[0];

    for (size_t i = 0; i < count; i++) {
        wrong[i] = config_full;
    }
    wrong[0].keys.source = (enum ks_key_source)KS_KEY_SOURCES;
    wrong[1].keys.authority = (struct ks_bytes){0}; /* keys of a manager, and none to ask */
    wrong[2].keys.timeout_ms = 0;
    wrong[3].keys.timeout_ms = KS_KEYS_TIMEOUT_MAX + 1;
    wrong[4].keys.life_s = 0;
    wrong[5].keys.life_s = KS_KEYS_LIFE_MAX + 1;
    wrong[6].keys.stock_max = 0;
    wrong[7].keys.stock_max = KS_KEYS_STOCK_MAX + 1;
    wrong[8].keys.low = wrong[8].keys.stock_max + 1;
    for (size_t i = 0; i < count; i++) {
        struct ks_buf out;
        struct ks_enclave_config config = {0};

        encoded_config(&wrong[i], &out);
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &config), KS_ERR_FORMAT,
                       "enclave configuration: a rule of keys is out of range");
        ks_buf_done(&out);
    }
}

static void test_alert_rules_out_of_range(void **state)
{
    (void)state;
    static const struct ks_alert_rules wrong[] = {
        {KS_ALERTS_AFTER_MAX + 1, 60}, {1, KS_ALERTS_WINDOW_S_MAX + 1}, {1, 0}, {0, 1}};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ks_buf out;
        struct ks_enclave_config config = config_full;

        config.alerts = wrong[i];
        encoded_config(&config, &out);
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &config), KS_ERR_FORMAT,
                       "enclave configuration: a rule of alerts is out of range");
        ks_buf_done(&out);
    }
}

static void test_fl_rules_out_of_range(void **state)
{
    (void)state;
    static const struct ks_fl_rules wrong[] = {
        {KS_FL_WORKERS_MAX + 1, 1000, 1, 0, {0}},
        {1, KS_FL_NUMBERS_MAX + 1, 1, 0, {0}},
        {1, 0, 1, 0, {0}},
        {0, 1, 0, 0, {0}},
        {1, 1, 0, 0, {0}},
        {0, 0, 1, 0, {0}},
        {1, 1, 1, -1, {0}},
        {1, 1, 1, KS_FL_SUSPICION_MAX + 1.0, {0}},
        {1, 1, 1, 0, {1, 60}}, /* it suspends by alerts that there are none of */
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct ks_buf out;
        struct ks_enclave_config config = config_full;

        config.fl = wrong[i];
        encoded_config(&config, &out);
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &config), KS_ERR_FORMAT,
                       "enclave configuration: a rule of rounds is out of range");
        ks_buf_done(&out);
    }
}

static void test_rules_out_of_range(void **state)
{
    (void)state;
    struct ks_enclave_config wrong[7];

    for (size_t i = 0; i < 7; i++) {
        wrong[i] = config_full;
    }
    wrong[0].rules.seal_pcrs = 1U << 7; /* without the launch */
    wrong[1].rules.seal_pcrs |= 1U << KS_PCR_COUNT;
    wrong[2].rules.epoch_s = 0;
    wrong[3].rules.epoch_s = KS_EPOCH_S_MAX + 1;
    wrong[4].rules.quote_window_ms = KS_QUOTE_WINDOW_MAX + 1;
    wrong[5].rules.quote_refresh_s = 0;
    wrong[6].rules.quote_refresh_s = KS_QUOTE_REFRESH_MAX + 1;
    for (size_t i = 0; i < 7; i++) {
        struct ks_buf out;
        struct ks_enclave_config config = {0};

        encoded_config(&wrong[i], &out);
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &config), KS_ERR_FORMAT,
                       "enclave configuration: a rule is out of range");
        ks_buf_done(&out);
    }
}

static void test_precision_is_0_or_1(void **state)
{
    (void)state;
    struct ks_buf out;
    struct ks_work_job job = {.shots = 7};

    ks_buf_init(&out, ENCODED_MAX);
    ks_work_job_put(&job_source, &out);
    out.data[out.len - METHOD_LEN - 9] = 2;
    expect_failure(ks_work_job_read(ks_buf_view(&out), &job), KS_ERR_FORMAT,
                   "job frame: precision 2");
    assert_int_equal(job.shots, 7);
    ks_buf_done(&out);
}

static void expect_bad_job(struct ks_work_job wrong, const char *reason)
{
    struct ks_buf out;
    struct ks_work_job job = {0};

    ks_buf_init(&out, ENCODED_MAX);
    ks_work_job_put(&wrong, &out);
    expect_failure(ks_work_job_read(ks_buf_view(&out), &job), KS_ERR_FORMAT, reason);
    ks_buf_done(&out);
}

static void expect_bad_result(struct ks_work_result wrong, const char *reason)
{
    struct ks_buf out;

    ks_buf_init(&out, ENCODED_MAX);
    ks_work_result_put(&wrong, &out);
    expect_failure(again_result(ks_buf_view(&out), &out), KS_ERR_FORMAT, reason);
    ks_buf_done(&out);
}

static void test_method_out_of_range(void **state)
{
    (void)state;
    static const double numbers[] = {-0.0, -1, INFINITY, NAN};
    struct ks_work_job job = job_source;
    struct ks_work_result result = result_full;

    job.method = KS_METHOD_COUNT;
    expect_bad_job(job, "job frame: method 5");
    job = job_source;
    job.bond_max = KS_BOND_MAX + 1;
    expect_bad_job(job, "job frame: bond 4097 or the cutoff is out of range");
    job.bond_max = 0;
    job.cutoff = 1;
    expect_bad_job(job, "job frame: bond 0 or the cutoff is out of range");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        job.cutoff = numbers[i];
        expect_bad_job(job, "job frame: a number is negative, infinite or none");
        result = result_full;
        result.cutoff = numbers[i];
        expect_bad_result(result, "a number is negative, infinite or none");
        result = result_full;
        result.facts.discarded_weight = numbers[i];
        expect_bad_result(result, "a number is negative, infinite or none");
    }
    result = result_full;
    result.facts.method = KS_METHOD_AUTO;
    expect_bad_result(result, "method 0");
    result.facts.method = KS_METHOD_COUNT;
    expect_bad_result(result, "method 5");
}

/* A length over the limit is refused even though nothing of that length follows. */
static void test_lengths_over_the_limit(void **state)
{
    (void)state;
    struct ks_buf out;

    ks_buf_init(&out, ENCODED_MAX);
    ks_buf_put_u32(&out, KS_WORK_PROGRAM_MAX + 1);
    assert_int_equal(again_job(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u32(&out, 0);
    ks_buf_put_u16(&out, KS_WORK_NAME_MAX + 1);
    assert_int_equal(again_job(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u32(&out, KS_WORK_RESULT_MAX + 1);
    assert_int_equal(again_result(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u32(&out, 0);
    ks_buf_put_u32(&out, KS_WORK_CIRCUIT_MAX + 1);
    assert_int_equal(again_result(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u16(&out, 256);
    assert_int_equal(again_config(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u16(&out, 0);
    ks_buf_put_u32(&out, 1024 * 1024 + 1);
    assert_int_equal(again_config(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u16(&out, 0);
    ks_buf_put_u32(&out, 0);
    ks_buf_put_u32(&out, 16 * 1024 * 1024 + 1);
    assert_int_equal(again_config(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_clear(&out);
    ks_buf_put_u16(&out, 0);
    ks_buf_put_u32(&out, 0);
    ks_buf_put_u32(&out, 0);
    ks_buf_put_u16(&out, KS_EVENT_LOG_MAX + 1);
    assert_int_equal(again_config(ks_buf_view(&out), &out), KS_ERR_LIMIT);
    ks_buf_done(&out);
}

static void test_config_out_of_range(void **state)
{
    (void)state;
    static const uint32_t workers[] = {0, KS_LAUNCH_WORKERS_MAX + 1, UINT32_MAX};
    struct ks_enclave_config config = config_full;
    struct ks_enclave_config got = {.workers = 3};
    struct ks_buf out;

    for (size_t i = 0; i < sizeof workers / sizeof workers[0]; i++) {
        config.workers = workers[i];
        encoded_config(&config, &out);
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                       "enclave configuration: a value is out of range");
        ks_buf_done(&out);
    }
    encoded_config(&config_full, &out);
    /* The one flag stands before 4 + 8 + 8 + 32 bytes and the rules, the other before the last
     * 4 + 4 of those of sealing, with those of keys behind them. */
    out.data[out.len - 53 - RULES_LEN] = 2;
    expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                   "enclave configuration: a value is out of range");
    out.data[out.len - 53 - RULES_LEN] = 1;
    out.data[out.len - 9 - KEYS_LEN] = 2;
    expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                   "enclave configuration: a rule is out of range");
    out.data[out.len - 9 - KEYS_LEN] = 1;
    const size_t flags[] = {KEYS_LEN - 1, 4 * 4 + 1 + ALERTS_LEN};
    for (size_t i = 0; i < 2; i++) {
        out.data[out.len - flags[i]] = 2;
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                       "enclave configuration: a rule of keys is out of range");
        out.data[out.len - flags[i]] = 1;
    }
    assert_int_equal(got.workers, 3);
    ks_buf_done(&out);
}

/* Flag, seconds twice, three texts with their lengths. */
static void test_device_rules_out_of_range(void **state)
{
    (void)state;
    struct ks_enclave_config config = config_full;
    struct ks_enclave_config got = {.workers = 3};
    struct ks_buf out;

    encoded_config(&config_full, &out);
    out.data[out.len - RULES_LEN] = 2;
    expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                   "enclave configuration: a value is out of range");
    ks_buf_done(&out);
    config.devices.attest_every_s = KS_DEVICE_SECONDS_MAX + 1;
    encoded_config(&config, &out);
    expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                   "enclave configuration: a value is out of range");
    ks_buf_done(&out);
    /* No algorithm, a classical one, one that there is not. */
    const uint32_t algs[] = {0, KS_SIGALG_BIT(KS_SIG_ED25519) | KS_SIGALG_BIT(KS_SIG_MLDSA65),
                             UINT32_C(1) << KS_SIG_ALG_COUNT};
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        config = config_full;
        config.devices.key_algs = algs[i];
        encoded_config(&config, &out);
        expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                       "enclave configuration: a value is out of range");
        ks_buf_done(&out);
    }
    config = config_full;
    config.devices.certificate_s = UINT64_MAX;
    encoded_config(&config, &out);
    expect_failure(ks_enclave_config_read(ks_buf_view(&out), &got), KS_ERR_FORMAT,
                   "enclave configuration: a value is out of range");
    ks_buf_done(&out);
    encoded_config(&config_full, &out);
    const uint32_t len_max[] = {KS_EK_PEM_MAX, KS_EK_PEM_MAX, KS_REFERENCE_MAX};
    const size_t before[] = {RULES_LEN - 21, RULES_LEN - 21 - 10, RULES_LEN - 21 - 10 - 14};
    for (size_t i = 0; i < 3; i++) {
        struct ks_buf longer;

        ks_buf_init(&longer, ENCODED_MAX);
        ks_buf_put(&longer, ks_bytes_of(out.data, out.len - before[i]));
        ks_buf_put_u32(&longer, len_max[i] + 1);
        expect_failure(ks_enclave_config_read(ks_buf_view(&longer), &got), KS_ERR_LIMIT,
                       "enclave configuration");
        ks_buf_done(&longer);
    }
    assert_int_equal(got.workers, 3);
    ks_buf_done(&out);
}

/* By docs/formats/enclave-state.md, computed without ketseal. */
#define POLICY_FULL "19fa4cc3101e35340d7daaf419f67b9f66966bb9e02a3918d33b0949e616f33f"

/* What a site demands is in its policy, each member; what a launch is, is not. */
static void test_policy(void **state)
{
    struct ks_enclave_config configs[] = {
        config_full, config_full, config_full, config_full, config_full, config_full,
        config_full, config_full, config_full, config_full, config_full, config_full,
        config_full, config_full, config_full, config_full, config_full,
    };
    const size_t count = sizeof configs / sizeof configs[0];
    struct ks_enclave_config same = config_full;
    uint8_t hash[32];
    char hex[65];
    char seen[sizeof configs / sizeof configs[0]][65];

    (void)state;
    configs[0].root_pem = KS_LITERAL("roof");
    configs[1].crl_pem = (struct ks_bytes){0};
    configs[2].devices.accept_issued = false;
    configs[3].devices.attest_every_s = 4;
    configs[4].devices.certificate_s = 1;
    configs[5].devices.ek_roots_pem = KS_LITERAL("makerssimulators");
    configs[6].devices.simulated_ek_roots_pem = (struct ks_bytes){0};
    configs[7].devices.reference = KS_LITERAL("{\"a\":2}");
    configs[8].rules.seal_pcrs = 1U << KS_LAUNCH_PCR;
    configs[9].rules.update_authority = (struct ks_bytes){0};
    configs[10].rules.quote_window_ms = 300;
    configs[11].rules.epoch_s = 61;
    configs[12].alerts.window_s = 3601;
    configs[13].alerts = (struct ks_alert_rules){0};
    configs[14].devices.key_algs = KS_SIGALGS_ALL;
    configs[15].fl.suspicion = 5;
    configs[16].fl.alerts.window_s++;
    for (size_t i = 0; i < count; i++) {
        ks_enclave_config_policy(&configs[i], hash);
        ks_hex_encode(KS_BYTES(hash), seen[i]);
        assert_string_not_equal(seen[i], POLICY_FULL);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(seen[i], seen[j]);
        }
    }
    same.event_log = KS_LITERAL("[]");
    same.workers = 1;
    same.worker_digest[0] ^= 1;
    same.rules.update_authorisation = (struct ks_bytes){0};
    same.rules.accept_rollback = false;
    ks_enclave_config_policy(&same, hash);
    ks_hex_encode(KS_BYTES(hash), hex);
    assert_string_equal(hex, POLICY_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_rules_out_of_range),
        cmocka_unit_test(test_key_rules_out_of_range),
        cmocka_unit_test(test_alert_rules_out_of_range),
        cmocka_unit_test(test_fl_rules_out_of_range),
        cmocka_unit_test(test_precision_is_0_or_1),
        cmocka_unit_test(test_method_out_of_range),
        cmocka_unit_test(test_lengths_over_the_limit),
        cmocka_unit_test(test_config_out_of_range),
        cmocka_unit_test(test_device_rules_out_of_range),
        cmocka_unit_test(test_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
