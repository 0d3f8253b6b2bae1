/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/noise.h"

#include <math.h>

#include "base/json.h"
#include "quantum/array.h"
#include "quantum/math.h"
#include "quantum/philox.h"

#define SCHEMA "ketseal.noise/1"

/* --- models ------------------------------------------------------------------------------- */

/* In the order of their names, as canonical JSON has them. */
static const struct {
    const char *name;
    size_t offset;
} rate_fields[] = {
    {"amplitude_damping", offsetof(struct ks_noise_rates, amplitude_damping)},
    {"depolarizing", offsetof(struct ks_noise_rates, depolarizing)},
    {"phase_damping", offsetof(struct ks_noise_rates, phase_damping)},
    {"x", offsetof(struct ks_noise_rates, x)},
    {"y", offsetof(struct ks_noise_rates, y)},
    {"z", offsetof(struct ks_noise_rates, z)},
};
#define RATE_COUNT (sizeof rate_fields / sizeof rate_fields[0])

static double rate_of(const struct ks_noise_rates *rates, size_t field)
{
    double rate = 0;

    ks_copy(&rate, (const uint8_t *)rates + rate_fields[field].offset, sizeof rate);
    return rate;
}

static bool is_probability(double value)
{
    return value >= 0 && value <= 1; /* no NaN */
}

static enum ks_err check_rates(const struct ks_noise_rates *rates, const char *what)
{
    for (size_t i = 0; i < RATE_COUNT; i++) {
        if (!is_probability(rate_of(rates, i))) {
            return ks_fail(KS_ERR_FORMAT, "%s.%s is not within 0 and 1", what,
                           rate_fields[i].name);
        }
    }
    if (!(rates->x + rates->y + rates->z <= 1)) {
        return ks_fail(KS_ERR_FORMAT, "%s: x, y and z are more than 1 together", what);
    }
    return KS_OK;
}

enum ks_err ks_noise_check(const struct ks_noise *noise)
{
    enum ks_err err = KS_OK;

    KS_CHECK(noise->version == 1, KS_ERR_USAGE, "noise model version %u", noise->version);
    KS_TRY(check_rates(&noise->gate1, "gate1"));
    KS_TRY(check_rates(&noise->gate2, "gate2"));
    KS_CHECK(is_probability(noise->read0_as1) && is_probability(noise->read1_as0),
             KS_ERR_FORMAT, "readout.read0_as1 or readout.read1_as0 is not within 0 and 1");
out:
    return err;
}

static void put_number(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_rates(struct ks_json_writer *writer, const char *name,
                      const struct ks_noise_rates *rates)
{
    ks_json_put_key(writer, name);
    ks_json_put_object(writer);
    for (size_t i = 0; i < RATE_COUNT; i++) {
        put_number(writer, rate_fields[i].name, rate_of(rates, i));
    }
    ks_json_put_end(writer);
}

void ks_noise_print(const struct ks_noise *noise, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    put_rates(&writer, "gate1", &noise->gate1);
    put_rates(&writer, "gate2", &noise->gate2);
    ks_json_put_key(&writer, "readout");
    ks_json_put_object(&writer);
    put_number(&writer, "read0_as1", noise->read0_as1);
    put_number(&writer, "read1_as0", noise->read1_as0);
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", SCHEMA);
    ks_json_put_end(&writer);
}

static enum ks_err get_number(const struct ks_json *object, const char *name, double *out_value)
{
    const struct ks_json *value = NULL;
    enum ks_err err = ks_json_get(object, name, KS_JSON_NUMBER, &value);

    return err != KS_OK ? err : ks_json_double(value, out_value);
}

static enum ks_err get_rates(const struct ks_json *root, const char *name,
                             struct ks_noise_rates *rates)
{
    const char *names[RATE_COUNT + 1] = {NULL};
    const struct ks_json *object = NULL;
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < RATE_COUNT; i++) {
        names[i] = rate_fields[i].name;
    }
    KS_TRY(ks_json_get(root, name, KS_JSON_OBJECT, &object));
    KS_TRY(ks_json_only(object, names));
    for (size_t i = 0; i < RATE_COUNT; i++) {
        double rate = 0;

        KS_TRY(get_number(object, names[i], &rate));
        ks_copy((uint8_t *)rates + rate_fields[i].offset, &rate, sizeof rate);
    }
out:
    return err;
}

enum ks_err ks_noise_parse(const struct ks_bytes *json, struct ks_noise *out_noise)
{
    static const char *const names[] = {"gate1", "gate2", "readout", "schema", NULL};
    static const char *const readouts[] = {"read0_as1", "read1_as0", NULL};
    static const struct ks_json_limits limits = {.len_max = 4096, .nodes_max = 32};
    struct ks_noise noise = {.version = 1};
    struct ks_json_doc *doc = NULL;
    const struct ks_json *readout = NULL;
    struct ks_bytes schema = {0};
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_parse_canonical(*json, &limits, &doc));
    const struct ks_json *root = ks_json_root(doc);
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, SCHEMA), KS_ERR_FORMAT, "schema is not " SCHEMA);
    KS_TRY(get_rates(root, "gate1", &noise.gate1));
    KS_TRY(get_rates(root, "gate2", &noise.gate2));
    KS_TRY(ks_json_get(root, "readout", KS_JSON_OBJECT, &readout));
    KS_TRY(ks_json_only(readout, readouts));
    KS_TRY(get_number(readout, "read0_as1", &noise.read0_as1));
    KS_TRY(get_number(readout, "read1_as0", &noise.read1_as0));
    KS_TRY(ks_noise_check(&noise));
    *out_noise = noise;
out:
    ks_json_doc_free(doc);
    return err;
}

/* --- noisy circuits ----------------------------------------------------------------------- */

struct weaver {
    const struct ks_noise *noise;
    struct ks_circuit *noisy;
    size_t op_cap;
    size_t param_cap;
    uint16_t condition;
};

static enum ks_err add(struct weaver *weaver, const struct ks_op *op, const double *params)
{
    struct ks_circuit *noisy = weaver->noisy;
    const unsigned count = ks_gate_info((enum ks_gate)op->gate)->params;
    struct ks_op *ops =
        ks_array_room(noisy->ops, &weaver->op_cap, noisy->op_count + 1, sizeof *ops);

    if (ops == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu operations", noisy->op_count);
    }
    noisy->ops = ops;
    ops[noisy->op_count] = *op;
    if (count > 0) {
        double *grown = ks_array_room(noisy->params, &weaver->param_cap,
                                      noisy->param_count + count, sizeof *grown);
        if (grown == NULL || noisy->param_count > UINT32_MAX - count) {
            noisy->params = grown != NULL ? grown : noisy->params;
            return ks_fail(KS_ERR_NOMEM, "no memory for %zu parameters", noisy->param_count);
        }
        noisy->params = grown;
        ops[noisy->op_count].param = (uint32_t)noisy->param_count;
        ks_copy(grown + noisy->param_count, params, count * sizeof *params);
        noisy->param_count += count;
    }
    noisy->op_count++;
    return KS_OK;
}

static enum ks_err add_on(struct weaver *weaver, enum ks_gate gate, uint32_t a, uint32_t b,
                          const double *params)
{
    const struct ks_op op = {
        .gate = (uint8_t)gate, .condition = weaver->condition, .qubits = {a, b}};

    return add(weaver, &op, params);
}

#define HALF_PI 0x1.921fb54442d18p+0

/* The angle in [0, pi/4] whose sine is SINE, by Newton's method: the same bits everywhere,
 * which asin() does not promise. */
static double small_angle(double sine)
{
    double angle = sine;

    for (int i = 0; i < 6; i++) {
        double s = 0;
        double c = 1;

        ks_sincos(angle, &s, &c);
        angle -= (s - sine) / c;
    }
    return angle;
}

static enum ks_err add_decay(struct weaver *weaver, uint32_t qubit, double rate)
{
    const uint32_t other = weaver->noisy->qubit_count - 1;
    const double angle =
        2 * (rate <= 0.5 ? small_angle(sqrt(rate)) : HALF_PI - small_angle(sqrt(1 - rate)));
    enum ks_err err = KS_OK;

    KS_TRY(add_on(weaver, KS_GATE_CRY, qubit, other, &angle));
    KS_TRY(add_on(weaver, KS_GATE_CX, other, qubit, NULL));
    KS_TRY(add_on(weaver, KS_GATE_RESET, other, 0, NULL));
out:
    return err;
}

/* What RATES do to QUBIT; its part of a depolarizing pair has been done already where PAIR. */
static enum ks_err add_rates(struct weaver *weaver, const struct ks_noise_rates *rates,
                             uint32_t qubit, bool pair)
{
    const double paulis[3] = {rates->x, rates->y, rates->z};
    const double third = rates->depolarizing / 3;
    const double thirds[3] = {third, third, third};
    const double phase[3] = {0, 0, (1 - sqrt(1 - rates->phase_damping)) / 2};
    enum ks_err err = KS_OK;

    if (rates->x + rates->y + rates->z > 0) {
        KS_TRY(add_on(weaver, KS_GATE_PAULI, qubit, 0, paulis));
    }
    if (rates->depolarizing > 0 && !pair) {
        KS_TRY(add_on(weaver, KS_GATE_PAULI, qubit, 0, thirds));
    }
    if (rates->amplitude_damping > 0) {
        KS_TRY(add_decay(weaver, qubit, rates->amplitude_damping));
    }
    if (rates->phase_damping > 0) {
        KS_TRY(add_on(weaver, KS_GATE_PAULI, qubit, 0, phase));
    }
out:
    return err;
}

/* What comes behind OP. */
static enum ks_err add_noise(struct weaver *weaver, const struct ks_op *op)
{
    const struct ks_noise *noise = weaver->noise;
    const unsigned qubits = ks_gate_info((enum ks_gate)op->gate)->qubits;
    const struct ks_noise_rates *rates = qubits == 1 ? &noise->gate1 : &noise->gate2;
    const double readout[2] = {noise->read0_as1, noise->read1_as0};
    const struct ks_op flip = {
        .gate = KS_GATE_READOUT, .condition = op->condition, .clbit = op->clbit};
    enum ks_err err = KS_OK;

    weaver->condition = op->condition;
    if (op->gate == KS_GATE_MEASURE && readout[0] + readout[1] > 0) {
        return add(weaver, &flip, readout);
    }
    if (op->gate >= KS_GATE_MEASURE) {
        return KS_OK;
    }
    for (unsigned i = 0; i < qubits; i++) {
        KS_TRY(add_rates(weaver, rates, op->qubits[i], qubits == 2));
    }
    if (qubits == 2 && rates->depolarizing > 0) {
        KS_TRY(
            add_on(weaver, KS_GATE_PAIR, op->qubits[0], op->qubits[1], &rates->depolarizing));
    }
out:
    return err;
}

enum ks_err ks_noisy_new(const struct ks_circuit *circuit, const struct ks_noise *noise,
                         struct ks_circuit **out_noisy)
{
    struct weaver weaver = {.noise = noise};
    uint32_t *places = ks_calloc(circuit->op_count, sizeof *places);
    struct ks_circuit *noisy = ks_calloc(1, sizeof *noisy);
    enum ks_err err = KS_OK;

    KS_CHECK(places != NULL && noisy != NULL, KS_ERR_NOMEM, "no memory for a noisy circuit");
    KS_TRY(ks_noise_check(noise));
    *noisy = *circuit;
    noisy->ops = NULL;
    noisy->op_count = 0;
    noisy->params = NULL;
    noisy->param_count = 0;
    noisy->qubit_count +=
        noise->gate1.amplitude_damping > 0 || noise->gate2.amplitude_damping > 0;
    weaver.noisy = noisy;
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];

        KS_CHECK(noisy->op_count < UINT32_MAX, KS_ERR_LIMIT, "more than %u operations",
                 UINT32_MAX);
        places[i] = (uint32_t)noisy->op_count;
        KS_TRY(add(&weaver, op, circuit->params == NULL ? NULL : &circuit->params[op->param]));
        KS_TRY(add_noise(&weaver, op));
    }
    for (size_t i = 0; i < noisy->op_count; i++) { /* jumps go where they went */
        const uint8_t gate = noisy->ops[i].gate;

        if (gate > KS_GATE_ASSIGN && gate < KS_GATE_PAULI) {
            noisy->ops[i].clbit = places[noisy->ops[i].clbit];
        }
    }
    *out_noisy = noisy;
    noisy = NULL;
out:
    ks_noisy_free(noisy);
    ks_free(places);
    return err;
}

void ks_noisy_free(struct ks_circuit *noisy)
{
    if (noisy != NULL) {
        ks_free(noisy->ops);
        ks_free(noisy->params);
        ks_free(noisy);
    }
}

unsigned ks_noise_choice(const struct ks_op *op, const double *params, uint64_t draw)
{
    const double u = (double)draw * (1.0 / ((uint64_t)1 << KS_DRAW_BITS));
    double sum = 0;

    if (op->gate == KS_GATE_PAIR) {
        const unsigned choice = u < params[0] ? 1 + (unsigned)(u / params[0] * 15) : 0;
        return choice > 15 ? 15 : choice;
    }
    for (unsigned i = 0; i < 3; i++) {
        sum += params[i];
        if (u < sum) {
            return i + 1;
        }
    }
    return 0;
}
