/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ketseal-mpi: a circuit whose state the processes of one `mpirun` share. Rank 0 reads the
 * program and writes the result; a failure of any rank is that of all, said once.
 *
 *   mpirun -n RANKS ketseal-mpi simulate [--flag=VALUE]… FILE
 *
 * Nothing here is isolated, and the result says so. */

#include <sched.h>
#include <stdio.h>

#include "base/json.h"
#include "base/pool.h"
#include "base/sys.h"
#include "crypto/digest.h"
#include "crypto/version.h"
#include "mpi/options.h"
#include "mpi/transport.h"

#define SOURCE_MAX ((size_t)8 << 20) /* as ketseal's own programs */
#define TEXT_MAX   ((size_t)16 << 30)

struct run {
    struct ks_ranks ranks;
    struct ks_mpi_options options;
    struct ks_circuit *circuit;
    struct ks_pool *pool;
    struct ks_simulate_spec spec;
};

static const char *shown_name(const struct run *run)
{
    return run->options.file[0] == '-' && run->options.file[1] == '\0' ? "standard input"
                                                                       : run->options.file;
}

/* --- what all ranks have to have alike ---------------------------------------------------- */

/* Rank 0 reads, all get the bytes: the others need not see the file. */
static enum ks_err share_source(const struct run *run, struct ks_buf *source)
{
    enum ks_err err = KS_OK;
    uint64_t len = 0;
    uint8_t *target = NULL;

    if (run->ranks.rank == 0) {
        err = ks_file_read(run->options.file, SOURCE_MAX, source);
        len = source->len;
    }
    KS_TRY(ks_ranks_agree(&run->ranks, err));
    KS_TRY(ks_ranks_share(&run->ranks, &len, sizeof len));
    if (run->ranks.rank != 0) {
        target = ks_buf_reserve(source, (size_t)len);
        err = target == NULL ? ks_buf_check(source) : KS_OK;
    } else {
        target = source->data;
    }
    KS_TRY(ks_ranks_agree(&run->ranks, err));
    KS_TRY(ks_ranks_share(&run->ranks, target, (size_t)len));
    if (run->ranks.rank != 0) {
        ks_buf_grew(source, (size_t)len);
    }
out:
    return err;
}

static enum ks_err read_circuit(struct run *run)
{
    enum ks_err err = KS_OK;
    struct ks_buf source;
    struct ks_bytes view;

    ks_buf_init(&source, SOURCE_MAX);
    KS_TRY(share_source(run, &source));
    view = ks_buf_view(&source);
    err = ks_circuit_parse(&view, shown_name(run), NULL, &run->circuit);
    KS_TRY(ks_ranks_agree(&run->ranks, err));
out:
    ks_buf_done(&source);
    return err;
}

static enum ks_err share_seed(struct run *run)
{
    enum ks_err err = KS_OK;
    uint64_t seed = run->options.seed;

    if (!run->options.seeded && run->ranks.rank == 0) {
        err = ks_random(&seed, sizeof seed);
        seed &= KS_JSON_INTEGER_MAX;
    }
    KS_TRY(ks_ranks_agree(&run->ranks, err));
    KS_TRY(ks_ranks_share(&run->ranks, &seed, sizeof seed));
    run->spec.seed = seed;
    if (!run->options.seeded && run->ranks.rank == 0 && !run->options.quiet &&
        !run->options.json) {
        (void)fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    }
out:
    return err;
}

/* The processors that this process may use, shared out among the ranks here. */
static unsigned threads_of(const struct run *run)
{
    cpu_set_t set;
    unsigned processors = 1;
    const uint32_t neighbours = ks_transport_neighbours(); /* together, whatever follows */

    if (run->options.threads != 0) {
        return (unsigned)run->options.threads;
    }
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        processors = (unsigned)CPU_COUNT(&set);
    }
    processors /= neighbours;
    processors = processors < 1 ? 1 : processors;
    return processors < KS_POOL_THREADS_MAX ? processors : KS_POOL_THREADS_MAX;
}

/* --- simulate ----------------------------------------------------------------------------- */

static enum ks_err put_result(const struct run *run, const struct ks_counts *counts,
                              const struct ks_traffic *traffic, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf text;
    uint8_t hash[KS_SHA256_LEN];

    ks_buf_init(&text, TEXT_MAX);
    ks_circuit_print(run->circuit, &text);
    KS_TRY(ks_buf_check(&text));
    ks_sha256(ks_buf_view(&text), hash);
    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "circuit_hash", KS_BYTES(hash));
    ks_json_put_key(&writer, "counts");
    ks_json_put_object(&writer);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_json_member_u64(&writer, ks_counts_outcome(counts, i), ks_counts_count(counts, i));
    }
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "exchanged_bytes", traffic->bytes);
    ks_json_member_u64(&writer, "exchanges", traffic->exchanges);
    ks_json_member_text(&writer, "isolation", "none");
    ks_json_member_text(&writer, "kernels",
                        run->spec.kernels == NULL ? ks_simulate_kernels() : run->spec.kernels);
    ks_json_member_u64(&writer, "merged_bytes", traffic->merged);
    ks_json_member_text(&writer, "method", "statevector");
    ks_json_member_text(&writer, "method_reason", "the only one over ranks");
    ks_json_member_u64(&writer, "numerics", KS_NUMERICS);
    ks_json_member_text(&writer, "precision",
                        run->spec.precision == KS_PRECISION_SINGLE ? "single" : "double");
    ks_json_member_u64(&writer, "ranks", run->ranks.count);
    ks_json_member_text(&writer, "schema", "ketseal.simulate/1");
    ks_json_member_u64(&writer, "seed", run->spec.seed);
    ks_json_member_u64(&writer, "shots", run->spec.shots);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&text);
    return err;
}

static enum ks_err put_lines(const struct run *run, const struct ks_counts *counts,
                             const struct ks_traffic *traffic, struct ks_buf *out)
{
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        ks_buf_put_format(out, "%s %llu\n", ks_counts_outcome(counts, i),
                          (unsigned long long)ks_counts_count(counts, i));
    }
    if (!run->options.quiet) {
        (void)fprintf(stderr, "%u ranks, %llu exchanges of %llu bytes; isolation: none\n",
                      run->ranks.count, (unsigned long long)traffic->exchanges,
                      (unsigned long long)traffic->bytes);
    }
    return ks_buf_check(out);
}

static enum ks_err simulate(struct run *run, struct ks_buf *out)
{
    const unsigned threads = threads_of(run);
    enum ks_err err = KS_OK;
    struct ks_counts *counts = NULL;
    struct ks_traffic traffic = {0};

    run->spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    run->spec.shots = run->options.shots;
    run->spec.precision = run->options.precision;
    run->spec.kernels = run->options.kernels;
    run->spec.memory_max = run->options.memory_mib << 20;
    run->spec.method = KS_METHOD_STATEVECTOR;
    KS_TRY(share_seed(run));
    err = ks_pool_new(threads, &run->pool);
    KS_TRY(ks_ranks_agree(&run->ranks, err));
    run->spec.pool = run->pool;
    err = ks_ranks_simulate(run->circuit, &run->spec, &run->ranks, &counts, &traffic);
    KS_TRY(ks_fail_prefix(err, "%s", shown_name(run)));
    if (run->ranks.rank == 0) {
        err = run->options.json ? put_result(run, counts, &traffic, out)
                                : put_lines(run, counts, &traffic, out);
    }
    KS_TRY(ks_ranks_agree(&run->ranks, err));
out:
    ks_counts_free(counts);
    return err;
}

/* --- plan --------------------------------------------------------------------------------- */

static enum ks_err put_forecast(const struct run *run, uint32_t count,
                                const struct ks_ranks_forecast *forecast, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    if (forecast->traffic.bytes <=
        KS_JSON_INTEGER_MAX) { /* absent: more than any have time for */
        ks_json_member_u64(&writer, "exchanged_bytes", forecast->traffic.bytes);
    }
    ks_json_member_u64(&writer, "exchanges", forecast->traffic.exchanges);
    ks_json_member_u64(&writer, "memory_bytes", forecast->memory);
    ks_json_member_u64(&writer, "passes", forecast->passes);
    ks_json_member_text(&writer, "precision",
                        run->options.precision == KS_PRECISION_SINGLE ? "single" : "double");
    ks_json_member_u64(&writer, "ranks", count);
    ks_json_member_text(&writer, "schema", "ketseal.ranks-plan/1");
    ks_json_member_u64(&writer, "slots", forecast->slots);
    ks_json_member_u64(&writer, "slots_local", forecast->local);
    ks_json_member_bool(&writer, "whole", forecast->whole);
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
    return ks_buf_check(out);
}

static enum ks_err plan(const struct run *run, struct ks_buf *out)
{
    const uint32_t count =
        run->options.ranks == 0 ? run->ranks.count : (uint32_t)run->options.ranks;
    struct ks_ranks_forecast forecast;
    enum ks_err err = ks_ranks_predict(run->circuit, run->options.precision, count, &forecast);

    KS_TRY(ks_ranks_agree(&run->ranks, ks_fail_prefix(err, "%s", shown_name(run))));
    if (run->ranks.rank == 0 && run->options.json) {
        err = put_forecast(run, count, &forecast, out);
    } else if (run->ranks.rank == 0) {
        ks_buf_put_format(out,
                          "state      2^%u amplitudes%s\n"
                          "ranks      %u, each with 2^%u amplitudes at most, %llu bytes\n"
                          "passes     %u\n"
                          "exchanges  %llu, %llu bytes in all\n",
                          forecast.slots,
                          forecast.whole ? "" : ", up to what waits for a measurement", count,
                          forecast.local, (unsigned long long)forecast.memory, forecast.passes,
                          (unsigned long long)forecast.traffic.exchanges,
                          (unsigned long long)forecast.traffic.bytes);
        err = ks_buf_check(out);
    }
    KS_TRY(ks_ranks_agree(&run->ranks, err));
out:
    return err;
}

/* --- the program -------------------------------------------------------------------------- */

static void report(const struct run *run, enum ks_err err)
{
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);

    if (!run->options.json) {
        (void)fprintf(stderr, "ketseal-mpi: %s\n", ks_err_detail());
        return;
    }
    ks_buf_init(&text, 4096);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "detail", ks_err_detail());
    ks_json_member_text(&writer, "error", ks_err_name(err));
    ks_json_member_text(&writer, "schema", "ketseal.error/1");
    ks_json_put_end(&writer);
    (void)fprintf(stderr, "%.*s\n", (int)text.len, (const char *)text.data);
    ks_buf_done(&text);
}

/* What rank 0 writes, or the lack of it, is a failure of all. */
static enum ks_err write_out(const struct run *run, const struct ks_buf *out)
{
    const struct ks_bytes bytes = ks_buf_view(out);
    enum ks_err err = KS_OK;

    if (run->ranks.rank == 0 && (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len ||
                                 fflush(stdout) != 0 || ferror(stdout) != 0)) {
        err = ks_fail(KS_ERR_IO, "cannot write to standard output");
    }
    return ks_ranks_agree(&run->ranks, err);
}

static enum ks_err run_verb(struct run *run)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;

    ks_buf_init(&out, TEXT_MAX);
    if (run->options.verb == KS_MPI_HELP || run->options.verb == KS_MPI_VERSION) {
        if (run->ranks.rank == 0 && run->options.verb == KS_MPI_HELP) {
            ks_mpi_help(stdout);
        } else if (run->ranks.rank == 0) {
            ks_buf_put_text(&out, "ketseal-mpi " KS_VERSION "\n");
        }
    } else {
        KS_TRY(read_circuit(run));
        KS_TRY(run->options.verb == KS_MPI_PLAN ? plan(run, &out) : simulate(run, &out));
    }
    KS_TRY(write_out(run, &out));
out:
    ks_buf_done(&out);
    return err;
}

int main(int argc, char **argv)
{
    struct run run = {.ranks = {.count = 1}};
    enum ks_err err = ks_crypto_check_version();
    const enum ks_err usage = ks_mpi_options_read(argc, argv, &run.options);
    bool begun = false;

    KS_TRY(err);
    KS_TRY(ks_transport_begin(&run.ranks));
    begun = true;
    KS_TRY(ks_ranks_agree(&run.ranks, usage));
    KS_TRY(run_verb(&run));
out:
    ks_circuit_free(run.circuit);
    ks_pool_free(run.pool);
    if (err != KS_OK && run.ranks.rank == 0) {
        report(&run, err);
    }
    if (begun) {
        ks_transport_end();
    }
    return ks_err_exit_code(err);
}
