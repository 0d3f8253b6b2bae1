/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm.h: what the parts of the OpenQASM parser share: qasm.c (statements of both versions),
 * qasm_gate.c (gate definitions and their expansion), qasm_control.c (gates with modifiers),
 * qasm_expr.c (parameter expressions), and qasm3.h for what only OpenQASM 3 has. Nobody else
 * includes it. */
#ifndef KS_QUANTUM_QASM_H
#define KS_QUANTUM_QASM_H

#include "quantum/circuit.h"
#include "quantum/qasm_lex.h"
#include "quantum/qasm_names.h"

#define KS_QASM_EXPR_DEPTH_MAX   256  /* operators and parentheses open at once */
#define KS_QASM_GATE_DEPTH_MAX   256  /* gates that call gates */
#define KS_QASM_GATE_PARAMS_MAX  1024 /* of one gate */
#define KS_QASM_GATE_QUBITS_MAX  1024 /* of one gate */
#define KS_QASM_STEPS_PER_OP_MAX 64   /* times ops_max: the work of expanding gates and loops */
#define KS_QASM_CONTROLS_MAX     8    /* of one operation, its own included */
#define KS_QASM_POWER_MAX        1000000

/* --- expressions: programs for a stack machine -------------------------------------------- */
enum ks_qasm_code {
    KS_QASM_NUMBER,   /* pushes number */
    KS_QASM_ARGUMENT, /* pushes parameter number param of the gate */
    KS_QASM_ADD,
    KS_QASM_SUBTRACT,
    KS_QASM_MULTIPLY,
    KS_QASM_DIVIDE,
    KS_QASM_POWER,
    KS_QASM_NEGATE,
    KS_QASM_SIN, /* the functions, in the order of ks_qasm_functions */
    KS_QASM_COS,
    KS_QASM_TAN,
    KS_QASM_EXP,
    KS_QASM_LN,
    KS_QASM_SQRT,
    KS_QASM_OPEN, /* a parenthesis: on the operator stack only */
    KS_QASM_STOP,
};
#define KS_QASM_FUNCTION_COUNT 6
extern const char *const ks_qasm_functions[KS_QASM_FUNCTION_COUNT];

struct ks_qasm_instruction {
    enum ks_qasm_code code;
    uint32_t param;
    uint32_t line; /* of the operator in the source, for errors */
    uint32_t column;
    double number;
};

/* --- gates -------------------------------------------------------------------------------- */

/* ctrl, negctrl, inv and pow before a gate, all together. */
struct ks_qasm_modifier {
    uint32_t controls; /* qubits before those of the gate */
    uint32_t negative; /* bit c: control c must be 0 */
    uint32_t times;    /* the gate is done so often: 1 without pow */
    bool inverse;
    double fraction; /* of the gate, a native one, is done; 0: all of it */
};
#define KS_QASM_MODIFIER_NONE                                                                  \
    {                                                                                          \
        .times = 1                                                                             \
    }

struct ks_qasm_gate {
    struct ks_bytes name;
    enum ks_gate native; /* KS_GATE_COUNT: defined by its calls; P on no qubits: a phase */
    bool special;        /* u2 or u3 of stdgates.inc: of determinant 1 when it is controlled */
    uint32_t params;
    uint32_t qubits;
    uint32_t depth; /* longest chain of calls below it */
    size_t call_first;
    size_t call_count;
    bool weak;      /* not in everybody's qelib1.inc: a program may define it anew */
    uint64_t ops;   /* operations it expands to, saturated */
    uint64_t steps; /* calls, operands and instructions of expanding it, saturated */
};

#define KS_QASM_CALL_BARRIER UINT32_MAX

/* One statement in the body of a gate. */
struct ks_qasm_call {
    uint32_t gate;     /* or KS_QASM_CALL_BARRIER */
    size_t arg_first;  /* indices into args: local qubits */
    size_t code_first; /* one program behind the other, for each parameter */
    struct ks_qasm_modifier modifier;
};

struct ks_qasm_operand {
    struct ks_qasm_token token;
    uint32_t first; /* flat index */
    uint32_t size;  /* of the register; 1 for one bit of it */
    uint32_t step;  /* from one bit to the next, modulo 2^32 */
    bool whole;     /* a register without an index, or a range of it */
};

/* One entry of the explicit stack of the expansion. */
struct ks_qasm_frame {
    size_t call_first;
    size_t call_count;
    size_t next;        /* call, from either end */
    size_t qubit_first; /* into frame_qubits */
    size_t param_first; /* into frame_params */
    size_t qubit_end;   /* where the operands of the gates that it calls begin */
    size_t param_end;
    size_t control_first; /* into frame_qubits: those of its modifier */
    uint32_t control_end; /* controls in force */
    bool inverse;
    struct ks_qasm_modifier modifier; /* times: still to be done */
};

/* --- OpenQASM 3 --------------------------------------------------------------------------- */

/* What is known before the run: a constant, or a float or angle that is not used in it. */
struct ks_qasm_constant {
    bool real;
    bool changes;
    bool is_signed;
    uint64_t integer;
    double number; /* of either kind */
};

struct ks_qasm_variable {
    struct ks_variable type;
    bool truth;     /* a bool */
    uint32_t index; /* in the circuit */
    uint32_t line;  /* of its declaration: unrolled loops come there again */
    uint32_t column;
};

enum ks_qasm_block_kind { KS_QASM_BLOCK_PLAIN, KS_QASM_BLOCK_RUN, KS_QASM_BLOCK_FOR };

/* A block that is open. */
struct ks_qasm_block {
    enum ks_qasm_block_kind kind;
    bool single;       /* one statement without braces */
    bool may_else;     /* an `if` that was taken or that goes into the circuit */
    size_t name_count; /* outside of it */
    size_t constant_count;
    size_t variable_count;
    uint32_t constant; /* FOR: the loop's */
    uint64_t value;    /* the current one; more values may follow: */
    uint64_t step;
    uint64_t left;
    size_t value_first; /* or they are in loop_values */
    size_t value_next;
    size_t value_end;
    struct ks_qasm_lexer lexer; /* where the body begins */
    struct ks_qasm_token token;
};

struct ks_qasm {
    const char *name; /* of the source */
    struct ks_circuit_limits limits;
    struct ks_qasm_lexer lexer;
    struct ks_qasm_token token; /* the current one */
    struct ks_qasm_lexer outer; /* suspended while qelib1.inc is read */
    struct ks_qasm_token outer_token;
    bool in_library;
    bool included;
    struct ks_qasm_names names;
    struct ks_circuit_builder *builder;
    uint32_t qubit_count;
    uint32_t clbit_count;
    struct ks_register *registers; /* flat ranges of qregs and cregs; names not set */
    size_t register_count;
    size_t register_cap;
    struct ks_qasm_gate *gates;
    size_t gate_count;
    size_t gate_cap;
    struct ks_qasm_call *calls;
    size_t call_count;
    size_t call_cap;
    uint32_t *args;
    size_t arg_count;
    size_t arg_cap;
    struct ks_qasm_instruction *code;
    size_t code_count;
    size_t code_cap;
    struct ks_qasm_operand *operands; /* of the current statement */
    size_t operand_count;
    size_t operand_cap;
    uint64_t *stamps; /* by qubit: the last gate that used it */
    size_t stamp_cap;
    uint64_t stamp;
    uint64_t steps; /* spent */
    bool extended;  /* OpenQASM 3 */
    struct ks_qasm_constant *constants;
    size_t constant_count;
    size_t constant_cap;
    struct ks_qasm_variable *variables;
    size_t variable_count;
    size_t variable_cap;
    struct ks_qasm_block blocks[KS_BLOCK_DEPTH_MAX];
    size_t block_count;
    uint64_t *loop_values; /* of the open loops over sets */
    size_t loop_value_count;
    size_t loop_value_cap;
    struct ks_term terms[KS_TERMS_MAX]; /* the expressions being read */
    size_t term_count;
    struct ks_qasm_token statement;          /* its first token */
    uint32_t controls[KS_QASM_CONTROLS_MAX]; /* in force during an expansion */
    struct ks_qasm_frame frames[KS_QASM_GATE_DEPTH_MAX];
    uint32_t *frame_qubits;
    size_t frame_qubit_cap;
    double *frame_params;
    size_t frame_param_cap;
};

/* Words of OpenQASM 2; those of 3 are counted on behind them. */
enum ks_qasm_keyword {
    KS_QASM_WORD_OPENQASM,
    KS_QASM_WORD_BARRIER,
    KS_QASM_WORD_CREG,
    KS_QASM_WORD_GATE,
    KS_QASM_WORD_IF,
    KS_QASM_WORD_INCLUDE,
    KS_QASM_WORD_MEASURE,
    KS_QASM_WORD_OPAQUE,
    KS_QASM_WORD_PI,
    KS_QASM_WORD_QREG,
    KS_QASM_WORD_RESET,
    KS_QASM_WORD_COUNT,
};

/* --- tokens ------------------------------------------------------------------------------- */
KS_MUST_CHECK enum ks_err ks_qasm_advance(struct ks_qasm *qasm);
bool ks_qasm_at_sign(const struct ks_qasm *qasm, char sign);
/* Takes SIGN, or says what was expected and found. */
KS_MUST_CHECK enum ks_err ks_qasm_expect(struct ks_qasm *qasm, char sign);
/* "expected WHAT, found 'token'" at the current token. */
KS_MUST_CHECK enum ks_err ks_qasm_unexpected(const struct ks_qasm *qasm, const char *what);
/* For "%.*s": the length of a token's text, cut to what fits a message. */
int ks_qasm_shown(struct ks_bytes text);
/* Fails at TOKEN. */
#define ks_qasm_fail_at(qasm, token, code, ...)                                                \
    ks_qasm_fail((qasm)->lexer.name, (token)->line, (token)->column, (code), __VA_ARGS__)

/* Fails with what ERR, a builder's, says at TOKEN; KS_OK stays. */
KS_MUST_CHECK enum ks_err ks_qasm_placed(const struct ks_qasm *qasm,
                                         const struct ks_qasm_token *token, enum ks_err err);

/* --- qasm.c: statements that both versions have ------------------------------------------- */
/* Declares NAME, of MEANING KS_QASM_QREG or KS_QASM_CREG. */
KS_MUST_CHECK enum ks_err ks_qasm_add_register(struct ks_qasm *qasm,
                                               const struct ks_qasm_token *name, uint32_t size,
                                               enum ks_qasm_meaning meaning);
KS_MUST_CHECK enum ks_err ks_qasm_gate(struct ks_qasm *qasm);
/* At 'measure': "measure q;" into TARGET, or with NULL "measure q -> c;". */
KS_MUST_CHECK enum ks_err ks_qasm_measure(struct ks_qasm *qasm,
                                          const struct ks_qasm_operand *target);
KS_MUST_CHECK enum ks_err ks_qasm_keyword(struct ks_qasm *qasm, enum ks_qasm_keyword keyword);
/* Goes on behind the include; false when there is none. */
bool ks_qasm_leave_library(struct ks_qasm *qasm);

/* --- qasm_expr.c -------------------------------------------------------------------------- */
/* Reads one expression up to a ',' or ')' that is not its own, appends its program with a STOP
 * to code, constants folded. With LOCAL it may name the parameters of the gate being defined;
 * without, the program is one NUMBER. */
KS_MUST_CHECK enum ks_err ks_qasm_expr_parse(struct ks_qasm *qasm, bool local);
/* Runs the program at *AT and moves *AT behind it. */
KS_MUST_CHECK enum ks_err ks_qasm_expr_run(const struct ks_qasm *qasm, size_t *at,
                                           const double *params, double *out_value);

/* --- qasm_gate.c -------------------------------------------------------------------------- */
/* Puts keywords, functions, U and CX into the names. */
KS_MUST_CHECK enum ks_err ks_qasm_names_start(struct ks_qasm *qasm);
/* include "qelib1.inc": the native gates; then the caller reads ks_qasm_library. */
KS_MUST_CHECK enum ks_err ks_qasm_add_natives(struct ks_qasm *qasm);
extern const char ks_qasm_library[];
KS_MUST_CHECK enum ks_err ks_qasm_name_gate(struct ks_qasm *qasm,
                                            const struct ks_qasm_gate *gate);
/* Reads "(expression, …)" if it is there; OUT_COUNT programs are appended to code. */
KS_MUST_CHECK enum ks_err ks_qasm_read_params(struct ks_qasm *qasm, bool local,
                                              size_t *out_count);
/* Reads a definition; the current token is behind 'gate'. */
KS_MUST_CHECK enum ks_err ks_qasm_define(struct ks_qasm *qasm);
/* Fails at the current token unless it is an identifier that no global name has yet. */
KS_MUST_CHECK enum ks_err ks_qasm_check_new(const struct ks_qasm *qasm);
/* Looks up a gate by the current token, or fails there. */
KS_MUST_CHECK enum ks_err ks_qasm_find_gate(const struct ks_qasm *qasm, uint32_t *out_gate);
/* Fails at TOKEN, the gate's name, unless the counts are those of the gate and its CONTROLS. */
KS_MUST_CHECK enum ks_err ks_qasm_check_counts(const struct ks_qasm *qasm, uint32_t gate,
                                               const struct ks_qasm_token *token, size_t params,
                                               size_t qubits, uint32_t controls);
/* Reads ctrl @, negctrl @, inv @ and pow(k) @ as far as they go. */
KS_MUST_CHECK enum ks_err ks_qasm_read_modifier(struct ks_qasm *qasm,
                                                struct ks_qasm_modifier *out_modifier);
/* At most how many times a gate's operations it takes with MODIFIER. */
uint64_t ks_qasm_modifier_cost(const struct ks_qasm_modifier *modifier);
/* Fails at TOKEN unless GATE may be expanded TIMES times within the limits. */
KS_MUST_CHECK enum ks_err ks_qasm_check_room(struct ks_qasm *qasm, uint32_t gate,
                                             uint64_t times, const struct ks_qasm_token *token);
/* Appends GATE to the circuit. Its qubits, controls first, and parameters are the first of
 * frame_qubits and frame_params. */
KS_MUST_CHECK enum ks_err ks_qasm_expand(struct ks_qasm *qasm, uint32_t gate,
                                         const struct ks_qasm_modifier *modifier);
/* Appends native GATE, inverted and of a fraction as MODIFIER says, under the first CONTROLS of
 * qasm->controls. */
KS_MUST_CHECK enum ks_err ks_qasm_emit(struct ks_qasm *qasm, const struct ks_qasm_gate *gate,
                                       const struct ks_qasm_modifier *modifier,
                                       uint32_t controls, const uint32_t *qubits,
                                       const double *params);
/* Makes room for COUNT entries in frame_qubits and frame_params. */
KS_MUST_CHECK enum ks_err ks_qasm_frame_room(struct ks_qasm *qasm, size_t qubits,
                                             size_t params);

#endif
