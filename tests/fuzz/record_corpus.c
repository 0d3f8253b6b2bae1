/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* record_corpus FOLDER: writes the seeds of the fuzzers of src/record, the frames and the
 * enclave's state below FOLDER (tests/fuzz/corpus) from the fixture; by hand. */
#include <stdio.h>

#include "attach_fixture.h"
#include "base/sys.h"
#include "enclave/frame.h"
#include "enclave/launch.h"
#include "enclave/registry.h"
#include "enclave/state.h"
#include "enclave/work.h"
#include "enrol_fixture.h"
#include "fault/crash_fs.h"
#include "fault/crash_vault.h"
#include "qkd/announce.h"
#include "record/certify.h"
#include "record/fl_audit.h"
#include "record/fl_updates.h"
#include "record_fixture.h"

#define OK(call) KS_ASSERT((call) == KS_OK)

#define RATES                                                                                  \
    "{\"amplitude_damping\":0,\"depolarizing\":0.001,\"phase_damping\":0,\"x\":0,\"y\":0,"     \
    "\"z\":0}"
#define NOISE                                                                                  \
    "{\"gate1\":" RATES ",\"gate2\":" RATES                                                    \
    ",\"readout\":{\"read0_as1\":0.01,\"read1_as0\":0.03},\"schema\":\"ketseal.noise/1\"}"
static const struct ks_json_limits noise_limits = {.len_max = 4096, .nodes_max = 32};

static const char *corpus;

static void seed(const char *name, struct ks_bytes bytes)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", corpus, name);
    OK(ks_file_write(path, bytes, 0644));
}

static void template_job(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->job = (struct ks_job){.schema = 1,
                                       .template = KS_LITERAL("ghz"),
                                       .qubits = 2,
                                       .depth = 1,
                                       .template_seed = 5,
                                       .shots = 1000,
                                       .seed = 7,
                                       .method = KS_METHOD_STATEVECTOR,
                                       .cutoff = KS_CUTOFF_UNSAID};
        fixture->core.name = KS_LITERAL("ghz");
        fixture_set(&fixture->parameters, KS_LITERAL("{\"depth\":1,\"qubits\":2,\"seed\":5}"));
    }
}

static struct ks_json_doc *noise;

static void noisy_job(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->job.schema = 2;
        fixture->job.method = KS_METHOD_AUTO;
        fixture->job.noise = ks_json_root(noise);
        fixture->core.noise = fixture->job.noise;
        fixture->core.method_reason = KS_LITERAL("noise takes the state vector");
    }
}

static void mps_job(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->job.schema = 2;
        fixture->job.method = KS_METHOD_MPS;
        fixture->job.method_said = true;
        fixture->job.bond_max = 8;
        fixture->job.cutoff = 1e-9;
        fixture->core.facts = (struct ks_simulate_facts){
            .method = KS_METHOD_MPS, .bond = 8, .discarded_weight = 0.25};
        fixture->core.bond_max = 8;
        fixture->core.cutoff = 1e-9;
        fixture->core.key_source = KS_KEY_SOURCE_BOTH;
    }
}

static void seed_bundle(const struct fixture *fixture, const char *name)
{
    struct ks_buf text;
    char path[64];

    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    (void)snprintf(path, sizeof path, "bundle/%s", name);
    seed(path, ks_buf_view(&fixture->bundle));
    ks_request_body_write(ks_buf_view(&fixture->job_bytes),
                          ks_buf_view(&fixture->submission_bytes),
                          ks_buf_view(&fixture->submission_signature), &text);
    (void)snprintf(path, sizeof path, "request_body/%s", name);
    seed(path, ks_buf_view(&text));
    ks_buf_done(&text);
}

static void seed_documents(const struct fixture *fixture, const char *name)
{
    struct ks_buf text;
    char path[64];

    seed_bundle(fixture, name);
    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    ks_site_write(&fixture->site, &text);
    (void)snprintf(path, sizeof path, "site/%s", name);
    seed(path, ks_buf_view(&text));
    (void)snprintf(path, sizeof path, "policy/%s", name);
    seed(path, ks_buf_view(&fixture->policy));
    ks_buf_done(&text);
}

static void update(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture_begin_update(fixture);
    }
}

static void round_of(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture_begin_round(fixture);
    }
}

/* FIXTURE is of a round. */
static void seed_round(const struct fixture *fixture)
{
    const struct ks_fl_order start = {
        .session = {1}, .site = KS_LITERAL(FIXTURE_ORIGIN), .verb = KS_FL_VERB_START};
    const struct ks_fl_join join = {.device = KS_LITERAL(FIXTURE_DEVICE),
                                    .round = 1,
                                    .samples = 600,
                                    .site = KS_LITERAL(FIXTURE_ORIGIN)};
    const struct ks_fl_plan *plan = &fixture->order.plan;
    const struct ks_fl_descriptor descriptor = {.selected = plan->devices,
                                                .local = plan->local,
                                                .params = plan->params,
                                                .round = 1,
                                                .rule = plan->rule,
                                                .samples_max = plan->samples_max,
                                                .site = KS_LITERAL(FIXTURE_ORIGIN),
                                                .train_s = plan->train_s};
    struct ks_buf text;

    struct ks_fl_counted counted = {.device = KS_LITERAL(FIXTURE_DEVICE),
                                    .encoding = KS_LITERAL("f32"),
                                    .job = KS_LITERAL("10000000-0000-4000-8000-000000000001"),
                                    .length = 5000,
                                    .loss = 0.25,
                                    .norm = 1.5,
                                    .reason = KS_LITERAL("none"),
                                    .samples = 600};
    const struct ks_fl_updates updates = {
        .round = 1, .invited = 2, .counted = &counted, .count = 1};
    const struct ks_fl_audit audit = {.isa = KS_LITERAL("avx2"),
                                      .model = {1},
                                      .numerics = 1,
                                      .reason =
                                          KS_LITERAL("the round comes to another model now"),
                                      .round = 1,
                                      .same_model = KS_FAIL,
                                      .same_scores = KS_PASS,
                                      .same_state = KS_PASS,
                                      .site = KS_LITERAL(FIXTURE_ORIGIN),
                                      .threads = 1,
                                      .updates = 1};

    seed("bundle/round", ks_buf_view(&fixture->bundle));
    ks_buf_init(&text, KS_FL_DOCUMENT_MAX);
    OK(ks_fl_order_write(&fixture->order, fixture->keys->operator_key, &text));
    seed("fl_order/create", ks_buf_view(&text));
    ks_buf_clear(&text);
    OK(ks_fl_order_write(&start, fixture->keys->operator_key, &text));
    seed("fl_order/start", ks_buf_view(&text));
    ks_buf_clear(&text);
    OK(ks_fl_descriptor_write(&descriptor, fixture->keys->mldsa65, &text));
    seed("fl_descriptor/signed", ks_buf_view(&text));
    ks_buf_clear(&text);
    OK(ks_fl_join_write(&join, fixture->keys->device, &text));
    seed("fl_join/signed", ks_buf_view(&text));
    ks_buf_clear(&text);
    ks_fl_updates_write(&updates, &text);
    OK(ks_buf_check(&text));
    seed("fl_updates/one", ks_buf_view(&text));
    ks_buf_clear(&text);
    OK(ks_fl_audit_write(&audit, fixture->keys->mldsa65, &text));
    seed("fl_audit/signed", ks_buf_view(&text));
    ks_buf_done(&text);
}

static void seed_keys(const struct fixture_keys *keys)
{
    static const uint8_t kem_public[KS_KEM_PUBLIC_LEN] = {9};
    const struct ks_keys_request request = {
        .count = 64, .device = KS_LITERAL(FIXTURE_DEVICE), .kem_public = KS_BYTES(kem_public)};
    const struct ks_keys_answer answer = {.instance = 1,
                                          .batch = 2,
                                          .count = 64,
                                          .expires_s = FIXTURE_NOW_S,
                                          .request = {1, 2, 3}};
    struct ks_buf text;
    uint8_t digest[32];

    ks_buf_init(&text, KS_POLICY_BYTES_MAX);
    OK(ks_keys_request_write(&request, keys->device, &text, digest));
    seed("keys/request", ks_buf_view(&text));
    ks_buf_clear(&text);
    OK(ks_keys_answer_write(&answer, keys->device, &text));
    seed("keys/answer", ks_buf_view(&text));
    ks_buf_done(&text);
}

static void seed_announce(const struct fixture_keys *keys)
{
    const struct ks_announce announce = {.device = FIXTURE_DEVICE,
                                         .keys = {.count = 2, .ids = {{{1}}, {{2}}}},
                                         .sae = {.text = FIXTURE_DEVICE}};
    struct ks_buf text;

    ks_buf_init(&text, KS_ANNOUNCE_BYTES_MAX);
    OK(ks_announce_write(&announce, keys->device, &text));
    seed("announce/signed", ks_buf_view(&text));
    ks_buf_done(&text);
}

static void seed_frames(const struct fixture *fixture)
{
    const struct ks_enclave_config config = {
        .origin = KS_LITERAL(FIXTURE_ORIGIN),
        .root_pem = KS_LITERAL("root"),
        .event_log = ks_buf_view(&fixture->log_bytes),
        .simulated_tpm = true,
        .workers = 4,
        .state_memory_max = 1 << 30,
        .job_seconds_max = 300,
        .rules = {.seal_pcrs = 1U << KS_LAUNCH_PCR,
                  .counter = KS_COUNTER_DEFAULT,
                  .epoch_s = 60,
                  .quote_refresh_s = 300},
        .keys = {.timeout_ms = 5000, .life_s = 3600, .stock_max = 512, .low = 16},
        .alerts = {.suspend_after = 3, .window_s = 3600}};
    const struct ks_work_job job = {.source = fixture->job.source, .shots = 1000, .seed = 7};
    const struct ks_work_result result = {.counts = ks_buf_view(&fixture->result),
                                          .circuit = fixture->job.source,
                                          .qubits = 2,
                                          .clbits = 2,
                                          .kernels = KS_LITERAL("avx2")};
    struct ks_buf out;
    size_t begin = 0;

    ks_buf_init(&out, KS_POLICY_BYTES_MAX);
    begin = ks_frame_begin(&out, KS_FRAME_CONFIG, 0);
    ks_enclave_config_put(&config, &out);
    ks_frame_end(&out, begin);
    seed("frame/config", ks_buf_view(&out));
    ks_buf_clear(&out);
    begin = ks_frame_begin(&out, KS_FRAME_JOB, 1);
    ks_work_job_put(&job, &out);
    ks_frame_end(&out, begin);
    begin = ks_frame_begin(&out, KS_FRAME_HELLO, 2);
    ks_frame_end(&out, begin);
    seed("frame/job-and-hello", ks_buf_view(&out));
    ks_buf_clear(&out);
    begin = ks_frame_begin(&out, KS_FRAME_JOB | KS_FRAME_ANSWER, 1);
    ks_work_result_put(&result, &out);
    ks_frame_end(&out, begin);
    seed("frame/result", ks_buf_view(&out));
    ks_buf_clear(&out);
    ks_answer_error(&out, KS_FRAME_RUN, 3, ks_fail(KS_ERR_LIMIT, "too much"));
    seed("frame/error", ks_buf_view(&out));
    ks_buf_done(&out);
}

/* Of fuzz_work: a byte that says which, then the payload. */
static void seed_work(const struct fixture *fixture)
{
    struct ks_work_job job = {.source = fixture->job.source,
                              .shots = 1000,
                              .seed = 7,
                              .memory_max = 1 << 30,
                              .method = KS_METHOD_MPS,
                              .bond_max = 8,
                              .cutoff = 1e-9};
    const struct ks_work_result result = {
        .counts = ks_buf_view(&fixture->result),
        .circuit = fixture->job.source,
        .qubits = 2,
        .clbits = 2,
        .kernels = KS_LITERAL("scalar"),
        .facts = {.method = KS_METHOD_MPS, .bond = 8, .discarded_weight = 0.25},
        .reason = KS_LITERAL("a trial shot took bond 8"),
        .bond_max = 8,
        .cutoff = 1e-9};
    struct ks_buf out;

    ks_buf_init(&out, KS_POLICY_BYTES_MAX);
    ks_buf_put_u8(&out, 0);
    ks_work_job_put(&job, &out);
    seed("work/job-source", ks_buf_view(&out));
    out.data[out.len - 2 - 8 - 4 - 1 - 8 - 1] = 2; /* behind the precision: memory … noise */
    seed("work/job-precision", ks_buf_view(&out));
    job = (struct ks_work_job){.template = KS_LITERAL("ghz"),
                               .qubits = 2,
                               .depth = 1,
                               .shots = 1000,
                               .single = true,
                               .noise = KS_LITERAL("{\"schema\":\"ketseal.noise/1\"}")};
    ks_buf_clear(&out);
    ks_buf_put_u8(&out, 0);
    ks_work_job_put(&job, &out);
    seed("work/job-template", ks_buf_view(&out));
    ks_buf_clear(&out);
    ks_buf_put_u8(&out, 1);
    ks_work_result_put(&result, &out);
    seed("work/result", ks_buf_view(&out));
    seed("work/result-torn", ks_bytes_of(out.data, out.len - 5));
    ks_buf_done(&out);
}

static void seed_state(void)
{
    static const uint8_t master[32] = {7};
    struct crash_disk *disk = NULL;
    struct ks_fs fs;
    struct crash_vault tpm = {0};
    struct ks_vault vault;
    struct ks_enclave_state state = {0};
    const struct ks_state_spec spec = {.extra = KS_LITERAL("extra"), .now_s = 1};
    struct ks_head_log *log = NULL;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_POLICY_BYTES_MAX);
    OK(crash_disk_new(1, &disk));
    fs = crash_fs_of(disk);
    tpm.disk = disk;
    vault = crash_vault_of(&tpm);
    OK(ks_enclave_state_open(&fs, &vault, &spec, &state));
    ks_enclave_state_close(&state);
    ks_buf_put_text(&bytes, "k");
    OK(ks_fs_load(&fs, "keys", 4096, &bytes));
    seed("enclave_state/keys-sealed", ks_buf_view(&bytes));
    crash_disk_free(disk);
    OK(crash_disk_new(1, &disk));
    fs = crash_fs_of(disk);
    OK(ks_head_log_open(&fs, KS_BYTES(master), NULL, &log));
    for (uint64_t size = 1; size < 5; size++) {
        const struct ks_head head = {.size = size, .root = {(uint8_t)size}};

        OK(ks_head_log_append(log, &head));
    }
    ks_head_log_close(log);
    ks_buf_clear(&bytes);
    ks_buf_put_text(&bytes, "h");
    OK(ks_fs_load(&fs, "heads", 4096, &bytes));
    seed("enclave_state/heads", ks_buf_view(&bytes));
    ks_buf_put_text(&bytes, "torn");
    seed("enclave_state/heads-torn", ks_buf_view(&bytes));
    ks_buf_done(&bytes);
    crash_disk_free(disk);
}

static void seed_enrolment(const struct enrol_fixture *enrol)
{
    struct ks_platform platform;
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);

    seed("token/token", ks_buf_view(&enrol->token_text));
    seed("enrol/enrol", ks_buf_view(&enrol->enrol));
    seed("challenge/challenge", ks_buf_view(&enrol->challenge));
    seed("finish/finish", ks_buf_view(&enrol->finish));
    seed("order/order", ks_buf_view(&enrol->order));
    ks_buf_init(&text, KS_FINISH_BYTES_MAX);
    enrol_fixture_platform(33, &platform);
    ks_platform_put(&platform, &writer);
    seed("finish/platform", ks_buf_view(&text));
    ks_platform_done(&platform);
    ks_buf_done(&text);
}

/* A request, and the document that comes of it. */
static void seed_certification(const struct enrol_fixture *enrol, const struct fixture *fixture)
{
    struct ks_sign_key *key = fixture_sign_key(KS_SIG_MLDSA87, 0x91);
    struct ks_site site = fixture->site;
    struct ks_site_request request;
    struct ks_buf text;
    const struct ks_bytes der = ks_cert_der(enrol->root);
    const struct ks_site_certificate said = {
        .issued_us = ENROL_NOW_US, .expires_us = ENROL_NOW_US + 1, .simulated_tpm = true};

    ks_buf_init(&text, KS_SITE_REQUEST_BYTES_MAX);
    ks_site_request_init(&request);
    fixture_public(key, request.issuer_key, sizeof request.issuer_key);
    ks_site_write(&fixture->site, &request.site);
    fixture_set(&request.ek, KS_LITERAL("an endorsement key"));
    fixture_set(&request.ek_certificate, KS_LITERAL("its certificate"));
    fixture_set(&request.attest, ks_buf_view(&fixture->attest));
    fixture_set(&request.signature, ks_buf_view(&fixture->quote_signature));
    ks_site_request_write(&request, &text);
    seed("site_request/request", ks_buf_view(&text));
    ks_site_request_done(&request);
    ks_copy(site.issuer, der.data, der.len);
    site.issuer_len = der.len;
    ks_buf_clear(&text);
    ks_site_write(&site, &text);
    seed("site/issuer", ks_buf_view(&text));
    OK(ks_site_certify(&site, &said, enrol->root_key));
    ks_buf_clear(&text);
    ks_site_write(&site, &text);
    seed("site/certified", ks_buf_view(&text));
    ks_sign_key_free(key);
    ks_buf_done(&text);
}

/* --- what others say of a checkpoint ------------------------------------------------------ */

static struct stamp_authority authority;
static struct ks_anchor_pin pin;
static struct ks_policy_stamps stamps;

static void attached(struct fixture *fixture, enum fixture_step step)
{
    const struct anchor_place place = {
        .chain_id = 31337, .number = 12, .time_s = FIXTURE_NOW_S + 40};
    uint8_t digest[32];

    if (step == FIXTURE_INCLUSION) {
        fixture->inclusion.checkpoint = ks_buf_view(&fixture->note);
        OK(ks_inclusion_digest(&fixture->inclusion, digest));
        anchor_make(&place, digest, &fixture->anchor);
        stamp_make(&authority, digest, FIXTURE_NOW_S + 40, &fixture->timestamp);
        pin = anchor_pin(&place, ks_buf_view(&fixture->anchor));
        fixture->policy_anchor = &pin;
        fixture->policy_stamps = &stamps;
    }
}

static void seed_attached(const struct fixture_keys *keys)
{
    struct fixture fixture;
    struct stamp_spec spec = {.signer = &authority.signer, .time_s = FIXTURE_NOW_S};
    struct ks_timestamp_trust_spec trust = {.policy = KS_LITERAL(STAMP_POLICY)};
    struct ks_buf pem;
    struct ks_buf crl;
    const uint8_t digest[32] = {7};

    ks_buf_init(&pem, KS_TIMESTAMP_PEM_MAX);
    ks_buf_init(&crl, KS_TIMESTAMP_PEM_MAX);
    stamp_authority_make(&authority);
    stamp_party_pem(&authority.root, &pem);
    stamp_crl_pem(&authority.root, NULL, FIXTURE_END_S, &crl);
    trust.certificates = ks_buf_view(&pem);
    trust.crls = ks_buf_view(&crl);
    OK(ks_timestamp_trust_new(&trust, &stamps.trust));
    stamps.limited = true;
    stamps.within_s = 60;
    fixture_make(&fixture, keys, attached);
    seed("bundle/attached", ks_buf_view(&fixture.bundle));
    seed("policy/attached", ks_buf_view(&fixture.policy));
    seed("timestamp/token", ks_buf_view(&fixture.timestamp));
    fixture_free(&fixture);
    ks_buf_clear(&pem);
    ks_buf_clear(&crl);
    stamp_request(digest, &pem);
    spec.request = ks_buf_view(&pem);
    seed("timestamp/request", spec.request);
    stamp_answer(&spec, &crl);
    seed("timestamp/answer", ks_buf_view(&crl));
    ks_anchor_pin_done(&pin);
    ks_timestamp_trust_free(stamps.trust);
    stamp_authority_free(&authority);
    ks_buf_done(&pem);
    ks_buf_done(&crl);
}

/* The file, and its records without their tags. */
static void seed_registry(void)
{
    static const uint8_t master[32] = {7};
    static const uint8_t token[KS_TOKEN_ID_LEN] = {1};
    static const uint8_t operator_key[32] = {2};
    const size_t record_len = 823; /* docs/formats/registry.md */
    struct ks_device_entry entry = {
        .id = "edge-1", .state = KS_DEVICE_ACTIVE, .tpm = KS_TPM_SET_SIMULATED, .ak_len = 3};
    struct crash_disk *disk = NULL;
    struct ks_fs fs;
    struct ks_registry *registry = NULL;
    struct ks_buf file;
    struct ks_buf records;

    ks_buf_init(&file, KS_POLICY_BYTES_MAX);
    ks_buf_init(&records, KS_POLICY_BYTES_MAX);
    OK(crash_disk_new(1, &disk));
    fs = crash_fs_of(disk);
    OK(ks_registry_open(&fs, KS_BYTES(master), ENROL_NOW_US, NULL, &registry));
    OK(ks_registry_enrol(registry, &entry, token, ENROL_NOW_US + 1));
    entry.state = KS_DEVICE_SUSPENDED;
    OK(ks_registry_order(registry, &entry, operator_key, ENROL_NOW_US));
    ks_registry_close(registry);
    ks_buf_put_text(&file, "f");
    OK(ks_fs_load(&fs, KS_REGISTRY_FILE, KS_POLICY_BYTES_MAX, &file));
    seed("registry/file", ks_buf_view(&file));
    ks_buf_put_text(&records, "r");
    for (size_t at = 1 + 8; at < file.len; at += record_len + 32) { /* after the header */
        ks_buf_put(&records, ks_bytes_of(file.data + at, record_len));
    }
    seed("registry/records", ks_buf_view(&records));
    ks_buf_done(&file);
    ks_buf_done(&records);
    crash_disk_free(disk);
}

int main(int argc, char **argv)
{
    struct fixture_keys keys;
    struct fixture fixture;
    struct enrol_fixture enrol;

    KS_ASSERT(argc == 2);
    corpus = argv[1];
    fixture_keys_make(&keys);
    fixture_make(&fixture, &keys, NULL);
    seed_documents(&fixture, "source");
    seed_frames(&fixture);
    seed_work(&fixture);
    enrol_fixture_make(&enrol);
    seed_enrolment(&enrol);
    seed_certification(&enrol, &fixture);
    enrol_fixture_free(&enrol);
    fixture_free(&fixture);
    fixture_make(&fixture, &keys, template_job);
    seed_documents(&fixture, "template");
    fixture_free(&fixture);
    OK(ks_json_parse_canonical(KS_LITERAL(NOISE), &noise_limits, &noise));
    fixture_make(&fixture, &keys, noisy_job);
    seed_bundle(&fixture, "noisy");
    fixture_free(&fixture);
    fixture_make(&fixture, &keys, mps_job);
    seed_bundle(&fixture, "mps");
    fixture_free(&fixture);
    ks_json_doc_free(noise);
    fixture_make(&fixture, &keys, update);
    seed_bundle(&fixture, "update");
    fixture_free(&fixture);
    fixture_make(&fixture, &keys, round_of);
    seed_round(&fixture);
    fixture_free(&fixture);
    seed_attached(&keys);
    seed_keys(&keys);
    seed_announce(&keys);
    seed_state();
    seed_registry();
    fixture_keys_free(&keys);
    return 0;
}
