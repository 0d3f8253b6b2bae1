/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/exact.h"

#include <string.h>

#include "base/text.h"

#define BITS_MAX 1024

/* --- flags -------------------------------------------------------------------------------- */

bool ks_cli_exact_wanted(const struct ks_cli *cli)
{
    const char *const *sums = NULL;

    return ks_cli_switch(cli, "probabilities") || ks_cli_many(cli, "expect", &sums) > 0 ||
           ks_cli_text(cli, "amplitudes") != NULL || ks_cli_text(cli, "state-out") != NULL;
}

/* Takes what stands before the next ',' of *LIST, and that; false when the list is over. */
static bool next_item(struct ks_bytes *list, struct ks_bytes *out_item)
{
    size_t len = 0;

    if (list->data == NULL) {
        return false;
    }
    while (len < list->len && list->data[len] != ',') {
        len++;
    }
    *out_item = ks_bytes_of(list->data, len);
    *list = len < list->len ? ks_bytes_of(list->data + len + 1, list->len - len - 1)
                            : ks_bytes_of(NULL, 0);
    return true;
}

/* The classical bits of --marginal, the first one rightmost; *OUT_COUNT 0 without it. */
static enum ks_err read_bits(const struct ks_cli *cli, uint32_t bits[BITS_MAX],
                             size_t *out_count)
{
    const char *text = ks_cli_text(cli, "marginal");
    struct ks_bytes list = text == NULL ? ks_bytes_of(NULL, 0) : ks_bytes_text(text);
    struct ks_bytes item;
    size_t count = 0;
    enum ks_err err = KS_OK;

    while (next_item(&list, &item)) {
        uint64_t bit = 0;

        KS_CHECK(count < BITS_MAX, KS_ERR_USAGE, "--marginal: more than %d bits", BITS_MAX);
        KS_TRY(ks_fail_prefix(ks_text_u64(item, UINT32_MAX, &bit),
                              "--marginal: numbers of classical bits, such as 2,0"));
        bits[count++] = (uint32_t)bit;
    }
    *out_count = count;
out:
    return err == KS_ERR_FORMAT ? KS_ERR_USAGE : err;
}

enum ks_err ks_cli_marginal(const struct ks_cli *cli, struct ks_counts **counts)
{
    uint32_t bits[BITS_MAX];
    struct ks_counts *some = NULL;
    size_t count = 0;
    enum ks_err err = KS_OK;

    KS_TRY(read_bits(cli, bits, &count));
    if (count > 0) {
        KS_TRY(ks_fail_prefix(ks_counts_marginal(*counts, bits, count, &some), "--marginal"));
        ks_counts_free(*counts);
        *counts = some;
    }
out:
    return err;
}

/* --- answers ------------------------------------------------------------------------------ */

/* One answer in both forms: TEXT is NULL for JSON, and WRITER for text. */
struct answer {
    struct ks_buf *text;
    struct ks_json_writer *writer;
};

static void put_value(const struct answer *answer, double value)
{
    char digits[KS_DOUBLE_TEXT_MAX];

    if (answer->writer != NULL) {
        ks_json_put_double(answer->writer, value);
    } else {
        ks_buf_put_u8(answer->text, ' ');
        ks_buf_put(answer->text, ks_bytes_of(digits, ks_double_text(value, digits)));
    }
}

/* The member or line that begins with NAME. */
static void begin_line(const struct answer *answer, const char *kind, struct ks_bytes name)
{
    if (answer->writer != NULL) {
        ks_json_put_key_bytes(answer->writer, name);
    } else {
        ks_buf_put_format(answer->text, "%s ", kind);
        ks_buf_put(answer->text, name);
    }
}

static void end_line(const struct answer *answer)
{
    if (answer->writer == NULL) {
        ks_buf_put_u8(answer->text, '\n');
    }
}

static void begin_group(const struct answer *answer, const char *name)
{
    if (answer->writer != NULL) {
        ks_json_put_key(answer->writer, name);
        ks_json_put_object(answer->writer);
    }
}

static void end_group(const struct answer *answer)
{
    if (answer->writer != NULL) {
        ks_json_put_end(answer->writer);
    }
}

/* The COUNT lowest bits of VALUE, the highest first. */
static struct ks_bytes bits_text(uint64_t value, size_t count, char target[64])
{
    for (size_t i = 0; i < count; i++) {
        target[count - 1 - i] = (value >> i & 1) != 0 ? '1' : '0';
    }
    return ks_bytes_of(target, count);
}

/* --- probabilities ------------------------------------------------------------------------ */

#define NEGLIGIBLE 0x1p-50 /* rounding makes as much of nothing */

/* Adds up PROBABILITIES of all bits to those of BITS. */
static enum ks_err reduce(double **probabilities, size_t clbits, const uint32_t *bits,
                          size_t count)
{
    double *some = NULL;
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i++) {
        KS_CHECK(bits[i] < clbits && count <= clbits, KS_ERR_USAGE,
                 "--marginal: classical bit %u of %zu", bits[i], clbits);
    }
    some = ks_calloc((size_t)1 << count, sizeof *some);
    KS_CHECK(some != NULL, KS_ERR_NOMEM, "no memory for the probabilities of %zu bits", count);
    for (size_t k = 0; k < (size_t)1 << clbits; k++) {
        size_t target = 0;

        for (size_t i = 0; i < count; i++) {
            target |= (k >> bits[i] & 1) << i;
        }
        some[target] += (*probabilities)[k];
    }
    ks_free(*probabilities);
    *probabilities = some;
out:
    return err;
}

static enum ks_err put_probabilities(const struct ks_cli *cli, const struct ks_circuit *circuit,
                                     const struct ks_simulate_spec *spec,
                                     const struct answer *answer)
{
    size_t count = ks_circuit_clbits(circuit);
    uint32_t bits[BITS_MAX];
    size_t marginal = 0;
    double *probabilities = NULL;
    char text[64];
    enum ks_err err = KS_OK;

    KS_TRY(read_bits(cli, bits, &marginal));
    KS_CHECK(count <= KS_PROBABILITIES_CLBITS_MAX, KS_ERR_LIMIT,
             "probabilities of %zu classical bits, limit %d", count,
             KS_PROBABILITIES_CLBITS_MAX);
    probabilities = ks_calloc((size_t)1 << count, sizeof *probabilities);
    KS_CHECK(probabilities != NULL, KS_ERR_NOMEM, "no memory for probabilities");
    KS_TRY(ks_probabilities(circuit, spec, probabilities));
    if (marginal > 0) {
        KS_TRY(reduce(&probabilities, count, bits, marginal));
        count = marginal;
    }
    begin_group(answer, "probabilities");
    for (size_t k = 0; k < (size_t)1 << count; k++) {
        if (probabilities[k] > NEGLIGIBLE) {
            begin_line(answer, "probability", bits_text(k, count, text));
            put_value(answer, probabilities[k]);
            end_line(answer);
        }
    }
    end_group(answer);
out:
    ks_free(probabilities);
    return err;
}

/* --- states ------------------------------------------------------------------------------- */

/* The basis states of --amplitudes: one bit for each qubit, qubit 0 rightmost. In JSON they
 * have to come in order. */
static enum ks_err put_amplitudes(const struct ks_cli *cli, const struct ks_final *final,
                                  uint32_t qubits, const struct answer *answer)
{
    struct ks_bytes list = ks_bytes_text(ks_cli_text(cli, "amplitudes"));
    struct ks_bytes item;
    struct ks_bytes before = {0};
    enum ks_err err = KS_OK;

    begin_group(answer, "amplitudes");
    while (next_item(&list, &item)) {
        uint64_t index = 0;
        double amplitude[2];

        KS_CHECK(item.len == qubits, KS_ERR_USAGE,
                 "--amplitudes: states of %u bits, such as 010,111", qubits);
        for (size_t i = 0; i < item.len; i++) {
            KS_CHECK(item.data[i] == '0' || item.data[i] == '1', KS_ERR_USAGE,
                     "--amplitudes: states of %u bits, such as 010,111", qubits);
            index = index << 1 | (item.data[i] == '1');
        }
        KS_CHECK(before.data == NULL || ks_bytes_compare(before, item) < 0, KS_ERR_USAGE,
                 "--amplitudes: in ascending order, each once");
        before = item;
        ks_final_amplitude(final, index, amplitude);
        begin_line(answer, "amplitude", item);
        if (answer->writer != NULL) {
            ks_json_put_array(answer->writer);
        }
        put_value(answer, amplitude[0]);
        put_value(answer, amplitude[1]);
        end_group(answer);
        end_line(answer);
    }
    end_group(answer);
out:
    return err;
}

static enum ks_err put_expectations(const struct ks_cli *cli, struct ks_final *final,
                                    const struct answer *answer)
{
    const char *const *sums = NULL;
    const unsigned count = ks_cli_many(cli, "expect", &sums);
    enum ks_err err = KS_OK;

    if (answer->writer != NULL) {
        ks_json_put_key(answer->writer, "expectations");
        ks_json_put_array(answer->writer);
    }
    for (unsigned i = 0; i < count; i++) {
        const struct ks_bytes sum = ks_bytes_text(sums[i]);
        double value = 0;

        KS_TRY(ks_fail_prefix(ks_final_expect(final, &sum, &value), "--expect"));
        if (answer->writer != NULL) {
            ks_json_put_object(answer->writer);
            ks_json_member_string(answer->writer, "observable", sum);
            ks_json_put_key(answer->writer, "value");
        } else {
            begin_line(answer, "expect", sum);
        }
        put_value(answer, value);
        end_group(answer);
        end_line(answer);
    }
    end_group(answer);
out:
    return err;
}

static enum ks_err save_state(const struct ks_cli *cli, const struct ks_final *final,
                              const struct ks_simulate_spec *spec)
{
    const char *path = ks_cli_text(cli, "state-out");
    struct ks_buf file;
    enum ks_err err = KS_OK;

    ks_buf_init(&file, spec->memory_max == 0 ? SIZE_MAX : (size_t)spec->memory_max + 128);
    KS_CHECK(strcmp(path, "-") != 0, KS_ERR_USAGE, "--state-out: a file, not standard output");
    ks_final_npy(final, &file);
    KS_TRY(ks_fail_prefix(ks_buf_check(&file), "--state-out"));
    KS_TRY(ks_cli_output(path, cli->operand_count > 0 ? cli->operands[0] : NULL,
                         ks_buf_view(&file)));
out:
    ks_buf_done(&file);
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

static void put_noise(const struct ks_noise *noise, struct ks_json_writer *writer)
{
    struct ks_buf text;

    ks_buf_init(&text, 4096);
    ks_noise_print(noise, &text);
    ks_json_put_key(writer, "noise");
    ks_json_put_canonical(writer, ks_buf_view(&text));
    ks_buf_done(&text);
}

void ks_cli_noise_put(const struct ks_simulate_spec *spec, struct ks_json_writer *writer)
{
    if (spec->noise != NULL) {
        put_noise(spec->noise, writer);
    }
}

static enum ks_err put_hash(const struct ks_circuit *circuit, struct ks_json_writer *writer)
{
    struct ks_buf text;
    uint8_t hash[32];
    enum ks_err err = KS_OK;

    ks_buf_init(&text, KS_CIRCUIT_TEXT_MAX);
    KS_TRY(ks_cli_circuit_text(circuit, &text, hash));
    ks_json_member_hex(writer, "circuit_hash", KS_BYTES(hash));
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_cli_exact(const struct ks_cli *cli, const struct ks_circuit *circuit,
                         const struct ks_simulate_spec *spec, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    const struct answer answer = {.text = out, .writer = cli->json ? &writer : NULL};
    const char *const *sums = NULL;
    const bool expect = ks_cli_many(cli, "expect", &sums) > 0;
    const bool amplitudes = ks_cli_text(cli, "amplitudes") != NULL;
    const bool save = ks_cli_text(cli, "state-out") != NULL;
    const enum ks_method method =
        spec->method == KS_METHOD_AUTO ? KS_METHOD_STATEVECTOR : spec->method;
    struct ks_final *final = NULL;
    enum ks_err err = KS_OK;

    KS_CHECK(spec->noise == NULL || !(expect || amplitudes || save), KS_ERR_USAGE,
             "--noise leaves no state: --expect, --amplitudes and --state-out need one");
    if (expect || amplitudes || save) {
        KS_TRY(ks_final_new(circuit, spec, &final));
    }
    if (answer.writer != NULL) {
        ks_json_put_object(&writer);
    }
    if (amplitudes) {
        KS_TRY(put_amplitudes(cli, final, ks_circuit_qubits(circuit), &answer));
    }
    if (answer.writer != NULL) {
        KS_TRY(put_hash(circuit, &writer));
    }
    if (expect) {
        KS_TRY(put_expectations(cli, final, &answer));
    }
    if (answer.writer != NULL) {
        if (method == KS_METHOD_STATEVECTOR) {
            ks_json_member_text(&writer, "kernels", ks_cli_kernels(spec));
        }
        ks_json_member_text(&writer, "method", ks_method_name(method));
        ks_cli_noise_put(spec, &writer);
        ks_json_member_u64(&writer, "numerics", ks_method_numerics(method));
        ks_json_member_text(&writer, "precision",
                            spec->precision == KS_PRECISION_SINGLE ? "single" : "double");
    }
    if (ks_cli_switch(cli, "probabilities")) {
        KS_TRY(put_probabilities(cli, circuit, spec, &answer));
    }
    if (answer.writer != NULL) {
        ks_json_member_text(&writer, "schema", "ketseal.exact/1");
        ks_json_put_end(&writer);
        ks_buf_put_text(out, "\n");
    }
    if (save) {
        KS_TRY(save_state(cli, final, spec));
    }
    KS_TRY(ks_buf_check(out));
out:
    ks_final_free(final);
    return err;
}
