/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* circuit.h: the circuit as a flat list of operations, what every front end produces and every
 * engine consumes. Immutable once built; may be read from any thread. Pure. */
#ifndef KS_QUANTUM_CIRCUIT_H
#define KS_QUANTUM_CIRCUIT_H

#include "base/buf.h"
#include "ketseal/circuit.h"

/* The native gates: name in OpenQASM 2, qubits (controls first), parameters. Gates of
 * qelib1.inc that are not here (u0, rccx, rc3x, c3x, c3sqrtx, c4x) and user gates are expanded
 * by the parser. Behind BARRIER comes the control flow of OpenQASM 3 (quantum/control.h),
 * behind that what a noise model adds (quantum/noise.h), which no program has. Values are part
 * of no format. */
#define KS_GATE_LIST(ENTRY)                                                                    \
    ENTRY(ID, "id", 1, 0)                                                                      \
    ENTRY(X, "x", 1, 0)                                                                        \
    ENTRY(Y, "y", 1, 0)                                                                        \
    ENTRY(Z, "z", 1, 0)                                                                        \
    ENTRY(H, "h", 1, 0)                                                                        \
    ENTRY(S, "s", 1, 0)                                                                        \
    ENTRY(SDG, "sdg", 1, 0)                                                                    \
    ENTRY(T, "t", 1, 0)                                                                        \
    ENTRY(TDG, "tdg", 1, 0)                                                                    \
    ENTRY(SX, "sx", 1, 0)                                                                      \
    ENTRY(SXDG, "sxdg", 1, 0)                                                                  \
    ENTRY(RX, "rx", 1, 1)                                                                      \
    ENTRY(RY, "ry", 1, 1)                                                                      \
    ENTRY(RZ, "rz", 1, 1)                                                                      \
    ENTRY(P, "p", 1, 1)                                                                        \
    ENTRY(U1, "u1", 1, 1)                                                                      \
    ENTRY(U2, "u2", 1, 2)                                                                      \
    ENTRY(U3, "u3", 1, 3)                                                                      \
    ENTRY(U, "u", 1, 3)                                                                        \
    ENTRY(CX, "cx", 2, 0)                                                                      \
    ENTRY(CY, "cy", 2, 0)                                                                      \
    ENTRY(CZ, "cz", 2, 0)                                                                      \
    ENTRY(CH, "ch", 2, 0)                                                                      \
    ENTRY(CSX, "csx", 2, 0)                                                                    \
    ENTRY(SWAP, "swap", 2, 0)                                                                  \
    ENTRY(CRX, "crx", 2, 1)                                                                    \
    ENTRY(CRY, "cry", 2, 1)                                                                    \
    ENTRY(CRZ, "crz", 2, 1)                                                                    \
    ENTRY(CP, "cp", 2, 1)                                                                      \
    ENTRY(CU1, "cu1", 2, 1)                                                                    \
    ENTRY(CU3, "cu3", 2, 3)                                                                    \
    ENTRY(CU, "cu", 2, 4)                                                                      \
    ENTRY(RXX, "rxx", 2, 1)                                                                    \
    ENTRY(RZZ, "rzz", 2, 1)                                                                    \
    ENTRY(CCX, "ccx", 3, 0)                                                                    \
    ENTRY(CSWAP, "cswap", 3, 0)                                                                \
    ENTRY(MEASURE, "measure", 1, 0)                                                            \
    ENTRY(RESET, "reset", 1, 0)                                                                \
    ENTRY(BARRIER, "barrier", 0, 0)                                                            \
    ENTRY(ASSIGN, "=", 0, 0)                                                                   \
    ENTRY(IF, "if", 0, 0)                                                                      \
    ENTRY(ELSE, "else", 0, 0)                                                                  \
    ENTRY(WHILE, "while", 0, 0)                                                                \
    ENTRY(END, "}", 0, 0)                                                                      \
    ENTRY(BREAK, "break", 0, 0)                                                                \
    ENTRY(CONTINUE, "continue", 0, 0)                                                          \
    ENTRY(PAULI, "pauli", 1, 3)                                                                \
    ENTRY(PAIR, "pair", 2, 1)                                                                  \
    ENTRY(READOUT, "readout", 0, 2)

enum ks_gate {
#define KS_GATE_ENUM(name, text, qubits, params) KS_GATE_##name,
    KS_GATE_LIST(KS_GATE_ENUM)
#undef KS_GATE_ENUM
        KS_GATE_COUNT
};

#define KS_REGISTER_NAME_MAX 255
#define KS_CONDITION_HIGH    15 /* words: values below 2^1024 */
#define KS_OP_QUBITS_MAX     3
#define KS_OP_PARAMS_MAX     4
#define KS_BLOCK_DEPTH_MAX   256  /* if and while inside one another */
#define KS_TERMS_MAX         1024 /* of one expression */
#define KS_TERM_STACK_MAX    128  /* values of one expression that wait at once */
#define KS_VARIABLES_MAX     1024

/* One operation on flat indices: qubit 0 is the first qubit of the first qreg, and so on; the
 * same for classical bits. A barrier stands for all qubits and only stops gates from moving
 * across it. */
struct ks_op {
    uint8_t gate;                      /* enum ks_gate */
    uint16_t condition;                /* 0: always; else 1 + index of a condition */
    uint32_t qubits[KS_OP_QUBITS_MAX]; /* controls first; ASSIGN: qubits[0] classical bits are
                                          the target, 0: a variable is */
    uint32_t clbit; /* MEASURE: the target; ASSIGN: its first bit, or the variable; IF: its ELSE
                       or END; ELSE, WHILE: its END; END: its IF or WHILE; BREAK, CONTINUE: the
                       WHILE that they leave or repeat */
    uint32_t param; /* index of the first parameter in ks_circuit.params; ASSIGN, IF, WHILE: of
                       the root of the expression in ks_circuit.terms */
};

/* `if (creg == value)`: bits [first, first + count) of the classical bits, least significant
 * first: a whole register or one bit. */
struct ks_condition {
    uint32_t first;
    uint32_t count;
    uint64_t value;                   /* of the lowest 64 bits */
    uint64_t high[KS_CONDITION_HIGH]; /* of the others, lowest word first; bits behind are 0 */
};

/* Expressions are computed in 64 bits, modulo 2^64; one is signed when all that it is made of
 * are: literals, bits, truth values, int. Shifts by 64 and more give 0 (or -1). */
enum ks_term_code {
    KS_TERM_NUMBER,   /* value */
    KS_TERM_BIT,      /* classical bit `value` */
    KS_TERM_BITS,     /* `width` bits from bit `value` on, a whole register: unsigned */
    KS_TERM_VARIABLE, /* variable `value` */
    KS_TERM_NEGATE,   /* unary from here */
    KS_TERM_INVERT,
    KS_TERM_NOT,
    KS_TERM_BOOL, /* 1 unless 0 */
    KS_TERM_CAST, /* to `width` bits, signed or not */
    KS_TERM_ADD,  /* binary from here */
    KS_TERM_SUBTRACT,
    KS_TERM_MULTIPLY,
    KS_TERM_DIVIDE, /* the divisor is a NUMBER other than 0 */
    KS_TERM_MODULO, /* the same */
    KS_TERM_SHIFT_LEFT,
    KS_TERM_SHIFT_RIGHT,
    KS_TERM_AND,
    KS_TERM_XOR,
    KS_TERM_OR,
    KS_TERM_EQUAL,
    KS_TERM_UNEQUAL,
    KS_TERM_LESS,
    KS_TERM_LESS_EQUAL,
    KS_TERM_GREATER,
    KS_TERM_GREATER_EQUAL,
    KS_TERM_BOTH,
    KS_TERM_EITHER,
    KS_TERM_COUNT,
};

/* One value or operator, behind its operands. */
struct ks_term {
    uint8_t code; /* enum ks_term_code */
    bool is_signed;
    uint8_t width;
    uint16_t span; /* terms from its first operand's first to itself */
    uint64_t value;
};

/* A variable of the program; 0 at the start. */
struct ks_variable {
    uint8_t width; /* 1 to 64; a bool has 1 and is unsigned */
    bool is_signed;
};

/* A named register, in order of declaration; [first, first + size) of the flat indices. */
struct ks_register {
    char *name;
    uint32_t first;
    uint32_t size;
};

struct ks_circuit {
    uint32_t qubit_count;
    uint32_t clbit_count;
    struct ks_op *ops;
    size_t op_count;
    double *params; /* radians; finite */
    size_t param_count;
    struct ks_condition *conditions;
    size_t condition_count;
    struct ks_register *qregs;
    size_t qreg_count;
    struct ks_register *cregs;
    size_t creg_count;
    struct ks_term *terms;
    size_t term_count;
    struct ks_variable *variables;
    size_t variable_count;
    bool dynamic;   /* has control flow: operations behind BARRIER in KS_GATE_LIST */
    bool extended;  /* takes OpenQASM 3 to write down */
    uint32_t depth; /* see ks_circuit_depth; set when the circuit is finished */
};

struct ks_gate_info {
    const char *name;
    unsigned qubits;
    unsigned params;
};
const struct ks_gate_info *ks_gate_info(enum ks_gate gate);
/* The canonical definition of a native gate that stdgates.inc has not; NULL for others. In
 * OpenQASM 3 these very bytes name the native gate. */
const char *ks_gate_definition(enum ks_gate gate);

/* The register that holds flat index BIT (asserted to exist); borrowed from REGISTERS. */
const struct ks_register *ks_register_of(const struct ks_register *registers, size_t count,
                                         uint32_t bit);
/* Whether CONDITION is on a whole register, as in OpenQASM 2. */
bool ks_condition_whole(const struct ks_circuit *circuit, const struct ks_condition *condition);
/* Whether TEXT is a word that no register may be called in OpenQASM 3. */
bool ks_circuit_word(struct ks_bytes text);

/* --- building: for the parser, the templates and tests ------------------------------------ */
struct ks_circuit_builder;

KS_MUST_CHECK enum ks_err ks_circuit_builder_new(const struct ks_circuit_limits *limits,
                                                 struct ks_circuit_builder **out_builder);
void ks_circuit_builder_free(struct ks_circuit_builder *builder); /* NULL is fine */
/* NAME is copied: an OpenQASM identifier of at most KS_REGISTER_NAME_MAX bytes that is no
 * keyword and no gate of qelib1.inc. Registers must come before the first operation that uses
 * them. KS_ERR_LIMIT over the limits, KS_ERR_FORMAT for a size of 0 or a name that is in use or
 * not allowed. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_qreg(struct ks_circuit_builder *builder,
                                                  struct ks_bytes name, uint32_t size);
KS_MUST_CHECK enum ks_err ks_circuit_builder_creg(struct ks_circuit_builder *builder,
                                                  struct ks_bytes name, uint32_t size);
/* The condition that the following operations get, on a whole classical register; NULL for
 * none. A value that the register cannot hold is kept: it is never equal. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_condition(struct ks_circuit_builder *builder,
                                                       const struct ks_condition *condition);
/* QUBITS and PARAMS have the gate's counts (ks_gate_info). Refuses (KS_ERR_FORMAT) equal
 * qubits, indices out of range and parameters that are not finite. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_gate(struct ks_circuit_builder *builder,
                                                  enum ks_gate gate, const uint32_t *qubits,
                                                  const double *params);
KS_MUST_CHECK enum ks_err ks_circuit_builder_measure(struct ks_circuit_builder *builder,
                                                     uint32_t qubit, uint32_t clbit);
KS_MUST_CHECK enum ks_err ks_circuit_builder_reset(struct ks_circuit_builder *builder,
                                                   uint32_t qubit);
KS_MUST_CHECK enum ks_err ks_circuit_builder_barrier(struct ks_circuit_builder *builder);
/* From here on names, conditions and operations of OpenQASM 3 are allowed, and names that are
 * words of it are not. */
void ks_circuit_builder_extend(struct ks_circuit_builder *builder);
KS_MUST_CHECK enum ks_err ks_circuit_builder_variable(struct ks_circuit_builder *builder,
                                                      const struct ks_variable *variable,
                                                      uint32_t *out_index);
/* Sets the variable FIRST, or with COUNT > 0 that many bits from bit FIRST on, to the value of
 * an expression. */
struct ks_assignment {
    uint32_t first;
    uint32_t count;
    const struct ks_term *terms;
    size_t term_count;
};
KS_MUST_CHECK enum ks_err ks_circuit_builder_assign(struct ks_circuit_builder *builder,
                                                    const struct ks_assignment *assignment);
/* Opens a block. A condition of more than 64 bits is given in WIDE, with no terms: its block
 * must turn out to be plain. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_if(struct ks_circuit_builder *builder,
                                                const struct ks_term *terms, size_t count,
                                                const struct ks_condition *wide);
KS_MUST_CHECK enum ks_err ks_circuit_builder_while(struct ks_circuit_builder *builder,
                                                   const struct ks_term *terms, size_t count);
/* The open block must be an IF without ELSE. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_else(struct ks_circuit_builder *builder);
/* Closes a block. An IF on equality of one register or bit whose operations neither have
 * conditions nor write there becomes a condition of each of them, one without effect vanishes:
 * so a circuit has one form. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_end(struct ks_circuit_builder *builder);
/* BREAK or CONTINUE: KS_ERR_FORMAT outside WHILE. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_jump(struct ks_circuit_builder *builder,
                                                  enum ks_gate jump);
/* Blocks that are open. */
size_t ks_circuit_builder_blocks(const struct ks_circuit_builder *builder);
/* How many operations the limits still allow. */
uint64_t ks_circuit_builder_room(const struct ks_circuit_builder *builder);
/* Takes the circuit out; the builder is left empty and still to be freed. */
KS_MUST_CHECK enum ks_err ks_circuit_builder_finish(struct ks_circuit_builder *builder,
                                                    struct ks_circuit **out_circuit);

#endif
