/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "mpi/options.h"

#include <string.h>

#include "base/json.h"
#include "base/pool.h"
#include "base/text.h"
#include "quantum/ranks.h"

enum flag {
    FLAG_JSON,
    FLAG_QUIET,
    FLAG_SHOTS,
    FLAG_SEED,
    FLAG_PRECISION,
    FLAG_THREADS,
    FLAG_KERNELS,
    FLAG_MEMORY,
    FLAG_METHOD,
    FLAG_RANKS,
    FLAG_COUNT
};

struct flag_info {
    const char *name;
    const char *value; /* NULL: a switch */
    const char *help;
};

static const struct flag_info flags[FLAG_COUNT] = {
    [FLAG_JSON] = {"json", NULL,
                   "one JSON object as the result, errors as one on standard error"},
    [FLAG_QUIET] = {"quiet", NULL, "no progress on standard error"},
    [FLAG_SHOTS] = {"shots", "N", "samples to draw [1024]"},
    [FLAG_SEED] = {"seed", "N", "seed of the sampling; default: random, and shown"},
    [FLAG_PRECISION] = {"precision", "NAME", "single or double [double]"},
    [FLAG_THREADS] = {"threads", "N",
                      "threads of each rank; default: the machine's processors shared out"},
    [FLAG_KERNELS] = {"kernels", "NAME", "scalar, avx2 or avx512; default: the best here"},
    [FLAG_MEMORY] = {"memory", "MIB", "most memory for each rank's share of the state [4096]"},
    [FLAG_METHOD] = {"method", "NAME", "statevector, which is the only one over ranks"},
    [FLAG_RANKS] = {"ranks", "N", "plan: for so many ranks; default: those that there are"},
};

void ks_mpi_help(FILE *stream)
{
    (void)fputs("usage: mpirun -n RANKS ketseal-mpi simulate [--flag=VALUE]… FILE\n"
                "       ketseal-mpi plan [--flag=VALUE]… FILE\n"
                "Simulates a circuit whose state several processes share, or says what they "
                "would exchange.\n"
                "Its results say isolation: none. See ketseal-mpi(1).\n",
                stream);
    for (unsigned i = 0; i < FLAG_COUNT; i++) {
        (void)fprintf(stream, "  --%s%s%s\n      %s\n", flags[i].name,
                      flags[i].value == NULL ? "" : "=",
                      flags[i].value == NULL ? "" : flags[i].value, flags[i].help);
    }
}

static enum ks_err read_number(enum flag flag, const char *text, uint64_t min, uint64_t max,
                               uint64_t *out)
{
    uint64_t value = 0;

    if (ks_text_u64(ks_bytes_text(text), max, &value) != KS_OK || value < min) {
        return ks_fail(KS_ERR_USAGE, "--%s: '%s' is no number from %llu to %llu",
                       flags[flag].name, text, (unsigned long long)min,
                       (unsigned long long)max);
    }
    *out = value;
    return KS_OK;
}

static enum ks_err read_precision(const char *text, enum ks_precision *out)
{
    const bool single = strcmp(text, "single") == 0;

    if (!single && strcmp(text, "double") != 0) {
        return ks_fail(KS_ERR_USAGE, "--precision: single or double, not '%s'", text);
    }
    *out = single ? KS_PRECISION_SINGLE : KS_PRECISION_DOUBLE;
    return KS_OK;
}

static enum ks_err take_value(enum flag flag, const char *text, struct ks_mpi_options *options)
{
    switch (flag) {
    case FLAG_JSON:
        options->json = true;
        return KS_OK;
    case FLAG_QUIET:
        options->quiet = true;
        return KS_OK;
    case FLAG_SHOTS:
        return read_number(flag, text, 1, KS_SHOTS_MAX, &options->shots);
    case FLAG_SEED:
        options->seeded = true;
        return read_number(flag, text, 0, KS_JSON_INTEGER_MAX, &options->seed);
    case FLAG_PRECISION:
        return read_precision(text, &options->precision);
    case FLAG_THREADS:
        return read_number(flag, text, 1, KS_POOL_THREADS_MAX, &options->threads);
    case FLAG_KERNELS:
        options->kernels = text;
        return strcmp(text, "scalar") == 0 || strcmp(text, "avx2") == 0 ||
                       strcmp(text, "avx512") == 0
                   ? KS_OK
                   : ks_fail(KS_ERR_USAGE, "--kernels: scalar, avx2 or avx512, not '%s'", text);
    case FLAG_MEMORY:
        return read_number(flag, text, 1, UINT32_MAX, &options->memory_mib);
    case FLAG_RANKS:
        return read_number(flag, text, 1, KS_RANKS_MAX, &options->ranks);
    default:
        return strcmp(text, "statevector") == 0
                   ? KS_OK
                   : ks_fail(KS_ERR_USAGE,
                             "--method: over ranks statevector alone, not '%s'; ketseal "
                             "circuit simulate has the others",
                             text);
    }
}

static enum ks_err take_flag(const char *text, const char *next, bool *out_used_next,
                             struct ks_mpi_options *options)
{
    const char *equals = strchr(text, '=');
    const size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);
    enum ks_err err = KS_OK;
    unsigned flag = 0;

    while (flag < FLAG_COUNT &&
           (strlen(flags[flag].name) != len || strncmp(flags[flag].name, text, len) != 0)) {
        flag++;
    }
    KS_CHECK(flag < FLAG_COUNT, KS_ERR_USAGE, "--%.*s: no such flag", (int)len, text);
    if (flags[flag].value == NULL) {
        KS_CHECK(equals == NULL, KS_ERR_USAGE, "--%s takes no value", flags[flag].name);
    } else if (equals == NULL) {
        KS_CHECK(next != NULL, KS_ERR_USAGE, "--%s: a value is missing", flags[flag].name);
        *out_used_next = true;
    }
    KS_TRY(take_value((enum flag)flag, equals == NULL ? next : equals + 1, options));
out:
    return err;
}

static enum ks_err take_operand(const char *text, bool *out_verb_seen,
                                struct ks_mpi_options *options)
{
    if (*out_verb_seen) {
        if (options->file != NULL) {
            return ks_fail(KS_ERR_USAGE, "'%s': one operand too many", text);
        }
        options->file = text;
        return KS_OK;
    }
    *out_verb_seen = true;
    if (strcmp(text, "simulate") != 0 && strcmp(text, "plan") != 0) {
        return ks_fail(KS_ERR_USAGE, "'%s': no such command; try ketseal-mpi --help", text);
    }
    options->verb = strcmp(text, "plan") == 0 ? KS_MPI_PLAN : KS_MPI_SIMULATE;
    return KS_OK;
}

enum ks_err ks_mpi_options_read(int argc, char **argv, struct ks_mpi_options *out_options)
{
    enum ks_err err = KS_OK;
    bool verb_seen = false;
    bool only_operands = false;

    *out_options = (struct ks_mpi_options){.shots = 1024, .memory_mib = 4096};
    for (int i = 1; i < argc; i++) {
        out_options->json = out_options->json || strcmp(argv[i], "--json") == 0;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return KS_OK; /* the verb is HELP */
        }
    }
    for (int i = 1; i < argc; i++) {
        bool used_next = false;

        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && strcmp(argv[i], "--version") == 0) {
            out_options->verb = KS_MPI_VERSION;
            return KS_OK;
        } else if (!only_operands && strncmp(argv[i], "--", 2) == 0) {
            KS_TRY(take_flag(argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL, &used_next,
                             out_options));
        } else {
            KS_TRY(take_operand(argv[i], &verb_seen, out_options));
        }
        i += used_next ? 1 : 0;
    }
    KS_CHECK(verb_seen, KS_ERR_USAGE, "no command; try ketseal-mpi --help");
    KS_CHECK(out_options->file != NULL, KS_ERR_USAGE, "missing operand: FILE");
out:
    return err;
}
