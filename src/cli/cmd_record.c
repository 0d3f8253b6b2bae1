/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* record show, record hash: what a bundle says, read strictly but not verified: `ketseal
 * verify` does. record hash takes old records too. */

#include "base/sys.h"
#include "base/text.h"
#include "cli/bundle.h"
#include "cli/cli.h"
#include "record/old.h"
#include "record/record.h"

static enum ks_err print_hash(const struct ks_cli *cli, const char *hash, const char *id)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, 4096);
    if (cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "record_hash", hash);
        if (id != NULL) {
            ks_json_member_text(&writer, "record_id", id);
        }
        ks_json_member_text(&writer, "schema", "ketseal.record-hash/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%s\n", hash);
    }
out:
    ks_buf_done(&out);
    return err;
}

static enum ks_err print_old_hash(const struct ks_cli *cli, const struct ks_old_record *record)
{
    enum ks_err err = KS_OK;
    char hash[KS_OLD_HASH_TEXT];

    ks_old_hash(record, hash);
    KS_TRY(print_hash(cli, hash, NULL));
    if (!ks_old_hash_stated(record)) {
        ks_cli_progress(cli, "the record states another hash, or none");
    }
out:
    return err;
}

enum ks_err ks_command_record_hash(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    struct ks_old_record *old = NULL;
    struct ks_buf bytes;
    char hash[2 * 32 + 1];

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_file_read(cli->operands[0], KS_BUNDLE_BYTES_MAX, &bytes));
    if (ks_old_parse(ks_buf_view(&bytes), &old) == KS_OK) {
        KS_TRY(print_old_hash(cli, old));
    } else {
        KS_TRY(ks_fail_prefix(ks_bundle_parse(ks_buf_view(&bytes), &bundle), "%s",
                              cli->operands[0]));
        ks_hex_encode(KS_BYTES(bundle->core_hash), hash);
        KS_TRY(print_hash(cli, hash, bundle->core.record_id));
    }
out:
    ks_bundle_free(bundle);
    ks_old_free(old);
    ks_buf_done(&bytes);
    return err;
}

/* --- show
 * --------------------------------------------------------------------------------------------
 */

static void put_line(struct ks_buf *out, const char *name, struct ks_bytes value)
{
    ks_buf_put_format(out, "%-12s ", name);
    ks_cli_put_shown(out, value);
    ks_buf_put_text(out, "\n");
}

static void put_hex_line(struct ks_buf *out, const char *name, struct ks_bytes value)
{
    ks_buf_put_format(out, "%-12s ", name);
    ks_buf_put_hex(out, value);
    ks_buf_put_text(out, "\n");
}

static void put_time_line(struct ks_buf *out, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    put_line(out, name, ks_bytes_text(text));
}

/* Of another SDK: what ran, and in what. */
static void put_sdk(const struct ks_core *core, struct ks_buf *out)
{
    const struct ks_sdk_run *run = &core->sdk_run;

    ks_buf_put_format(out, "%-12s %s ", "sdk", ks_sdk_name(core->sdk));
    ks_buf_put(out, run->version);
    ks_buf_put_text(out, ", backend ");
    ks_buf_put(out, run->backend);
    ks_buf_put_text(out, " ");
    ks_buf_put(out, run->backend_version);
    ks_buf_put_text(out, "\n");
    put_hex_line(out, "environment", KS_BYTES(run->environment));
    put_hex_line(out, "transpiled", KS_BYTES(run->transpiled));
}

static void put_method(const struct ks_core *core, struct ks_buf *out)
{
    const struct ks_simulate_facts *facts = &core->facts;

    if (core->sdk != KS_SDK_KETSEAL) {
        put_sdk(core, out);
        return;
    }
    ks_buf_put_format(out, "%-12s %s, numerics %llu", "method", ks_method_name(facts->method),
                      (unsigned long long)core->numerics);
    if (facts->method == KS_METHOD_SPARSE) {
        ks_buf_put_format(out, ", %llu amplitudes, discarded %.1e",
                          (unsigned long long)facts->amplitudes, facts->discarded_weight);
    } else if (facts->method == KS_METHOD_MPS) {
        ks_buf_put_format(out, ", bond %u of %u, cutoff %.1e, discarded %.1e", facts->bond,
                          core->bond_max, core->cutoff, facts->discarded_weight);
    }
    ks_buf_put_text(out, core->noise != NULL ? ", under noise\n" : "\n");
    if (core->method_reason.len > 0) {
        put_line(out, "reason", core->method_reason);
    }
    if (core->noise != NULL) {
        ks_buf_put_format(out, "%-12s ", "noise");
        ks_json_canonical(core->noise, out);
        ks_buf_put_text(out, "\n");
    }
}

static void put_run(const struct ks_core *core, struct ks_buf *out)
{
    ks_buf_put_format(out, "%-12s %u qubits, %u clbits, %llu shots, seed %llu, %s precision\n",
                      "run", core->qubits, core->clbits, (unsigned long long)core->shots,
                      (unsigned long long)core->seed, core->single ? "single" : "double");
    put_method(core, out);
    if (core->sdk == KS_SDK_KETSEAL) {
        put_line(out, "kernels", core->isa);
    }
}

/* What a round, or a contribution to it, has in place of a circuit. */
static void put_learning(const struct ks_core *core, struct ks_buf *out)
{
    const struct ks_core_fl *fl = &core->fl;

    put_hex_line(out, "session", KS_BYTES(fl->session));
    ks_buf_put_format(out, "%-12s %llu\n", "round", (unsigned long long)fl->round);
    put_hex_line(out, "parent", KS_BYTES(fl->parent));
    ks_buf_put_format(out, "%-12s %llu\n", "params", (unsigned long long)fl->params);
    put_hex_line(out, "descriptor", KS_BYTES(fl->descriptor));
    if (core->kind == KS_KIND_UPDATE) {
        ks_buf_put_format(out, "%-12s %llu, %llu bytes sealed, ", "samples",
                          (unsigned long long)fl->samples, (unsigned long long)fl->length);
        ks_cli_put_shown(out, fl->encoding);
        ks_buf_put_text(out, "\n");
        put_hex_line(out, "sealed", KS_BYTES(fl->sealed));
    }
    put_line(out, "kernels", core->isa);
}

/* Who asked, and with which key. */
static void put_request(const struct ks_core *core, struct ks_buf *out)
{
    if (core->kind == KS_KIND_ROUND) {
        put_line(out, "operator", core->device);
        put_hex_line(out, "order", KS_BYTES(core->fl.order));
        return;
    }
    put_line(out, "device", core->device);
    ks_buf_put_format(out, "%-12s %llu\n", "counter", (unsigned long long)core->counter);
    put_line(out, "key", core->key_id);
    ks_buf_put_format(out, "%-12s %s, asked for %s\n", "key source",
                      ks_key_source_name(core->key_source),
                      ks_key_source_name(core->key_policy));
}

static void put_core(const struct ks_core *core, struct ks_buf *out)
{
    put_line(out, "record", ks_bytes_text(core->record_id));
    put_line(out, "workload", core->name);
    put_line(out, "parameters", core->parameters);
    if (core->kind == KS_KIND_CIRCUIT) {
        put_run(core, out);
    } else {
        put_learning(core, out);
    }
    ks_buf_put_format(out, "%-12s %u\n", "threads", core->threads);
    put_time_line(out, "started", core->started_us);
    put_time_line(out, "finished", core->finished_us);
    put_time_line(out, "sealed", core->created_us);
    put_request(core, out);
    put_line(out, "ledger", core->origin);
    if (core->kind == KS_KIND_CIRCUIT) {
        put_hex_line(out, "circuit", KS_BYTES(core->circuit_hash));
        put_hex_line(out, "source", KS_BYTES(core->source_digest));
    }
    put_hex_line(out, "worker", KS_BYTES(core->build));
    put_line(out, "tpm", ks_bytes_text(core->simulated_tpm ? "simulated" : "hardware"));
}

static enum ks_err show_text(const struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_buf result;

    ks_buf_init(&out, 4 * KS_RESULT_BYTES_MAX);
    ks_buf_init(&result, 2 * KS_RESULT_BYTES_MAX);
    put_core(&bundle->core, &out);
    ks_buf_put_format(&out, "%-12s intent %llu, record %llu\n", "index",
                      (unsigned long long)bundle->core.intent_index,
                      (unsigned long long)bundle->inclusion.index);
    put_hex_line(&out, "hash", KS_BYTES(bundle->core_hash));
    ks_buf_put_text(&out, "result\n");
    if (bundle->core.kind == KS_KIND_CIRCUIT) {
        KS_TRY(ks_cli_outcomes(bundle->core.result, SIZE_MAX, &result));
    } else {
        ks_cli_put_shown(&result, bundle->core.result);
        ks_buf_put_text(&result, "\n");
    }
    ks_buf_put(&out, ks_buf_view(&result));
    ks_buf_put_text(&out, "(read, not verified: ketseal verify)\n");
    KS_TRY(ks_buf_check(&out));
    ks_cli_print_bytes(ks_buf_view(&out));
out:
    ks_buf_done(&out);
    ks_buf_done(&result);
    return err;
}

/* The core as it was hashed: its SHA-256 is record_hash. */
static enum ks_err show_json(const struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    struct ks_buf core;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&core, KS_RECORD_BYTES_MAX);
    ks_buf_init(&out, KS_RECORD_BYTES_MAX + 4096);
    ks_core_write(&bundle->core, &core);
    KS_TRY(ks_buf_check(&core));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "core");
    ks_json_put_canonical(&writer, ks_buf_view(&core));
    ks_json_member_hex(&writer, "evidence_hash", KS_BYTES(bundle->evidence_hash));
    ks_json_member_u64(&writer, "index", bundle->inclusion.index);
    ks_json_member_hex(&writer, "record_hash", KS_BYTES(bundle->core_hash));
    ks_json_member_text(&writer, "schema", "ketseal.record-show/1");
    ks_json_member_hex(&writer, "signatures_hash", KS_BYTES(bundle->signatures_hash));
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&core);
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_record_show(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;

    KS_TRY(ks_cli_bundle_read(cli->operands[0], &bundle));
    KS_TRY(cli->json ? show_json(bundle) : show_text(bundle));
out:
    ks_bundle_free(bundle);
    return err;
}
