/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The threat model in code: one function for each check, in the order of KS_VERDICT_LIST. A
 * check gives KS_OK (pass), KS_ERR_VERIFY or KS_ERR_FORMAT (fail), and anything else means that
 * it could not be told: then it stays not-run, and a policy that requires it is not satisfied.
 */

#include "ketseal/verify.h"

#include <stdio.h>

#include "crypto/digest.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"
#include "record/policy.h"
#include "record/record.h"

struct check_info {
    const char *name;
    const char *covers;
    const char *stops;
    const char *not_proved;
};

static const struct check_info infos[KS_VERDICT_CHECKS] = {
    [KS_VERDICT_FORMAT] =
        {"format", "every byte of the bundle: canonical JSON, known members, digests that fit",
         "hidden members, duplicate keys, two readings of one file",
         "anything about who wrote it"},
    [KS_VERDICT_SIGNATURE_ED25519] =
        {"signature.ed25519",
         "core and evidence, by their digests, under the pinned Ed25519 key",
         "a forged or changed record, as long as Ed25519 stands", "that the content is true"},
    [KS_VERDICT_SIGNATURE_MLDSA] =
        {"signature.ml-dsa-65",
         "core and evidence, by their digests, under the pinned ML-DSA-65 key",
         "a forged or changed record, by a quantum computer too", "that the content is true"},
    [KS_VERDICT_REQUEST_CERTIFICATE] =
        {"request.certificate",
         "the device's certificate, against the policy's root and revocations; of a round the "
         "operator's",
         "records for devices that nobody enrolled, or that were revoked",
         "that the device was not compromised while its certificate was valid"},
    [KS_VERDICT_REQUEST_SIGNATURE] =
        {"request.signature",
         "the submission, under the device's key, ML-DSA or SLH-DSA; of a round the operator's "
         "order",
         "a site that invents jobs in the name of a device",
         "that the device itself, not its operator, wanted the job"},
    [KS_VERDICT_REQUEST_BINDING] =
        {"request.binding",
         "job, submission and core: digests, device, counter, key, channel, method, noise, "
         "times; of a contribution its round, parent model and sealed update; of a round the "
         "order's session, rule and model",
         "a submission put to another job, site, connection, key or method",
         "that the channel named is the connection used: that is the site's claim"},
    [KS_VERDICT_RESULT] =
        {"result",
         "result_summary: its digest, the lengths of its outcomes, the sum of its counts; of "
         "federated learning its form",
         "a result changed after the fact or of another shape",
         "that the counts are right: replay the job for that; that an aggregate is right"},
    [KS_VERDICT_QUOTE_SIGNATURE] = {"quote.signature",
                                    "the TPM's attestation, under the pinned attestation key",
                                    "evidence that no TPM made, or another TPM",
                                    "that the TPM was not attacked physically"},
    [KS_VERDICT_QUOTE_BINDING] =
        {"quote.binding",
         "the quote's qualifying data: the Merkle root over the hashes of the batch",
         "an old quote put to a new record",
         "when exactly within the batch the record was made"},
    [KS_VERDICT_QUOTE_PCR] =
        {"quote.pcr",
         "the quoted PCR, the launch event log replayed, the policy's reference, the core's "
         "build",
         "another enclave, worker or library than the ones the policy names",
         "which process asked the TPM: it shows what was launched since boot"},
    [KS_VERDICT_QUOTE_START] =
        {"quote.start",
         "the quote from before the intent, under the pinned attestation key, against the "
         "record's "
         "own: PCR digest, reset and restart counts, clock",
         "a job during which the platform was reset, suspended or another one",
         "when exactly before the intent it was made, beyond the enclave's word for that "
         "order"},
    [KS_VERDICT_PLATFORM_TPM] = {"platform.tpm", "the kind of TPM, as core and pinned site say",
                                 "a simulated TPM passed off where hardware is demanded",
                                 "the maker of the TPM: platform.site does"},
    [KS_VERDICT_PLATFORM_SITE] =
        {"platform.site",
         "the pinned site's document, under the policy's root: keys, launch, endorsement key",
         "a site whose attestation key is in no TPM that the operator's CA has challenged",
         "that the TPM's maker is honest, or that the CA looked well"},
    [KS_VERDICT_PLATFORM_REPORT] = {"platform.report",
                                    "a hardware enclave's report, by its maker's certificates",
                                    "an enclave that its own operator looks into",
                                    "anything, in this version: it does not run"},
    [KS_VERDICT_LEDGER_CHECKPOINT] =
        {"ledger.checkpoint", "the checkpoint, under both pinned ledger keys",
         "a proof in a tree that the site never published",
         "that everybody is shown the same tree: witnesses do that"},
    [KS_VERDICT_LEDGER_INCLUSION] =
        {"ledger.inclusion", "the record's ledger entry, by its path to the checkpoint's root",
         "a record kept out of the ledger, or taken out later", "that all records were logged"},
    [KS_VERDICT_LEDGER_INTENT] =
        {"ledger.intent", "the entry logged before the run, by its path to the same root",
         "a run picked from many after its result was seen",
         "when the intent was logged, beyond its order"},
    [KS_VERDICT_LEDGER_WITNESS] = {"ledger.witness", "cosignatures of independent witnesses",
                                   "a split view of the ledger",
                                   "anything, where the quorum and the site work together"},
    [KS_VERDICT_ANCHOR_PROOF] =
        {"anchor.proof",
         "the checkpoint's digest in the pinned contract, under the pinned submitter, by its "
         "path "
         "to the block's state root; chain id, code, header",
         "a ledger rewritten later, an anchor in another contract, chain or name",
         "that the block is on the chain people call by that number: anchor.canonical does"},
    [KS_VERDICT_ANCHOR_CANONICAL] =
        {"anchor.canonical",
         "the anchor's block, by the hash that the policy pins for its number",
         "a block that its submitter made up, or that a reorganisation threw away",
         "that whoever pinned the hash looked well"},
    [KS_VERDICT_TIMESTAMP] =
        {"timestamp",
         "an RFC 3161 time stamp over the checkpoint, under the policy's authorities, at the "
         "time "
         "that it states",
         "a record backdated by a site that stamps late, a ledger rewritten later",
         "the record's own times, which stay the site's claim; anything once the authority's "
         "classical key is broken"},
    [KS_VERDICT_REPLAY] = {"replay", "the job, run again and compared bit for bit",
                           "invented counts", "anything here: `ketseal replay` runs it"},
};

const char *ks_verdict_check_name(enum ks_verdict_check check)
{
    return infos[check].name;
}

const char *ks_verdict_check_covers(enum ks_verdict_check check)
{
    return infos[check].covers;
}

const char *ks_verdict_check_stops(enum ks_verdict_check check)
{
    return infos[check].stops;
}

const char *ks_verdict_check_not_proved(enum ks_verdict_check check)
{
    return infos[check].not_proved;
}

/* What the checks look at. */
struct context {
    const struct ks_bundle *bundle;
    const struct ks_policy *policy;
    struct ks_bytes certificate_der;
    struct ks_cert *device; /* NULL if it does not parse */
    struct ks_quote_view quote;
    bool quote_parsed;
    struct ks_head head; /* of the checkpoint, once its signatures are good */
    bool head_known;
    uint8_t body_digest[KS_SHA256_LEN]; /* of the checkpoint's body, with the head */
    bool anchor_proved;
    bool stamp_good;
};

static enum ks_err check_signature(enum ks_sig_alg alg, struct ks_bytes public_key,
                                   const char *signature_context,
                                   const struct ks_bundle *bundle, struct ks_bytes signature)
{
    enum ks_err err = KS_OK;
    struct ks_verify_key *key = NULL;
    uint8_t digest[KS_SHA256_LEN];

    ks_record_digest(bundle->core_hash, bundle->evidence_hash, digest);
    KS_TRY(ks_verify_key_new(alg, public_key, &key));
    KS_TRY(ks_verify(key, signature_context, KS_BYTES(digest), signature));
out:
    ks_verify_key_free(key);
    return err;
}

static enum ks_err check_ed25519(struct context *context)
{
    return check_signature(KS_SIG_ED25519, KS_BYTES(context->policy->site.ed25519), "",
                           context->bundle, ks_buf_view(&context->bundle->ed25519));
}

static enum ks_err check_mldsa(struct context *context)
{
    return check_signature(KS_SIG_MLDSA65, KS_BYTES(context->policy->site.mldsa65),
                           KS_CONTEXT_RECORD, context->bundle,
                           ks_buf_view(&context->bundle->mldsa65));
}

static enum ks_err check_certificate(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &context->bundle->core;
    const struct ks_site *site = &context->policy->site;
    struct ks_cert_trust_spec spec = {.root = context->policy->root,
                                      .crl = context->policy->crl};
    struct ks_cert *issuer = NULL;
    struct ks_cert_trust *trust = NULL;

    if (site->issuer_len > 0) {
        KS_TRY(ks_cert_parse_der(ks_bytes_of(site->issuer, site->issuer_len), &issuer));
        spec.issuer = issuer;
    }
    KS_TRY(ks_cert_parse_der(ks_buf_view(&context->bundle->certificate), &context->device));
    KS_TRY(ks_cert_trust_new(&spec, &trust));
    KS_TRY(ks_cert_verify(context->device, trust,
                          core->kind == KS_KIND_ROUND ? KS_CERT_OPERATOR : KS_CERT_DEVICE,
                          core->created_us / 1000000));
    KS_CHECK(ks_bytes_equal(ks_bytes_text(ks_cert_subject(context->device)), core->device),
             KS_ERR_VERIFY, "the certificate is of '%s', the core names '%.*s'",
             ks_cert_subject(context->device), (int)core->device.len,
             (const char *)core->device.data);
out:
    ks_cert_trust_free(trust);
    ks_cert_free(issuer);
    return err;
}

static enum ks_err check_request_signature(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = context->bundle;
    const bool round = bundle->core.kind == KS_KIND_ROUND;
    struct ks_verify_key *key = NULL;

    KS_CHECK(context->device != NULL, KS_ERR_UNAVAILABLE, "no certificate to check it with");
    KS_TRY(ks_cert_key(context->device, &key)); /* post-quantum, of whatever kind */
    KS_TRY(ks_verify(key, round ? KS_CONTEXT_FL_ORDER : KS_CONTEXT_SUBMISSION,
                     ks_buf_view(round ? &bundle->order_bytes : &bundle->submission_bytes),
                     ks_buf_view(&bundle->submission_signature)));
out:
    ks_verify_key_free(key);
    return err;
}

static bool digest_is(struct ks_bytes bytes, const uint8_t digest[32])
{
    uint8_t actual[KS_SHA256_LEN];

    ks_sha256(bytes, actual);
    return ks_bytes_equal(KS_BYTES(actual), ks_bytes_of(digest, sizeof actual));
}

/* SHA-256 of the job's canonical program member is what the core says. */
static enum ks_err check_source(const struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    struct ks_buf program;

    ks_buf_init(&program, KS_JOB_BYTES_MAX);
    ks_job_program_write(&bundle->job, &program);
    KS_TRY(ks_buf_check(&program));
    KS_CHECK(digest_is(ks_buf_view(&program), bundle->core.source_digest), KS_ERR_VERIFY,
             "'source_digest' is of another program");
out:
    ks_buf_done(&program);
    return err;
}

/* Name and parameters of the workload are the job's. */
static enum ks_err check_workload(const struct ks_core *core, const struct ks_job *job)
{
    enum ks_err err = KS_OK;
    struct ks_buf parameters;

    ks_buf_init(&parameters, KS_JOB_BYTES_MAX);
    ks_job_parameters_write(job, &parameters);
    KS_TRY(ks_buf_check(&parameters));
    KS_CHECK(ks_bytes_equal(core->name, ks_job_name(job)), KS_ERR_VERIFY,
             "the core names another workload than the job");
    KS_CHECK(ks_bytes_equal(core->parameters, ks_buf_view(&parameters)), KS_ERR_VERIFY,
             "the core has other parameters than the job");
out:
    ks_buf_done(&parameters);
    return err;
}

/* What was asked for, by a device: a circuit, or to contribute. */
static enum ks_err check_job(const struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &bundle->core;
    const struct ks_job *job = &bundle->job;

    if (core->kind != KS_KIND_CIRCUIT || job->kind != KS_KIND_CIRCUIT) {
        return ks_core_update_check(core, job);
    }
    KS_TRY(check_source(bundle));
    KS_CHECK(job->shots == core->shots && job->seed == core->seed &&
                 job->single == core->single,
             KS_ERR_VERIFY, "shots, seed or precision differ from the job's");
    KS_TRY(check_workload(core, job));
    KS_TRY(ks_core_method_check(core, job));
out:
    return err;
}

static enum ks_err check_submission(const struct ks_bundle *bundle, struct ks_bytes origin)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &bundle->core;
    const struct ks_submission *submission = &bundle->submission;

    KS_CHECK(digest_is(ks_buf_view(&bundle->job_bytes), core->job), KS_ERR_VERIFY,
             "the core names another job");
    KS_CHECK(digest_is(ks_buf_view(&bundle->job_bytes), submission->job), KS_ERR_VERIFY,
             "the submission names another job");
    KS_CHECK(digest_is(ks_buf_view(&bundle->submission_bytes), core->submission), KS_ERR_VERIFY,
             "the core names another submission");
    KS_CHECK(digest_is(ks_buf_view(&bundle->submission_signature), core->submission_signature),
             KS_ERR_VERIFY, "the core names another signature of the submission");
    KS_TRY(check_job(bundle));
    KS_CHECK(ks_bytes_equal(submission->device, core->device), KS_ERR_VERIFY,
             "the submission is of another device");
    KS_CHECK(submission->counter == core->counter, KS_ERR_VERIFY,
             "the submission has another counter");
    KS_CHECK(ks_bytes_equal(submission->key_id, core->key_id), KS_ERR_VERIFY,
             "the submission names another key");
    KS_CHECK(ks_bytes_equal(KS_BYTES(submission->channel), KS_BYTES(core->channel)),
             KS_ERR_VERIFY, "the submission was made for another connection");
    KS_CHECK(ks_bytes_equal(submission->site, origin), KS_ERR_VERIFY,
             "the submission was made for another site");
out:
    return err;
}

/* A round is one of the session that an operator ordered, under its rule. */
static enum ks_err check_order(const struct ks_bundle *bundle, struct ks_bytes origin)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &bundle->core;
    const struct ks_core_fl *fl = &core->fl;
    const struct ks_fl_order *order = &bundle->order;
    struct ks_buf rule;

    ks_buf_init(&rule, KS_RULE_BYTES_MAX);
    KS_CHECK(digest_is(ks_buf_view(&bundle->order_bytes), fl->order), KS_ERR_VERIFY,
             "the core names another order");
    KS_CHECK(digest_is(ks_buf_view(&bundle->submission_signature), fl->order_signature),
             KS_ERR_VERIFY, "the core names another signature of the order");
    KS_CHECK(order->verb == KS_FL_VERB_CREATE, KS_ERR_VERIFY, "the order has no plan");
    KS_CHECK(ks_bytes_equal(KS_BYTES(order->session), KS_BYTES(fl->session)), KS_ERR_VERIFY,
             "the order is for another session");
    KS_CHECK(fl->round >= 1 && fl->round <= order->plan.rounds, KS_ERR_VERIFY,
             "the order is for %llu rounds", (unsigned long long)order->plan.rounds);
    KS_CHECK(ks_bytes_equal(KS_BYTES(order->plan.shape), KS_BYTES(fl->shape)) &&
                 order->plan.params == fl->params,
             KS_ERR_VERIFY, "the order is for a model of another shape");
    KS_CHECK(fl->round > 1 ||
                 ks_bytes_equal(KS_BYTES(order->plan.parent), KS_BYTES(fl->parent)),
             KS_ERR_VERIFY, "the first round began with another model than the order's");
    ks_fl_plan_rule_write(&order->plan.rule, &rule);
    KS_TRY(ks_buf_check(&rule));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&rule), core->parameters), KS_ERR_VERIFY,
             "the order is for another rule");
    KS_CHECK(ks_bytes_equal(order->site, origin), KS_ERR_VERIFY,
             "the order is for another site");
    KS_CHECK(order->created_us <= core->started_us, KS_ERR_VERIFY,
             "the round began before it was ordered");
out:
    ks_buf_done(&rule);
    return err;
}

static enum ks_err check_request_binding(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = context->bundle;
    const struct ks_core *core = &bundle->core;
    struct ks_bytes origin = ks_bytes_text(context->policy->site.origin);

    KS_TRY(core->kind == KS_KIND_ROUND ? check_order(bundle, origin)
                                       : check_submission(bundle, origin));
    KS_CHECK(ks_bytes_equal(core->origin, origin), KS_ERR_VERIFY,
             "the core names another ledger");
    KS_CHECK(core->started_us <= core->finished_us && core->finished_us <= core->created_us,
             KS_ERR_VERIFY, "the times are out of order");
out:
    return err;
}

static enum ks_err check_result(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_core *core = &context->bundle->core;
    struct ks_json_doc *doc = NULL;
    struct ks_update_result update;
    struct ks_round_result round;

    if (core->kind == KS_KIND_UPDATE) {
        KS_TRY(ks_update_result_read(core->result, &doc, &update));
    } else if (core->kind == KS_KIND_ROUND) {
        KS_TRY(ks_round_result_read(core->result, &doc, &round));
    } else {
        KS_TRY(ks_result_check(core->result, core->clbits, core->shots));
    }
out:
    ks_json_doc_free(doc);
    return err;
}

/* OUT_VIEW is written once ATTEST parses, whoever signed it. */
static enum ks_err read_quote(const struct context *context, struct ks_bytes attest,
                              struct ks_bytes signature, struct ks_quote_view *out_view)
{
    enum ks_err err = KS_OK;
    const struct ks_site *site = &context->policy->site;
    struct ks_ak_public ak = {0};

    KS_TRY(ks_quote_parse(attest, out_view));
    KS_TRY(ks_ak_public_parse(ks_bytes_of(site->ak, site->ak_len), &ak));
    KS_TRY(ks_quote_check_signature(&ak, attest, signature));
    KS_TRY(ks_quote_check_signer(&ak, out_view));
out:
    return err;
}

static enum ks_err check_quote_signature(struct context *context)
{
    const struct ks_quote_evidence *quote = &context->bundle->quote;
    enum ks_err err = read_quote(context, quote->attest, quote->signature, &context->quote);

    context->quote_parsed = context->quote.pcr_mask != 0; /* as in each that parses */
    return err;
}

static enum ks_err check_quote_binding(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_quote_evidence *quote = &context->bundle->quote;
    uint8_t leaf[32];
    uint8_t root[32];
    uint8_t extra[32];

    KS_CHECK(context->quote_parsed, KS_ERR_VERIFY, "the quote does not parse");
    ks_merkle_leaf(KS_BYTES(context->bundle->core_hash), leaf);
    KS_TRY(ks_merkle_inclusion_root(quote->index, quote->size, leaf, quote->path.hashes[0],
                                    quote->path.count, root));
    ks_quote_extra_data(quote->size, root, extra);
    KS_TRY(ks_quote_check_extra(&context->quote, KS_BYTES(extra)));
out:
    return err;
}

static bool launched(const struct ks_event_log *log, const char *name, const uint8_t digest[32])
{
    const uint8_t *event = ks_event_log_find(log, name);

    return event != NULL && ks_bytes_equal(ks_bytes_of(event, 32), ks_bytes_of(digest, 32));
}

/* The core's build is the worker that was launched, or the adapter, and its SDK's environment
 * the one that was measured. */
static enum ks_err check_build(const struct ks_core *core, const struct ks_event_log *log)
{
    enum ks_err err = KS_OK;
    char event[KS_EVENT_NAME_MAX + 1];

    if (core->kind != KS_KIND_CIRCUIT) {
        KS_CHECK(launched(log, KS_LAUNCH_WORKER_FL, core->build), KS_ERR_VERIFY,
                 "the core's build is not the worker for rounds that was launched");
    } else if (core->sdk == KS_SDK_KETSEAL) {
        KS_CHECK(launched(log, KS_LAUNCH_WORKER, core->build), KS_ERR_VERIFY,
                 "the core's build is not the worker that was launched");
    } else {
        (void)snprintf(event, sizeof event, KS_LAUNCH_ENVIRONMENT "%s", ks_sdk_name(core->sdk));
        KS_CHECK(launched(log, KS_LAUNCH_ADAPTER, core->build), KS_ERR_VERIFY,
                 "the core's build is not the adapter that was launched");
        KS_CHECK(launched(log, event, core->sdk_run.environment), KS_ERR_VERIFY,
                 "the core's environment is not the one that was measured");
    }
out:
    return err;
}

/* Names the first event that differs, for people. */
static enum ks_err compare_launch(const struct ks_event_log *actual,
                                  const struct ks_event_log *want)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < want->count; i++) {
        const uint8_t *digest = ks_event_log_find(actual, want->events[i].name);

        KS_CHECK(digest != NULL, KS_ERR_VERIFY, "'%s' was not launched", want->events[i].name);
        KS_CHECK(ks_bytes_equal(ks_bytes_of(digest, 32), KS_BYTES(want->events[i].digest)),
                 KS_ERR_VERIFY, "another '%s' was launched than the policy names",
                 want->events[i].name);
    }
    KS_CHECK(
        ks_event_log_equal(actual, want), KS_ERR_VERIFY,
        "the launch differs from the policy's in its order, its PCR or by a further event");
out:
    return err;
}

static enum ks_err check_quote_pcr(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_event_log *log = &context->bundle->event_log;
    struct ks_buf bytes;
    uint8_t values[1][KS_PCR_DIGEST_LEN];

    ks_buf_init(&bytes, KS_EVENT_LOG_MAX);
    KS_CHECK(context->quote_parsed, KS_ERR_VERIFY, "the quote does not parse");
    ks_event_log_write(log, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_CHECK(digest_is(ks_buf_view(&bytes), context->bundle->core.event_log), KS_ERR_VERIFY,
             "the core names another event log");
    KS_CHECK(log->pcr == KS_LAUNCH_PCR, KS_ERR_VERIFY, "the event log is of PCR %u", log->pcr);
    ks_event_log_replay(log, values[0]);
    KS_TRY(ks_quote_check_pcrs(&context->quote, UINT32_C(1) << KS_LAUNCH_PCR,
                               (const uint8_t(*)[KS_PCR_DIGEST_LEN])values));
    KS_TRY(compare_launch(log, &context->policy->site.event_log));
    KS_TRY(check_build(&context->bundle->core, log));
out:
    ks_buf_done(&bytes);
    return err;
}

/* That it was made before the intent is the enclave's word: its signatures cover it. */
static enum ks_err check_quote_start(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = context->bundle;
    struct ks_quote_view start;

    KS_CHECK(bundle->core.schema > 1, KS_ERR_UNAVAILABLE,
             "records of schema ketseal-1 have no start quote");
    KS_CHECK(context->quote_parsed, KS_ERR_VERIFY,
             "the quote to compare it with does not parse");
    KS_CHECK(!ks_bytes_equal(bundle->start.attest, bundle->quote.attest), KS_ERR_VERIFY,
             "it is the quote over the record itself");
    KS_TRY(read_quote(context, bundle->start.attest, bundle->start.signature, &start));
    KS_TRY(ks_quote_pair_check(&start, &context->quote));
out:
    return err;
}

static enum ks_err check_platform_tpm(struct context *context)
{
    enum ks_err err = KS_OK;
    bool simulated = context->bundle->core.simulated_tpm;

    KS_CHECK(simulated == context->policy->site.simulated_tpm, KS_ERR_VERIFY,
             "the core and the pinned site disagree on the kind of TPM");
    KS_CHECK(simulated ? context->policy->accept_simulated_tpm
                       : context->policy->accept_hardware_tpm,
             KS_ERR_VERIFY, "the policy does not accept a %s TPM",
             simulated ? "simulated" : "hardware");
out:
    return err;
}

static enum ks_err check_platform_site(struct context *context)
{
    return ks_site_check_certificate(&context->policy->site, context->policy->root,
                                     context->bundle->core.created_us);
}

static enum ks_err check_checkpoint(struct context *context)
{
    enum ks_err err = KS_OK;
    struct ks_checkpoint_opened opened;

    KS_TRY(ks_site_checkpoint_open(&context->policy->site,
                                   context->bundle->inclusion.checkpoint, &opened));
    KS_TRY(ks_inclusion_digest(&context->bundle->inclusion, context->body_digest));
    context->head.size = opened.checkpoint.size;
    ks_copy(context->head.root, opened.checkpoint.root, sizeof context->head.root);
    context->head_known = true;
out:
    return err;
}

static enum ks_err check_inclusion(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = context->bundle;
    const struct ks_inclusion *inclusion = &bundle->inclusion;
    struct ks_buf entry;
    uint8_t leaf[32];

    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    KS_CHECK(context->head_known, KS_ERR_VERIFY,
             "there is no good checkpoint to check it against");
    ks_entry_record_write(&bundle->core, bundle->core_hash, bundle->evidence_hash,
                          bundle->signatures_hash, &entry);
    KS_TRY(ks_buf_check(&entry));
    ks_merkle_leaf(ks_buf_view(&entry), leaf);
    KS_TRY(ks_merkle_check_inclusion(inclusion->index, context->head.size, leaf,
                                     inclusion->path.hashes[0], inclusion->path.count,
                                     context->head.root));
out:
    ks_buf_done(&entry);
    return err;
}

static enum ks_err check_intent(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_bundle *bundle = context->bundle;
    const struct ks_core *core = &bundle->core;
    struct ks_buf entry;
    uint8_t leaf[32];

    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    KS_CHECK(context->head_known, KS_ERR_VERIFY,
             "there is no good checkpoint to check it against");
    KS_CHECK(core->intent_index < bundle->inclusion.index, KS_ERR_VERIFY,
             "the intent was logged after the record");
    KS_CHECK(core->checkpoint_size <= core->intent_index, KS_ERR_VERIFY,
             "the checkpoint before the intent already covers it");
    if (core->kind == KS_KIND_ROUND) {
        ks_entry_round_write(core->fl.session, core->fl.round, core->fl.descriptor, &entry);
    } else {
        ks_entry_intent_write(core->counter, core->device, core->job, core->submission, &entry);
    }
    KS_TRY(ks_buf_check(&entry));
    ks_merkle_leaf(ks_buf_view(&entry), leaf);
    KS_TRY(ks_merkle_check_inclusion(core->intent_index, context->head.size, leaf,
                                     bundle->inclusion.intent_path.hashes[0],
                                     bundle->inclusion.intent_path.count, context->head.root));
out:
    ks_buf_done(&entry);
    return err;
}

static enum ks_err check_anchor_proof(struct context *context)
{
    enum ks_err err = KS_OK;

    KS_CHECK(context->bundle->anchor != NULL, KS_ERR_UNAVAILABLE, "the bundle has no anchor");
    KS_CHECK(context->policy->anchor_pinned, KS_ERR_UNAVAILABLE,
             "the policy pins no chain and no contract");
    KS_CHECK(context->head_known, KS_ERR_VERIFY,
             "there is no good checkpoint to check it against");
    KS_TRY(ks_anchor_check_proof(context->bundle->anchor, &context->policy->anchor,
                                 context->body_digest));
    context->anchor_proved = true;
out:
    return err;
}

static enum ks_err check_anchor_canonical(struct context *context)
{
    enum ks_err err = KS_OK;
    bool decided = false;

    KS_CHECK(context->anchor_proved, KS_ERR_UNAVAILABLE,
             "anchor.proof did not pass: there is no block to look for");
    KS_TRY(
        ks_anchor_check_canonical(context->bundle->anchor, &context->policy->anchor, &decided));
    KS_CHECK(decided, KS_ERR_UNAVAILABLE, "the policy names no hash for block %llu",
             (unsigned long long)context->bundle->anchor->block_number);
out:
    return err;
}

static enum ks_err check_timestamp(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_policy_stamps *stamps = &context->policy->stamps;
    uint64_t created_us = context->bundle->core.created_us;
    struct ks_timestamp stamp;

    KS_CHECK(context->bundle->timestamp.len > 0, KS_ERR_UNAVAILABLE,
             "the bundle has no time stamp");
    KS_CHECK(stamps->trust != NULL, KS_ERR_UNAVAILABLE,
             "the policy names no time stamp authorities");
    KS_CHECK(context->head_known, KS_ERR_VERIFY,
             "there is no good checkpoint to check it against");
    KS_TRY(ks_timestamp_verify(ks_buf_view(&context->bundle->timestamp), context->body_digest,
                               stamps->trust, &stamp));
    /* What exists at a time was made before it, but for what the two clocks differ by. */
    KS_CHECK(stamp.time_us + stamp.accuracy_us + KS_STAMP_SKEW_US >= created_us, KS_ERR_VERIFY,
             "the record says that it was made after its time stamp");
    KS_CHECK(!stamps->limited || stamp.time_us <= created_us ||
                 stamp.time_us - created_us <= stamps->within_s * 1000000,
             KS_ERR_VERIFY,
             "stamped %llu seconds after the record says it was made, where the policy allows "
             "%llu",
             (unsigned long long)((stamp.time_us - created_us) / 1000000),
             (unsigned long long)stamps->within_s);
    context->stamp_good = true;
out:
    return err;
}

/* Keys that the policy does not know may have cosigned too: an older policy takes a record that
 * newer witnesses saw. */
static enum ks_err check_witnesses(struct context *context)
{
    enum ks_err err = KS_OK;
    const struct ks_witnesses *witnesses = &context->policy->witnesses;
    struct ks_witnesses_said said;

    KS_CHECK(context->head_known, witnesses->count > 0 ? KS_ERR_VERIFY : KS_ERR_UNAVAILABLE,
             "there is no good checkpoint that they could have cosigned");
    KS_TRY(ks_witnesses_judge(witnesses, ks_bytes_text(context->policy->site.origin),
                              context->bundle->inclusion.checkpoint, &said));
    KS_CHECK(witnesses->count > 0, KS_ERR_UNAVAILABLE,
             "the policy knows no witnesses; lines by unknown keys: %zu", said.unknown);
    KS_CHECK(said.names >= witnesses->quorum, KS_ERR_UNAVAILABLE,
             "%zu of the policy's %zu witnesses have cosigned, it wants %llu; lines by unknown "
             "keys: %zu",
             said.names, ks_witnesses_names(witnesses), (unsigned long long)witnesses->quorum,
             said.unknown);
out:
    return err;
}

/* KS_OK passes, "false" and "malformed" fail; anything else could not be told. Hands on what
 * should stop the verification itself. */
static enum ks_err settle(struct ks_verdict_item *item, enum ks_err err)
{
    if (err == KS_OK) {
        item->state = KS_PASS;
        item->reason[0] = '\0';
        return KS_OK;
    }
    item->state = err == KS_ERR_VERIFY || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT
                      ? KS_FAIL
                      : KS_NOT_RUN;
    ks_text_shown(ks_bytes_text(ks_err_detail()), item->reason, sizeof item->reason);
    return err == KS_ERR_NOMEM || err == KS_ERR_INTERNAL ? err : KS_OK;
}

static void set_reason(struct ks_verdict *verdict, enum ks_verdict_check check,
                       const char *reason)
{
    (void)snprintf(verdict->checks[check].reason, sizeof verdict->checks[check].reason, "%s",
                   reason);
}

static void describe_method(const struct ks_core *core, struct ks_verdict *verdict)
{
    const struct ks_simulate_facts *facts = &core->facts;
    const struct ks_sdk_run *run = &core->sdk_run;
    char truncation[80] = "";

    if (facts->method == KS_METHOD_SPARSE) {
        (void)snprintf(truncation, sizeof truncation, " (%llu amplitudes, discarded %.1e)",
                       (unsigned long long)facts->amplitudes, facts->discarded_weight);
    } else if (facts->method == KS_METHOD_MPS) {
        (void)snprintf(truncation, sizeof truncation, " (bond %u of %u, discarded %.1e)",
                       facts->bond, core->bond_max, facts->discarded_weight);
    }
    if (core->kind != KS_KIND_CIRCUIT) {
        (void)snprintf(verdict->method, sizeof verdict->method, "%s, round %llu",
                       ks_kind_name(core->kind), (unsigned long long)core->fl.round);
    } else if (core->sdk == KS_SDK_KETSEAL) {
        (void)snprintf(verdict->method, sizeof verdict->method, "%s%s%s",
                       ks_job_method_name(facts->method), truncation,
                       core->noise != NULL ? " under noise" : "");
    } else {
        (void)snprintf(verdict->method, sizeof verdict->method, "%s %.*s (%.*s %.*s)",
                       ks_sdk_name(core->sdk), (int)run->version.len,
                       (const char *)run->version.data, (int)run->backend.len,
                       (const char *)run->backend.data, (int)run->backend_version.len,
                       (const char *)run->backend_version.data);
    }
    if (core->kind != KS_KIND_ROUND) { /* which no request with such a key asked for */
        (void)snprintf(verdict->key_source, sizeof verdict->key_source, "%s",
                       ks_key_source_name(core->key_source));
    }
}

static void describe(const struct ks_bundle *bundle, const struct context *context,
                     struct ks_verdict *verdict)
{
    const struct ks_core *core = &bundle->core;

    (void)snprintf(verdict->record_id, sizeof verdict->record_id, "%s", core->record_id);
    (void)snprintf(verdict->device, sizeof verdict->device, "%.*s", (int)core->device.len,
                   (const char *)core->device.data);
    (void)snprintf(verdict->origin, sizeof verdict->origin, "%.*s", (int)core->origin.len,
                   (const char *)core->origin.data);
    describe_method(core, verdict);
    verdict->ledger_index = bundle->inclusion.index;
    verdict->ledger_size = context->head_known ? context->head.size : 0;
    ks_copy(verdict->record_hash, bundle->core_hash, sizeof verdict->record_hash);
    if (context->anchor_proved) {
        verdict->anchored_block = bundle->anchor->block_number;
        verdict->anchored_us = bundle->anchor->block_time_s * 1000000;
    }
    verdict->stamped_us = context->stamp_good ? bundle->stamp.time_us : 0;
}

static enum ks_err run_checks(struct context *context, struct ks_verdict *verdict)
{
    static const struct {
        enum ks_verdict_check check;
        enum ks_err (*run)(struct context *context);
    } table[] = {
        {KS_VERDICT_SIGNATURE_ED25519, check_ed25519},
        {KS_VERDICT_SIGNATURE_MLDSA, check_mldsa},
        {KS_VERDICT_REQUEST_CERTIFICATE, check_certificate},
        {KS_VERDICT_REQUEST_SIGNATURE, check_request_signature},
        {KS_VERDICT_REQUEST_BINDING, check_request_binding},
        {KS_VERDICT_RESULT, check_result},
        {KS_VERDICT_QUOTE_SIGNATURE, check_quote_signature},
        {KS_VERDICT_QUOTE_BINDING, check_quote_binding},
        {KS_VERDICT_QUOTE_PCR, check_quote_pcr},
        {KS_VERDICT_QUOTE_START, check_quote_start},
        {KS_VERDICT_PLATFORM_TPM, check_platform_tpm},
        {KS_VERDICT_PLATFORM_SITE, check_platform_site},
        {KS_VERDICT_LEDGER_CHECKPOINT, check_checkpoint},
        {KS_VERDICT_LEDGER_INCLUSION, check_inclusion},
        {KS_VERDICT_LEDGER_INTENT, check_intent},
        {KS_VERDICT_LEDGER_WITNESS, check_witnesses},
        {KS_VERDICT_ANCHOR_PROOF, check_anchor_proof},
        {KS_VERDICT_ANCHOR_CANONICAL, check_anchor_canonical},
        {KS_VERDICT_TIMESTAMP, check_timestamp},
    };
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        KS_TRY(settle(&verdict->checks[table[i].check], table[i].run(context)));
    }
out:
    return err;
}

/* All that POLICY requires has passed, or KS_ERR_VERIFY naming the first that has not. */
static enum ks_err conclude(const struct ks_policy *policy, const struct ks_verdict *verdict)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        const struct ks_verdict_item *item = &verdict->checks[i];

        /* A check that failed is never overlooked, required or not: it means tampering. */
        KS_CHECK(item->state != KS_FAIL, KS_ERR_VERIFY, "%s: %s", infos[i].name, item->reason);
        KS_CHECK(!policy->require[i] || item->state == KS_PASS, KS_ERR_VERIFY,
                 "%s: required by the policy, but not run: %s", infos[i].name, item->reason);
    }
out:
    return err;
}

enum ks_err ks_bundle_verify(const struct ks_bytes *bytes, const struct ks_policy *policy,
                             struct ks_verdict *out_verdict)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    struct context context = {.policy = policy};

    *out_verdict = (struct ks_verdict){0};
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        set_reason(out_verdict, (enum ks_verdict_check)i,
                   "not reached: the bundle is malformed");
    }
    set_reason(out_verdict, KS_VERDICT_PLATFORM_REPORT,
               "the backend 'process' is no hardware enclave and has no report");
    set_reason(out_verdict, KS_VERDICT_REPLAY, "run `ketseal replay`");
    KS_TRY(settle(&out_verdict->checks[KS_VERDICT_FORMAT], ks_bundle_parse(*bytes, &bundle)));
    if (bundle != NULL) {
        context.bundle = bundle;
        KS_TRY(run_checks(&context, out_verdict));
        describe(bundle, &context, out_verdict);
    }
    KS_TRY(conclude(policy, out_verdict));
out:
    ks_cert_free(context.device);
    ks_bundle_free(bundle);
    return err;
}
