/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The verifier, attacked: a sealed job made from fixed seeds (record_fixture.h) passes; each
 * check fails by one targeted change, re-signed by whoever could have made it. What a flipped
 * byte does: test_record_bytes.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "crypto/digest.h"
#include "record_changes.h"

static struct fixture_keys keys;

/* --- it passes ---------------------------------------------------------------------------- */

static void test_passes(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, &keys, NULL);
    record_assert_passes(&fixture);
    fixture_free(&fixture);
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
                                       .single = true,
                                       .method = KS_METHOD_STATEVECTOR,
                                       .cutoff = KS_CUTOFF_UNSAID};
        fixture->core.name = KS_LITERAL("ghz");
        fixture->core.single = true;
        fixture_set(&fixture->parameters, KS_LITERAL("{\"depth\":1,\"qubits\":2,\"seed\":5}"));
    }
}

static void alone_in_its_batch(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->batch_size = 1;
        fixture->batch_index = 0;
    }
}

static void without_list(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->policy_crl = NULL;
    }
}

static void hardware(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->core.simulated_tpm = false;
        fixture->site.simulated_tpm = false;
        fixture->accept_simulated = false;
    }
}

static void earlier_extended(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->log.initial[3] = 9; /* a boot loader was first; the policy names its value */
        fixture->site.event_log = fixture->log;
    }
}

static void test_variants_pass(void **state)
{
    static const fixture_change variants[] = {template_job, alone_in_its_batch, without_list,
                                              hardware, earlier_extended};
    struct fixture fixture;

    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        fixture_make(&fixture, &keys, variants[i]);
        record_assert_passes(&fixture);
        fixture_free(&fixture);
    }
}

/* --- one change each ---------------------------------------------------------------------- */

/* format: what a signer of ours might write, but must not */
CHANGE(other_schema, FIXTURE_WRITTEN, fixture_replace(&f->core_bytes, "ketseal-4", "ketseal-6"))
CHANGE(hidden_member, FIXTURE_WRITTEN,
       fixture_replace(&f->core_bytes, "{\"execution\"", "{\"a\":1,\"execution\""))
CHANGE(lacks_member, FIXTURE_WRITTEN,
       fixture_replace(&f->core_bytes, ",\"isolation\":\"process\"", ""))
CHANGE(no_uuid, FIXTURE_WRITTEN,
       fixture_replace(&f->core_bytes, "3f2b8f0e-5d5a-4", "3f2b8f0e-5d5a-5"))
CHANGE(other_sdk, FIXTURE_WRITTEN,
       fixture_replace(&f->core_bytes, "\"sdk\":\"ketseal\"", "\"sdk\":\"aer\""))
CHANGE(other_result, FIXTURE_WRITTEN,
       fixture_replace(&f->core_bytes, "\"00\":493", "\"00\":492"))

/* signatures */
CHANGE(other_ed25519, FIXTURE_BEGIN, f->record_ed25519 = keys.other_ed25519)
CHANGE(other_mldsa65, FIXTURE_BEGIN, f->record_mldsa65 = keys.other_mldsa65)

/* Signs the record again, with MLDSA65 of another context or left out. */
static void sign_again(struct fixture *f, const char *context, bool strip)
{
    struct ks_json_writer writer;
    struct ks_buf classical;
    struct ks_buf quantum_safe;
    struct ks_buf signatures;
    uint8_t evidence_hash[32];
    uint8_t signatures_hash[32];
    uint8_t digest[32];

    ks_buf_init(&classical, KS_SIG_LEN_MAX);
    ks_buf_init(&quantum_safe, KS_SIG_LEN_MAX);
    ks_buf_init(&signatures, (size_t)4 * KS_SIG_LEN_MAX);
    ks_sha256(ks_buf_view(&f->evidence_bytes), evidence_hash);
    ks_record_digest(f->core_hash, evidence_hash, digest);
    assert_int_equal(ks_sign(f->record_ed25519, "", KS_BYTES(digest), &classical), KS_OK);
    if (!strip) {
        assert_int_equal(ks_sign(f->record_mldsa65, context, KS_BYTES(digest), &quantum_safe),
                         KS_OK);
    }
    writer = ks_json_writer_of(&signatures);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ed25519", ks_buf_view(&classical));
    ks_json_member_base64(&writer, "ml-dsa-65", ks_buf_view(&quantum_safe));
    ks_json_put_end(&writer);
    assert_int_equal(ks_buf_check(&signatures), KS_OK);
    ks_sha256(ks_buf_view(&signatures), signatures_hash);
    ks_buf_clear(&f->record);
    writer = ks_json_writer_of(&f->record);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "core");
    ks_json_put_canonical(&writer, ks_buf_view(&f->core_bytes));
    ks_json_put_key(&writer, "evidence");
    ks_json_put_canonical(&writer, ks_buf_view(&f->evidence_bytes));
    ks_json_put_key(&writer, "signatures");
    ks_json_put_canonical(&writer, ks_buf_view(&signatures));
    ks_json_put_end(&writer);
    assert_int_equal(ks_buf_check(&f->record), KS_OK);
    ks_buf_clear(&f->entry);
    ks_entry_record_write(&f->core, f->core_hash, evidence_hash, signatures_hash, &f->entry);
    ks_buf_done(&classical);
    ks_buf_done(&quantum_safe);
    ks_buf_done(&signatures);
}
CHANGE(signed_again, FIXTURE_SEALED, sign_again(f, KS_CONTEXT_RECORD, false))
CHANGE(stripped_mldsa, FIXTURE_SEALED, sign_again(f, KS_CONTEXT_RECORD, true))
CHANGE(other_context, FIXTURE_SEALED, sign_again(f, KS_CONTEXT_SUBMISSION, false))

/* Signed, and then the evidence was exchanged: the digest of the batch's size alone. */
CHANGE(evidence_after_signing, FIXTURE_SEALED,
       fixture_replace(&f->record, "\"size\":3", "\"size\":4"))

/* certificate */
CHANGE(expired, FIXTURE_BEGIN, f->certificate = keys.expired_cert)
CHANGE(revoked, FIXTURE_BEGIN, f->policy_crl = keys.crl_lists)
CHANGE(foreign, FIXTURE_BEGIN, f->certificate = keys.foreign_cert)
CHANGE(classical, FIXTURE_BEGIN, f->certificate = keys.classical_cert)
CHANGE(other_device_cert, FIXTURE_BEGIN, f->certificate = keys.renamed_cert)
CHANGE(a_server, FIXTURE_BEGIN, f->certificate = keys.server_cert)
CHANGE(the_root, FIXTURE_BEGIN, f->certificate = keys.root_cert)
CHANGE(weak, FIXTURE_BEGIN, f->certificate = keys.weak_cert)
CHANGE(other_root, FIXTURE_BEGIN, (f->policy_root = keys.other_root_cert, f->policy_crl = NULL))
CHANGE(after_expiry, FIXTURE_CORE, f->core.created_us = (FIXTURE_END_S + 1) * 1000000)

/* request */
CHANGE(submission_of_other, FIXTURE_BEGIN, f->submission_key = keys.other_device)
static void submission_context(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_SIGNED)
    ks_buf_clear(&f->submission_signature);
    assert_int_equal(ks_sign(keys.device, KS_CONTEXT_KEYS, ks_buf_view(&f->submission_bytes),
                             &f->submission_signature),
                     KS_OK);
}
CHANGE(other_job, FIXTURE_SUBMISSION, f->submission.job[0] ^= 1)
static void job_swapped(struct fixture *f, enum fixture_step step)
{
    struct ks_job job = f->job;

    AT(FIXTURE_EVIDENCE)
    job.shots++;
    ks_buf_clear(&f->job_bytes);
    ks_job_write(&job, &f->job_bytes);
    f->evidence.job = ks_buf_view(&f->job_bytes);
}
CHANGE(core_other_job, FIXTURE_CORE, f->core.job[31] ^= 0x80)
CHANGE(core_other_submission, FIXTURE_CORE, f->core.submission[0] ^= 1)
CHANGE(core_other_signature, FIXTURE_CORE, f->core.submission_signature[0] ^= 1)
CHANGE(core_other_source, FIXTURE_CORE, f->core.source_digest[0] ^= 1)
CHANGE(core_other_shots, FIXTURE_BEGIN,
       (f->core.shots = 999, fixture_set(&f->result, KS_LITERAL("{\"00\":492,\"11\":507}"))))
CHANGE(core_other_seed, FIXTURE_BEGIN, f->core.seed++)
CHANGE(core_other_precision, FIXTURE_BEGIN, f->core.single = true)
CHANGE(core_other_device, FIXTURE_SUBMISSION, f->submission.device = KS_LITERAL("sensor-8"))
static void device_renamed(struct fixture *f, enum fixture_step step)
{
    if (step == FIXTURE_SUBMISSION) {
        f->submission.device = KS_LITERAL("sensor-8");
    } else if (step == FIXTURE_CORE) {
        f->core.device = KS_LITERAL(FIXTURE_DEVICE);
    }
}
CHANGE(core_other_counter, FIXTURE_CORE, f->core.counter++)
CHANGE(core_other_key, FIXTURE_CORE,
       f->core.key_id = KS_LITERAL("0102030405060708.0000000000000002.18"))
CHANGE(core_other_channel, FIXTURE_CORE, f->core.channel[0] ^= 1)
CHANGE(other_site, FIXTURE_SUBMISSION, f->submission.site = KS_LITERAL("lab.example/other"))
CHANGE(core_other_ledger, FIXTURE_CORE, f->core.origin = KS_LITERAL("lab.example/other"))
CHANGE(ends_before_it_starts, FIXTURE_CORE, f->core.finished_us = f->core.started_us - 1)
CHANGE(made_before_it_ends, FIXTURE_CORE, f->core.created_us = f->core.finished_us - 1)
CHANGE(core_other_name, FIXTURE_CORE, f->core.name = KS_LITERAL("ghz"))
CHANGE(core_other_parameters, FIXTURE_BEGIN,
       fixture_set(&f->parameters, KS_LITERAL("{\"depth\":1}")))
static void template_parameters(struct fixture *f, enum fixture_step step)
{
    template_job(f, step);
    AT(FIXTURE_BEGIN)
    fixture_set(&f->parameters, KS_LITERAL("{\"depth\":1,\"qubits\":3,\"seed\":5}"));
}

/* result */
CHANGE(sum_too_small, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":493,\"11\":506}")))
CHANGE(sum_too_large, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":493,\"11\":508}")))
CHANGE(outcome_short, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"0\":493,\"11\":507}")))
CHANGE(outcome_long, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":493,\"110\":507}")))
CHANGE(outcome_no_bits, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":493,\"12\":507}")))
CHANGE(count_zero, FIXTURE_BEGIN, fixture_set(&f->result, KS_LITERAL("{\"00\":1000,\"11\":0}")))
CHANGE(count_negative, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":1001,\"11\":-1}")))
CHANGE(count_text, FIXTURE_BEGIN,
       fixture_set(&f->result, KS_LITERAL("{\"00\":493,\"11\":\"507\"}")))
CHANGE(no_outcome, FIXTURE_BEGIN, fixture_set(&f->result, KS_LITERAL("{}")))
CHANGE(other_clbits, FIXTURE_BEGIN, f->core.clbits = 3)

/* quote */
CHANGE(other_ak, FIXTURE_QUOTE, f->quote.key = keys.other_ak)
CHANGE(no_tpm_wrote_it, FIXTURE_QUOTE, f->quote.magic = 0x00544347)
CHANGE(other_signer, FIXTURE_QUOTE, f->quote.signer[5] ^= 1)
static void unrestricted_ak(struct fixture *f, enum fixture_step step)
{
    struct ks_buf ak;

    AT(FIXTURE_BEGIN)
    ks_buf_init(&ak, KS_AK_PUBLIC_MAX);
    fixture_ak_public(keys.ak, FIXTURE_AK_ATTRIBUTES & ~(UINT32_C(1) << 16), &ak);
    ks_copy(f->site.ak, ak.data, ak.len);
    ks_buf_done(&ak);
}
CHANGE(old_quote, FIXTURE_QUOTE, f->quote.extra[0] ^= 1)
CHANGE(other_batch_size, FIXTURE_EVIDENCE, f->evidence.quote.size = 4)
CHANGE(empty_batch, FIXTURE_EVIDENCE, f->evidence.quote.size = 0)
CHANGE(other_batch_index, FIXTURE_EVIDENCE, f->evidence.quote.index = 0)
CHANGE(other_batch_path, FIXTURE_EVIDENCE, f->evidence.quote.path.hashes[1][0] ^= 1)
CHANGE(longer_batch_path, FIXTURE_EVIDENCE, f->evidence.quote.path.count++)
CHANGE(shorter_batch_path, FIXTURE_EVIDENCE, f->evidence.quote.path.count--)
CHANGE(core_after_quote, FIXTURE_QUOTE,
       fixture_replace(&f->core_bytes, "\"isa\":\"avx2\"", "\"isa\":\"neon\""))
CHANGE(other_pcr, FIXTURE_QUOTE, f->quote.pcr_mask = 1U << 16)
CHANGE(one_more_pcr, FIXTURE_QUOTE, f->quote.pcr_mask |= 1)
CHANGE(other_pcr_value, FIXTURE_QUOTE, f->quote.pcr_digest[0] ^= 1)
CHANGE(other_enclave, FIXTURE_BEGIN, f->log.events[0].digest[0] ^= 1)
CHANGE(other_library, FIXTURE_BEGIN, f->log.events[2].digest[0] ^= 1)
CHANGE(other_worker, FIXTURE_BEGIN, (f->log.events[1].digest[0] ^= 1, f->core.build[0] ^= 1))
static void event_renamed(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_BEGIN)
    f->log.events[2].name[0] = 'L';
}
static void event_more(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_BEGIN)
    assert_int_equal(ks_event_log_add(&f->log, "libextra.so", f->core.build), KS_OK);
}
CHANGE(event_less, FIXTURE_BEGIN, f->log.count--)
static void event_order(struct fixture *f, enum fixture_step step)
{
    struct ks_event first = f->log.events[0];

    AT(FIXTURE_BEGIN)
    f->log.events[0] = f->log.events[2];
    f->log.events[2] = first;
}
CHANGE(log_initial, FIXTURE_BEGIN, f->log.initial[0] = 1)
static void log_of_other_pcr(struct fixture *f, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        f->log.pcr = 16;
        f->site.event_log.pcr = 16;
    } else if (step == FIXTURE_QUOTE) {
        f->quote.pcr_mask = 1U << 16;
    }
}
CHANGE(core_other_log, FIXTURE_CORE, f->core.event_log[0] ^= 1)
CHANGE(other_build, FIXTURE_CORE, f->core.build[0] ^= 1)

/* start quote */
CHANGE(start_of_other_ak, FIXTURE_QUOTE, f->start.key = keys.other_ak)
CHANGE(start_no_tpm_wrote, FIXTURE_QUOTE, f->start.magic = 0x00544347)
CHANGE(start_other_signer, FIXTURE_QUOTE, f->start.signer[5] ^= 1)
CHANGE(start_other_pcr, FIXTURE_QUOTE, f->start.pcr_mask |= 1)
CHANGE(start_other_launch, FIXTURE_QUOTE, f->start.pcr_digest[0] ^= 1)
CHANGE(reset_between, FIXTURE_QUOTE, f->quote.resets++)
CHANGE(start_after_reset, FIXTURE_QUOTE, f->start.resets++)
CHANGE(restart_between, FIXTURE_QUOTE, f->quote.restarts++)
CHANGE(start_after_end, FIXTURE_QUOTE, f->start.clock_ms = f->quote.clock_ms + 1)
static void start_is_end(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_EVIDENCE)
    f->evidence.start.attest = f->evidence.quote.attest;
    f->evidence.start.signature = f->evidence.quote.signature;
}
CHANGE(start_signed_by_end, FIXTURE_EVIDENCE,
       f->evidence.start.signature = f->evidence.quote.signature)
/* the clock may stand still between two quotes */
CHANGE(same_millisecond, FIXTURE_QUOTE, f->start.clock_ms = f->quote.clock_ms)
/* a schema's evidence under the other's name */
CHANGE(lacks_start, FIXTURE_EVIDENCE, f->evidence.start = (struct ks_start_quote){0})
static void start_too_early(struct fixture *f, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        f->core.schema = 1;
    } else if (step == FIXTURE_EVIDENCE) {
        f->evidence.start.attest = ks_buf_view(&f->start_attest);
        f->evidence.start.signature = ks_buf_view(&f->start_signature);
    }
}
CHANGE(first_schema, FIXTURE_BEGIN, f->core.schema = 1)

/* platform */
CHANGE(simulated_refused, FIXTURE_BEGIN, f->accept_simulated = false)
CHANGE(says_hardware, FIXTURE_BEGIN, f->core.simulated_tpm = false)
CHANGE(site_says_hardware, FIXTURE_BEGIN, f->site.simulated_tpm = false)

/* ledger */
CHANGE(other_note_ed25519, FIXTURE_BEGIN, f->note_ed25519 = keys.other_ed25519)
CHANGE(other_note_mldsa44, FIXTURE_BEGIN, f->note_mldsa44 = keys.other_mldsa44)
/* Keeps, in this order, the signature lines of MASK. */
static void resign(struct fixture *f, unsigned mask)
{
    const struct ks_note_signer signers[] = {
        {KS_LITERAL(FIXTURE_ORIGIN), KS_NOTE_ED25519, keys.note_ed25519},
        {KS_LITERAL(FIXTURE_ORIGIN), KS_NOTE_COSIGNED_MLDSA44, keys.note_mldsa44},
    };
    struct ks_buf text;

    ks_buf_init(&text, KS_NOTE_LEN_MAX);
    assert_int_equal(ks_checkpoint_print(&f->checkpoint, &text), KS_OK);
    ks_buf_clear(&f->note);
    ks_buf_put(&f->note, ks_buf_view(&text));
    ks_buf_put_text(&f->note, "\n");
    for (unsigned i = 0; i < 2; i++) {
        if ((mask >> i & 1) != 0) {
            assert_int_equal(
                ks_note_sign_line(ks_buf_view(&text), &signers[i], FIXTURE_NOW_S + 1, &f->note),
                KS_OK);
        }
    }
    ks_buf_done(&text);
}
CHANGE(resigned, FIXTURE_CHECKPOINT, resign(f, 3))
CHANGE(lacks_note_ed25519, FIXTURE_CHECKPOINT, resign(f, 2))
CHANGE(lacks_note_mldsa44, FIXTURE_CHECKPOINT, resign(f, 1))
CHANGE(other_note_size, FIXTURE_CHECKPOINT, fixture_replace(&f->note, "\n6\n", "\n7\n"))
static void checkpoint_of_other(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_CHECKPOINT)
    f->checkpoint.origin = KS_LITERAL("lab.example/other");
    resign(f, 3);
}
static void root_of_other(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_CHECKPOINT)
    f->checkpoint.root[0] ^= 1;
    resign(f, 3);
}
CHANGE(no_note, FIXTURE_CHECKPOINT, fixture_set(&f->note, (struct ks_bytes){0}))
CHANGE(wrong_index, FIXTURE_INCLUSION, f->inclusion.index = 5)
CHANGE(index_outside, FIXTURE_INCLUSION, f->inclusion.index = 6)
CHANGE(wrong_path, FIXTURE_INCLUSION, f->inclusion.path.hashes[0][0] ^= 1)
CHANGE(longer_path, FIXTURE_INCLUSION, f->inclusion.path.count++)
CHANGE(shorter_path, FIXTURE_INCLUSION, f->inclusion.path.count--)
CHANGE(not_logged, FIXTURE_LEDGER, fixture_set(&f->entries[f->record_at], KS_LITERAL("{}")))
CHANGE(intent_not_logged, FIXTURE_LEDGER,
       fixture_set(&f->entries[f->intent_at], KS_LITERAL("{}")))
CHANGE(wrong_intent_path, FIXTURE_INCLUSION, f->inclusion.intent_path.hashes[0][0] ^= 1)
CHANGE(longer_intent_path, FIXTURE_INCLUSION, f->inclusion.intent_path.count++)
CHANGE(wrong_intent, FIXTURE_CORE, f->core.intent_index = 3)
static void intent_after_record(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_CORE)
    f->intent_at = 5;
    f->core.intent_index = 5;
}
static void intent_is_record(struct fixture *f, enum fixture_step step)
{
    AT(FIXTURE_CORE)
    f->core.intent_index = f->record_at;
}
CHANGE(checkpoint_after_intent, FIXTURE_CORE, f->core.checkpoint_size = 3)

static const struct record_change changes[] = {
    ONE(other_schema, FORMAT, "schema_version", 0),
    ONE(hidden_member, FORMAT, "'a'", 0),
    ONE(lacks_member, FORMAT, "isolation", 0),
    ONE(no_uuid, FORMAT, "record_id", 0),
    ONE(other_sdk, FORMAT, "sdk", 0),
    ONE(other_result, FORMAT, "result_digest", 0),
    ONE(lacks_start, FORMAT, "start_quote", 0),
    ONE(start_too_early, FORMAT, "start_quote", 0),
    ONE(other_ed25519, SIGNATURE_ED25519, "", 0),
    ONE(other_mldsa65, SIGNATURE_MLDSA, "", 0),
    ONE(stripped_mldsa, SIGNATURE_MLDSA, "", 0),
    ONE(other_context, SIGNATURE_MLDSA, "", 0),
    ONE(evidence_after_signing, SIGNATURE_ED25519, "",
        BIT(SIGNATURE_MLDSA) | BIT(QUOTE_BINDING) | BIT(LEDGER_INCLUSION)),
    ONE(expired, REQUEST_CERTIFICATE, "expired", 0),
    ONE(revoked, REQUEST_CERTIFICATE, "revoked", 0),
    ONE(foreign, REQUEST_CERTIFICATE, "", 0),
    ONE(classical, REQUEST_CERTIFICATE, "not post-quantum", BIT(REQUEST_SIGNATURE)),
    ONE(other_device_cert, REQUEST_CERTIFICATE, "sensor-8", 0),
    ONE(a_server, REQUEST_CERTIFICATE, "server", 0),
    ONE(the_root, REQUEST_CERTIFICATE, "root", BIT(REQUEST_SIGNATURE)),
    ONE(weak, REQUEST_SIGNATURE, "ML-DSA-44", 0),
    ONE(other_root, REQUEST_CERTIFICATE, "", 0),
    ONE(after_expiry, REQUEST_CERTIFICATE, "", 0),
    ONE(submission_of_other, REQUEST_SIGNATURE, "", 0),
    ONE(submission_context, REQUEST_SIGNATURE, "", 0),
    ONE(other_job, REQUEST_BINDING, "another job", 0),
    ONE(job_swapped, REQUEST_BINDING, "another job", 0),
    ONE(core_other_job, REQUEST_BINDING, "another job", 0),
    ONE(core_other_submission, REQUEST_BINDING, "another submission", 0),
    ONE(core_other_signature, REQUEST_BINDING, "another signature", 0),
    ONE(core_other_source, REQUEST_BINDING, "source_digest", 0),
    ONE(core_other_shots, REQUEST_BINDING, "shots", 0),
    ONE(core_other_seed, REQUEST_BINDING, "seed", 0),
    ONE(core_other_precision, REQUEST_BINDING, "precision", 0),
    ONE(core_other_device, REQUEST_CERTIFICATE, "sensor-8", 0),
    ONE(device_renamed, REQUEST_BINDING, "another device", 0),
    ONE(core_other_counter, REQUEST_BINDING, "counter", 0),
    ONE(core_other_key, REQUEST_BINDING, "another key", 0),
    ONE(core_other_channel, REQUEST_BINDING, "another connection", 0),
    ONE(other_site, REQUEST_BINDING, "another site", 0),
    ONE(core_other_ledger, REQUEST_BINDING, "another ledger", 0),
    ONE(ends_before_it_starts, REQUEST_BINDING, "times", 0),
    ONE(made_before_it_ends, REQUEST_BINDING, "times", 0),
    ONE(core_other_name, REQUEST_BINDING, "another workload", 0),
    ONE(core_other_parameters, REQUEST_BINDING, "parameters", 0),
    ONE(template_parameters, REQUEST_BINDING, "parameters", 0),
    ONE(sum_too_small, RESULT, "999 of 1000", 0),
    ONE(sum_too_large, RESULT, "over 1000", 0),
    ONE(outcome_short, RESULT, "1 bits", 0),
    ONE(outcome_long, RESULT, "3 bits", 0),
    ONE(outcome_no_bits, RESULT, "no bit string", 0),
    ONE(count_zero, RESULT, "", 0),
    ONE(count_negative, RESULT, "", 0),
    ONE(count_text, RESULT, "", 0),
    ONE(no_outcome, RESULT, "0 of 1000", 0),
    ONE(other_clbits, RESULT, "2 bits", 0),
    ONE(other_ak, QUOTE_SIGNATURE, "", 0),
    ONE(no_tpm_wrote_it, QUOTE_SIGNATURE, "magic",
        BIT(QUOTE_BINDING) | BIT(QUOTE_PCR) | BIT(QUOTE_START)),
    ONE(other_signer, QUOTE_SIGNATURE, "signer", BIT(QUOTE_START)),
    ONE(unrestricted_ak, QUOTE_SIGNATURE, "restricted", BIT(QUOTE_START)),
    ONE(old_quote, QUOTE_BINDING, "something else", 0),
    ONE(other_batch_size, QUOTE_BINDING, "", 0),
    ONE(empty_batch, QUOTE_BINDING, "", 0),
    ONE(other_batch_index, QUOTE_BINDING, "", 0),
    ONE(other_batch_path, QUOTE_BINDING, "", 0),
    ONE(longer_batch_path, QUOTE_BINDING, "", 0),
    ONE(shorter_batch_path, QUOTE_BINDING, "", 0),
    ONE(core_after_quote, QUOTE_BINDING, "something else", 0),
    ONE(other_pcr, QUOTE_PCR, "mask", BIT(QUOTE_START)),
    ONE(one_more_pcr, QUOTE_PCR, "mask", BIT(QUOTE_START)),
    ONE(other_pcr_value, QUOTE_PCR, "", BIT(QUOTE_START)),
    ONE(other_enclave, QUOTE_PCR, "ketseal-enclave", 0),
    ONE(other_library, QUOTE_PCR, "libcrypto", 0),
    ONE(other_worker, QUOTE_PCR, "ketseal-worker", 0),
    ONE(event_renamed, QUOTE_PCR, "libcrypto", 0),
    ONE(event_more, QUOTE_PCR, "further event", 0),
    ONE(event_less, QUOTE_PCR, "was not launched", 0),
    ONE(event_order, QUOTE_PCR, "order", 0),
    ONE(log_initial, QUOTE_PCR, "", 0),
    ONE(log_of_other_pcr, QUOTE_PCR, "PCR 16", BIT(QUOTE_START)),
    ONE(core_other_log, QUOTE_PCR, "another event log", 0),
    ONE(other_build, QUOTE_PCR, "build", 0),
    ONE(start_of_other_ak, QUOTE_START, "signature", 0),
    ONE(start_no_tpm_wrote, QUOTE_START, "magic", 0),
    ONE(start_other_signer, QUOTE_START, "signer", 0),
    ONE(start_other_pcr, QUOTE_START, "masks", 0),
    ONE(start_other_launch, QUOTE_START, "changed between them", 0),
    ONE(reset_between, QUOTE_START, "reset count 4 and then 5", 0),
    ONE(start_after_reset, QUOTE_START, "reset count 5 and then 4", 0),
    ONE(restart_between, QUOTE_START, "restart count 0 and then 1", 0),
    ONE(start_after_end, QUOTE_START, "went back from 123457 to 123456 ms", 0),
    ONE(start_is_end, QUOTE_START, "the quote over the record itself", 0),
    ONE(start_signed_by_end, QUOTE_START, "signature", 0),
    ONE(simulated_refused, PLATFORM_TPM, "simulated", 0),
    ONE(says_hardware, PLATFORM_TPM, "disagree", 0),
    ONE(site_says_hardware, PLATFORM_TPM, "disagree", 0),
    ONE(other_note_ed25519, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(other_note_mldsa44, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(lacks_note_ed25519, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(lacks_note_mldsa44, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(other_note_size, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(checkpoint_of_other, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(no_note, LEDGER_CHECKPOINT, "", THE_LEDGER),
    ONE(root_of_other, LEDGER_INCLUSION, "", BIT(LEDGER_INTENT)),
    ONE(wrong_index, LEDGER_INCLUSION, "", 0),
    ONE(index_outside, LEDGER_INCLUSION, "", 0),
    ONE(wrong_path, LEDGER_INCLUSION, "", 0),
    ONE(longer_path, LEDGER_INCLUSION, "", 0),
    ONE(shorter_path, LEDGER_INCLUSION, "", 0),
    ONE(not_logged, LEDGER_INCLUSION, "", 0),
    ONE(intent_not_logged, LEDGER_INTENT, "", 0),
    ONE(wrong_intent_path, LEDGER_INTENT, "", 0),
    ONE(longer_intent_path, LEDGER_INTENT, "", 0),
    ONE(wrong_intent, LEDGER_INTENT, "", 0),
    ONE(intent_after_record, LEDGER_INTENT, "after the record", 0),
    ONE(intent_is_record, LEDGER_INTENT, "after the record", 0),
    ONE(checkpoint_after_intent, LEDGER_INTENT, "already covers", 0),
};
#define CHANGES (sizeof changes / sizeof changes[0])

static void test_each_change(void **state)
{
    (void)state;
    record_assert_changes(&keys, changes, CHANGES);
}

/* The instruments themselves change nothing. */
static void test_signed_again_passes(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, &keys, signed_again);
    record_assert_passes(&fixture);
    fixture_free(&fixture);
    fixture_make(&fixture, &keys, resigned);
    record_assert_passes(&fixture);
    fixture_free(&fixture);
    fixture_make(&fixture, &keys, same_millisecond);
    record_assert_passes(&fixture);
    fixture_free(&fixture);
}

/* A record of the first schema passes where the policy does not ask for what it lacks. */
static void test_first_schema(void **state)
{
    struct fixture fixture;
    struct ks_verdict verdict;

    (void)state;
    fixture_make(&fixture, &keys, first_schema);
    assert_int_equal(
        record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&fixture.policy), &verdict),
        KS_ERR_VERIFY);
    assert_string_equal(ks_err_detail(),
                        "quote.start: required by the policy, but not run: records of schema "
                        "ketseal-1 have no start quote");
    assert_int_equal(verdict.checks[KS_VERDICT_QUOTE_START].state, KS_NOT_RUN);
    fixture_replace(&fixture.policy, "\"quote.start\",", "");
    assert_int_equal(
        record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&fixture.policy), &verdict),
        KS_OK);
    assert_int_equal(verdict.checks[KS_VERDICT_QUOTE_START].state, KS_NOT_RUN);
    fixture_free(&fixture);
}

/* Every check that runs is the one to fail in some change. */
static void test_changes_are_complete(void **state)
{
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; i < CHANGES; i++) {
        seen |= 1U << changes[i].fails;
    }
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        assert_int_equal(seen >> i & 1, record_check_runs(i));
        assert_non_null(ks_verdict_check_covers((enum ks_verdict_check)i));
        assert_non_null(ks_verdict_check_stops((enum ks_verdict_check)i));
        assert_non_null(ks_verdict_check_not_proved((enum ks_verdict_check)i));
    }
}

/* --- not-run ------------------------------------------------------------------------------ */

static void test_not_run_is_no_success(void **state)
{
    static const enum ks_verdict_check absent[] = {
        KS_VERDICT_PLATFORM_SITE, KS_VERDICT_PLATFORM_REPORT,  KS_VERDICT_LEDGER_WITNESS,
        KS_VERDICT_ANCHOR_PROOF,  KS_VERDICT_ANCHOR_CANONICAL, KS_VERDICT_TIMESTAMP,
        KS_VERDICT_REPLAY};
    struct fixture fixture;
    struct ks_verdict verdict;

    (void)state;
    fixture_make(&fixture, &keys, NULL);
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        struct ks_buf policy;
        char fresh[64];

        ks_buf_init(&policy, KS_POLICY_BYTES_MAX);
        fixture_set(&policy, ks_buf_view(&fixture.policy));
        (void)snprintf(fresh, sizeof fresh, "\"require\":[\"%s\",",
                       ks_verdict_check_name(absent[i]));
        fixture_replace(&policy, "\"require\":[", fresh);
        assert_int_equal(
            record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&policy), &verdict),
            KS_ERR_VERIFY);
        assert_int_equal(verdict.checks[absent[i]].state, KS_NOT_RUN);
        assert_non_null(strstr(ks_err_detail(), "required by the policy, but not run"));
        ks_buf_done(&policy);
    }
    fixture_free(&fixture);
}

/* A failed check counts even where the policy does not ask for it. */
static void test_a_failure_is_never_overlooked(void **state)
{
    (void)state;
    for (size_t i = 0; i < CHANGES; i++) {
        struct fixture fixture;
        struct ks_verdict verdict;
        struct ks_buf policy;
        const uint8_t *begin = NULL;
        const uint8_t *end = NULL;

        fixture_make(&fixture, &keys, changes[i].change);
        begin = memmem(fixture.policy.data, fixture.policy.len, "\"require\":[", 11);
        end = memchr(begin, ']', 1000);
        assert_non_null(end);
        ks_buf_init(&policy, KS_POLICY_BYTES_MAX);
        ks_buf_put(&policy,
                   ks_bytes_of(fixture.policy.data, (size_t)(begin - fixture.policy.data)));
        ks_buf_put_text(&policy, "\"require\":[\"format\",\"signature.ml-dsa-65\"");
        ks_buf_put(&policy,
                   ks_bytes_of(end, (size_t)(fixture.policy.data + fixture.policy.len - end)));
        assert_int_equal(
            record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&policy), &verdict),
            KS_ERR_VERIFY);
        ks_buf_done(&policy);
        fixture_free(&fixture);
    }
}

/* --- round trips -------------------------------------------------------------------------- */

static void test_round_trips(void **state)
{
    (void)state;
    record_round_trip(&keys, NULL);
    record_round_trip(&keys, template_job);
    record_round_trip(&keys, hardware);
}

static void test_site_and_policy_round_trips(void **state)
{
    static const fixture_change variants[] = {NULL, hardware, without_list, earlier_extended};

    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        struct fixture fixture;
        struct ks_policy *policy = NULL;
        struct ks_site site;
        struct ks_buf first;
        struct ks_buf again;
        struct ks_buf crl;

        fixture_make(&fixture, &keys, variants[i]);
        ks_buf_init(&first, KS_SITE_BYTES_MAX);
        ks_buf_init(&again, KS_POLICY_BYTES_MAX);
        ks_buf_init(&crl, KS_CRL_PEM_MAX);
        ks_site_write(&fixture.site, &first);
        assert_int_equal(ks_site_read(ks_buf_view(&first), &site), KS_OK);
        ks_site_write(&site, &again);
        record_assert_same(&again, ks_buf_view(&first));

        policy = fixture_policy(&fixture);
        if (policy->crl != NULL) {
            ks_crl_to_pem(policy->crl, &crl);
        }
        ks_policy_write(
            &(struct ks_policy_spec){.root = policy->root,
                                     .crl_pem = ks_buf_view(&crl),
                                     .site = &policy->site,
                                     .accept_simulated_tpm = policy->accept_simulated_tpm},
            &again);
        record_assert_same(&again, ks_buf_view(&fixture.policy));
        assert_true(policy->accept_hardware_tpm);
        ks_policy_free(policy);
        ks_buf_done(&first);
        ks_buf_done(&crl);
        fixture_free(&fixture);
    }
}

/* --- policies ----------------------------------------------------------------------------- */

static const struct {
    const char *old;
    const char *fresh;
    const char *reason;
} bad_policies[] = {
    {"ketseal.policy/1", "ketseal.policy/2", "schema"},
    {"\"require\":[", "\"require\":[\"quote\",", "unknown check 'quote'"},
    {"\"format\",", "", "at least format"},
    {"\"signature.ml-dsa-65\",", "", "at least format"},
    {"\"require\":[", "\"require\":[7,", "string"},
    {"\"tpm\":[\"hardware\"", "\"tpm\":[\"firmware\"", "hardware or simulated"},
    {"\"schema\":\"ketseal.policy/1\"", "\"schema\":\"ketseal.policy/1\",\"extra\":1", "extra"},
    {"-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE----", "root"},
    {"-----BEGIN X509 CRL-----", "-----BEGIN X509 CRL----", "crl"},
    {"\"backend\":\"process\"", "\"backend\":\"sgx\"", "backend"},
    {"\"backend\":\"process\"", "\"backend\":\"process\",\"b\":1", "'b'"},
    {"\"origin\":\"lab.example/ketseal\"", "\"origin\":\"\"", "origin"},
    {"\"ketseal.site/1\"", "\"ketseal.site/0\"", "schema"},
    {"\"ketseal.site/1\"", "\"ketseal.site/2\"", "issuer"},
    {"\"ml-dsa-65\":", "\"issuer\":\"AA==\",\"ml-dsa-65\":", "in version 1"},
};

static void test_bad_policies(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_make(&fixture, &keys, NULL);
    for (size_t i = 0; i < sizeof bad_policies / sizeof bad_policies[0]; i++) {
        struct ks_policy *policy = NULL;
        struct ks_buf text;

        ks_buf_init(&text, KS_POLICY_BYTES_MAX);
        fixture_set(&text, ks_buf_view(&fixture.policy));
        fixture_replace(&text, bad_policies[i].old, bad_policies[i].fresh);
        const struct ks_bytes view = ks_buf_view(&text);
        if (ks_policy_read(&view, &policy) != KS_ERR_FORMAT &&
            ks_policy_read(&view, &policy) != KS_ERR_LIMIT) {
            fail_msg("accepted: %s", bad_policies[i].fresh);
        }
        if (strstr(ks_err_detail(), bad_policies[i].reason) == NULL) {
            fail_msg("'%s' lacks '%s'", ks_err_detail(), bad_policies[i].reason);
        }
        assert_null(policy);
        ks_buf_done(&text);
    }
    fixture_free(&fixture);
}

static int make_keys(void **state)
{
    (void)state;
    fixture_keys_make(&keys);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    fixture_keys_free(&keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_variants_pass),
        cmocka_unit_test(test_signed_again_passes),
        cmocka_unit_test(test_first_schema),
        cmocka_unit_test(test_changes_are_complete),
        cmocka_unit_test(test_each_change),
        cmocka_unit_test(test_not_run_is_no_success),
        cmocka_unit_test(test_a_failure_is_never_overlooked),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_site_and_policy_round_trips),
        cmocka_unit_test(test_bad_policies),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
