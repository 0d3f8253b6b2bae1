/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Every command, its flags and its help: the one table behind parsing, help and manual. */

#include "cli/flags.h"

#define TEMPLATE_FLAGS                                                                         \
    {                                                                                          \
        "template",                                                                            \
        KS_FLAG_TEXT,                                                                          \
        "NAME",                                                                                \
        "a template instead of a file: bell, ghz, qft, hea, rqc, clifford_t_sampling",         \
        NULL,                                                                                  \
        false},                                                                                \
        {"qubits", KS_FLAG_NUMBER, "N", "qubits of the template", "2", false},                 \
    {                                                                                          \
        "depth", KS_FLAG_NUMBER, "N", "layers of the template", "1", false                     \
    }

#define PROGRAM_FLAGS                                                                          \
    TEMPLATE_FLAGS,                                                                            \
    {                                                                                          \
        "template-seed", KS_FLAG_NUMBER, "N", "seed of the template; default: --seed", NULL,   \
            false                                                                              \
    }

#define SAMPLE_FLAGS                                                                           \
    {"shots", KS_FLAG_NUMBER, "N", "samples to draw", "1024", false},                          \
        {"seed", KS_FLAG_NUMBER, "N", "seed of the sampling; default: random, and shown",      \
         NULL,   false},                                                                       \
        PRECISION_FLAG

#define PRECISION_FLAG                                                                         \
    {                                                                                          \
        "precision", KS_FLAG_TEXT, "NAME", "single or double", "double", false                 \
    }

#define SIMULATION_FLAGS                                                                       \
    {"threads", KS_FLAG_NUMBER, "N", "threads to run on", "1", false},                         \
        {"kernels", KS_FLAG_TEXT,                                                              \
         "NAME",    "scalar, avx2, avx512 or neon; default: the best here",                    \
         NULL,      false},                                                                    \
        MEMORY_FLAG

#define MEMORY_FLAG                                                                            \
    {                                                                                          \
        "memory", KS_FLAG_NUMBER, "MIB", "most memory for the state", "4096", false            \
    }

#define METHOD_FLAGS                                                                           \
    {"method", KS_FLAG_TEXT,                                                                   \
     "NAME",   "auto, statevector, stabilizer, sparse or mps; auto says its choice",           \
     "auto",   false},                                                                         \
        {"bond-max", KS_FLAG_NUMBER, "N", "mps: largest bond", "256", false},                  \
    {                                                                                          \
        "cutoff", KS_FLAG_TEXT, "WEIGHT", "mps: most weight that one cut may discard",         \
            "1e-16", false                                                                     \
    }

#define NOISE_FLAG                                                                             \
    {                                                                                          \
        "noise", KS_FLAG_TEXT, "FILE",                                                         \
            "what happens to qubits and results: a YAML noise model", NULL, false              \
    }

#define SDK_FLAG                                                                               \
    {                                                                                          \
        "sdk", KS_FLAG_TEXT, "NAME",                                                           \
            "whose simulator: native, or what the site has besides: qiskit, cirq", "native",   \
            false                                                                              \
    }

#define ADAPTER_FLAGS                                                                          \
    {"adapters", KS_FLAG_TEXT,                                                                 \
     "DIR",      "where make adapters installed; default: $KETSEAL_ADAPTERS",                  \
     NULL,       false},                                                                       \
    {                                                                                          \
        "libexec", KS_FLAG_TEXT, "DIR", "where ketseal-adapter is", KS_LIBEXEC_DIR, false      \
    }

#define BUNDLE_FLAGS                                                                           \
    {"out", KS_FLAG_TEXT, "FILE", "where the bundle goes (-o FILE)", "-", false},              \
    {                                                                                          \
        "policy", KS_FLAG_TEXT, "FILE",                                                        \
            "verify against this policy before anything is kept; default: what the device "    \
            "pins",                                                                            \
            NULL, false                                                                        \
    }

#define IDEMPOTENCY_FLAG                                                                       \
    {                                                                                          \
        "idempotency-key", KS_FLAG_TEXT, "KEY",                                                \
            "repeat safely: the same key never runs twice", NULL, false                        \
    }

#define SIMULATED_FLAG                                                                         \
    {                                                                                          \
        "insecure-simulated-tpm", KS_FLAG_SWITCH, NULL,                                        \
            "accept a simulated TPM (demonstrations, tests)", NULL, false                      \
    }

#define RESULT_FLAG                                                                            \
    {                                                                                          \
        "out", KS_FLAG_TEXT, "FILE", "where the result goes (-o FILE)", "-", false             \
    }

#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

static const struct ks_flag run_flags[] = {
    DEVICE_FLAGS,
    PROGRAM_FLAGS,
    SAMPLE_FLAGS,
    SDK_FLAG,
    METHOD_FLAGS,
    NOISE_FLAG,
    BUNDLE_FLAGS,
    IDEMPOTENCY_FLAG,
    {"detector", KS_FLAG_TEXT, "FILE",
     "model that judges the run's trace; default: DIR/detector.model, where it is there", NULL,
     false},
    {"fail-on-alert", KS_FLAG_SWITCH, NULL,
     "status 1 where it calls the run an anomaly; the bundle is kept all the same", NULL,
     false},
    END,
};

static const struct ks_flag verify_flags[] = {
    {"policy", KS_FLAG_TEXT, "FILE", "what to trust and to demand (ketseal policy make)", NULL,
     true},
    {"explain", KS_FLAG_SWITCH, NULL,
     "each check: what it covers, what it stops, what it does not prove", NULL, false},
    END,
};

static const struct ks_flag compare_flags[] = {
    {"policy", KS_FLAG_MANY, "FILE",
     "verify first: one policy for both, or one for each (repeatable)", NULL, false},
    SIMULATION_FLAGS,
    END,
};

static const struct ks_flag replay_flags[] = {
    SIMULATION_FLAGS,
    ADAPTER_FLAGS,
    END,
};

static const struct ks_flag circuit_check_flags[] = {
    PRECISION_FLAG,
    MEMORY_FLAG,
    {"explain-method", KS_FLAG_SWITCH, NULL,
     "how circuit simulate would run each, and why; may take a trial run", NULL, false},
    END,
};

static const struct ks_flag circuit_plan_flags[] = {
    TEMPLATE_FLAGS,
    {"seed", KS_FLAG_NUMBER, "N", "seed of the template", "0", false},
    PRECISION_FLAG,
    {"threads", KS_FLAG_NUMBER, "N", "threads to predict the time for", "1", false},
    END,
};

static const struct ks_flag circuit_show_flags[] = {
    TEMPLATE_FLAGS,
    {"seed", KS_FLAG_NUMBER, "N", "seed of the template", "0", false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag circuit_simulate_flags[] = {
    PROGRAM_FLAGS,
    SAMPLE_FLAGS,
    SIMULATION_FLAGS,
    METHOD_FLAGS,
    NOISE_FLAG,
    {"marginal", KS_FLAG_TEXT, "BITS",
     "these classical bits alone, the first one rightmost: 2,0", NULL, false},
    {"probabilities", KS_FLAG_SWITCH, NULL, "exact probabilities instead of counts", NULL,
     false},
    {"expect", KS_FLAG_MANY, "SUM",
     "expectation of Pauli strings before the final measurements: 0.5*ZZ-XI", NULL, false},
    {"amplitudes", KS_FLAG_TEXT, "STATES",
     "amplitudes of basis states before the final measurements: 00,11", NULL, false},
    {"state-out", KS_FLAG_TEXT, "FILE",
     "keep the state before the final measurements as a NumPy file", NULL, false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag circuit_sweep_flags[] = {
    {"angles", KS_FLAG_TEXT, "FILE",
     "JSON: a list of lists, each with a number for each parameter of the gates, in order",
     NULL, true},
    PROGRAM_FLAGS,
    SAMPLE_FLAGS,
    SIMULATION_FLAGS,
    {"expect", KS_FLAG_MANY, "SUM",
     "expectation of Pauli strings before the final measurements, instead of counts", NULL,
     false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag ca_revoke_flags[] = {
    {"ca", KS_FLAG_TEXT, "DIR", "directory of the CA", NULL, true},
    END,
};

static const struct ks_flag device_attest_flags[] = {
    DEVICE_FLAGS,
    SIMULATED_FLAG,
    END,
};

#define EK_FLAGS                                                                               \
    {"ek", KS_FLAG_TEXT, "KIND", "endorsement key to show: rsa or ecc", "ecc", false},         \
    {                                                                                          \
        "ek-chain", KS_FLAG_TEXT, "FILE",                                                      \
            "certificates between that of the endorsement key and its maker's root", NULL,     \
            false                                                                              \
    }

static const struct ks_flag device_enrol_flags[] = {
    {"device", KS_FLAG_TEXT, "DIR", "the device's directory, made where it is absent", ".",
     false},
    {"token", KS_FLAG_TEXT, "FILE", "the operator's token", NULL, true},
    {"tpm", KS_FLAG_TEXT, "TPM", "swtpm, or a device such as /dev/tpmrm0", "swtpm", false},
    {"swtpm-ca", KS_FLAG_TEXT, "DIR", "the CA that makes simulated TPMs; default: DIR/swtpm-ca",
     NULL, false},
    EK_FLAGS,
    {"measure", KS_FLAG_MANY, "FILE", "a file that has to stay as it is (repeatable)", NULL,
     false},
    {"pcr", KS_FLAG_MANY, "N", "a PCR that has to stay as it is (repeatable)", NULL, false},
    {"update-authority", KS_FLAG_TEXT, "FILE",
     "whose signature lets the identity move to another state: a P-256 public key, DER", NULL,
     false},
    {"again", KS_FLAG_SWITCH, NULL, "enrol a device that was enrolled before", NULL, false},
    END,
};

static const struct ks_flag device_reattest_flags[] = {
    DEVICE_FLAGS,
    {"evidence", KS_FLAG_TEXT, "FILE", "keep what was shown, for device appraise", NULL, false},
    END,
};

static const struct ks_flag device_evidence_flags[] = {
    {"device", KS_FLAG_TEXT, "DIR", "the device's directory", ".", false},
    {"nonce", KS_FLAG_TEXT, "HEX", "the appraiser's challenge, 64 digits; default: random",
     NULL, false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag device_appraise_flags[] = {
    {"reference", KS_FLAG_TEXT, "FILE",
     "what the machine must look like: ketseal-reference(5), YAML", NULL, true},
    {"registered", KS_FLAG_TEXT, "FILE",
     "what the site knows of the device: ketseal --json device show", NULL, true},
    {"nonce", KS_FLAG_TEXT, "HEX",
     "the challenge that the evidence must be for; default: any, so it may be old", NULL,
     false},
    END,
};

static const struct ks_flag device_update_flags[] = {
    {"device", KS_FLAG_TEXT, "DIR", "the device's directory", ".", false},
    {"update-message", KS_FLAG_TEXT, "FILE",
     "write what the update authority is to sign for this program and the measured files as "
     "they are now",
     NULL, false},
    {"update-signature", KS_FLAG_TEXT, "FILE",
     "check the authority's signature of that and put it to use", NULL, false},
    END,
};

static const struct ks_flag device_token_flags[] = {
    {"operator", KS_FLAG_TEXT, "DIR",
     "the operator's directory: operator.pem, operator.key, root.pem", ".", false},
    {"name", KS_FLAG_TEXT, "ID", "the device's id", NULL, true},
    {"site", KS_FLAG_TEXT, "FILE", "the site's document, certified", NULL, true},
    {"enrolment-url", KS_FLAG_TEXT, "URL", "the site's listener for enrolment", NULL, true},
    {"url", KS_FLAG_TEXT, "URL", "the site, https://host:port", NULL, true},
    {"hours", KS_FLAG_NUMBER, "N", "how long it is good, 1 to 24", "24", false},
    {"out", KS_FLAG_TEXT, "FILE", "where the token goes (-o FILE)", NULL, true},
    END,
};

static const struct ks_flag operator_flags[] = {
    OPERATOR_FLAGS,
    END,
};

static const struct ks_flag device_order_flags[] = {
    OPERATOR_FLAGS,
    {"reason", KS_FLAG_TEXT, "TEXT", "why, for people", "", false},
    END,
};

static const struct ks_flag site_certify_flags[] = {
    {"ca", KS_FLAG_TEXT, "DIR", "directory of the CA", NULL, true},
    OPERATOR_FLAGS,
    {"ek-roots", KS_FLAG_TEXT, "FILE", "roots of TPM makers, PEM", NULL, false},
    {"insecure-simulated-ek-roots", KS_FLAG_TEXT, "FILE",
     "roots of simulated TPMs, PEM (demonstrations, tests)", NULL, false},
    EK_FLAGS,
    {"days", KS_FLAG_NUMBER, "N", "validity", "365", false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag job_submit_flags[] = {
    DEVICE_FLAGS, PROGRAM_FLAGS, SAMPLE_FLAGS,     SDK_FLAG,
    METHOD_FLAGS, NOISE_FLAG,    IDEMPOTENCY_FLAG, END,
};

static const struct ks_flag site_flags[] = {
    DEVICE_FLAGS,
    END,
};

static const struct ks_flag job_wait_flags[] = {
    DEVICE_FLAGS,
    BUNDLE_FLAGS,
    {"timeout", KS_FLAG_NUMBER, "SECONDS", "give up after this time; the job goes on", "3600",
     false},
    END,
};

static const struct ks_flag job_fetch_flags[] = {
    DEVICE_FLAGS,
    BUNDLE_FLAGS,
    {"wait", KS_FLAG_TEXT, "STATE",
     "with a checkpoint that is cosigned, anchored or timestamped, once there is one", NULL,
     false},
    {"timeout", KS_FLAG_NUMBER, "SECONDS", "of --wait: give up after this time", "3600", false},
    END,
};

static const struct ks_flag job_list_flags[] = {
    DEVICE_FLAGS,
    {"limit", KS_FLAG_NUMBER, "N", "at most so many, 1 to 200", "50", false},
    {"after", KS_FLAG_TEXT, "ID", "the last job of the page before", NULL, false},
    END,
};

#define LEDGER_FLAGS                                                                           \
    DEVICE_FLAGS,                                                                              \
        {"from",  KS_FLAG_TEXT,                                                                \
         "FILES", "static files instead of the site: a folder, or http://host[:port]/…",       \
         NULL,    false},                                                                      \
        {"site", KS_FLAG_TEXT,                                                                 \
         "FILE", "the pinned site document; default: site.json of --device",                   \
         NULL,   false},                                                                       \
    {                                                                                          \
        "timeout", KS_FLAG_NUMBER, "SECONDS",                                                  \
            "give up on a static server's answer after this", "30", false                      \
    }

#define WITNESS_FLAGS                                                                          \
    {"witnesses", KS_FLAG_TEXT,                                                                \
     "FILE",      "keys of witnesses, a vkey in each line; demands that they cosigned",        \
     NULL,        false},                                                                      \
    {                                                                                          \
        "witness-quorum", KS_FLAG_NUMBER, "N", "how many of them; default: all", NULL, false   \
    }

#define KEEP_FLAG                                                                              \
    {                                                                                          \
        "keep", KS_FLAG_TEXT, "DIR",                                                           \
            "where the last head, and evidence, are kept; default: state of --device", NULL,   \
            false                                                                              \
    }

static const struct ks_flag ledger_flags[] = {
    LEDGER_FLAGS,
    END,
};

static const struct ks_flag ledger_head_flags[] = {
    LEDGER_FLAGS,
    WITNESS_FLAGS,
    END,
};

static const struct ks_flag ledger_prove_flags[] = {
    LEDGER_FLAGS,
    {"out", KS_FLAG_TEXT, "FILE", "keep the proof as a tlog-proof file (-o FILE)", NULL, false},
    END,
};

static const struct ks_flag ledger_check_flags[] = {
    LEDGER_FLAGS,
    WITNESS_FLAGS,
    KEEP_FLAG,
    END,
};

static const struct ks_flag ledger_follow_flags[] = {
    LEDGER_FLAGS,
    KEEP_FLAG,
    {"interval", KS_FLAG_NUMBER, "SECONDS", "time between two looks", "10", false},
    {"once", KS_FLAG_SWITCH, NULL, "look once", NULL, false},
    END,
};

static const struct ks_flag ledger_fsck_flags[] = {
    {"state", KS_FLAG_TEXT, "DIR", "a site's state: its database is compared, too", NULL,
     false},
    {"site", KS_FLAG_TEXT, "FILE",
     "the pinned site document; default: site.json of --state, or of --device", NULL, false},
    {"device", KS_FLAG_TEXT, "DIR", "a device's directory, for its site.json", ".", false},
    END,
};

static const struct ks_flag ledger_serve_flags[] = {
    {"address", KS_FLAG_TEXT, "ADDRESS", "the address to listen on", "127.0.0.1", false},
    {"port", KS_FLAG_NUMBER, "N", "the port; 0: any free one, and it is printed", "0", false},
    END,
};

static const struct ks_flag help_flags[] = {
    {"mdoc", KS_FLAG_SWITCH, NULL, "the commands as they stand in ketseal(1)", NULL, false},
    {"bash", KS_FLAG_SWITCH, NULL, "completion for bash, to be sourced", NULL, false},
    END,
};

static const struct ks_flag ca_new_flags[] = {
    {"out", KS_FLAG_TEXT, "DIR", "directory to make: root.pem, root.key, issued/, crl.pem",
     NULL, true},
    {"name", KS_FLAG_TEXT, "NAME", "subject of the root", "ketseal root", false},
    {"days", KS_FLAG_NUMBER, "N", "validity", "3650", false},
    END,
};

static const struct ks_flag ca_issue_flags[] = {
    {"ca", KS_FLAG_TEXT, "DIR", "directory of the CA", NULL, true},
    {"name", KS_FLAG_TEXT, "NAME", "id of a device or operator, or name of the site", NULL,
     true},
    {"out", KS_FLAG_TEXT, "DIR", "directory to make, with certificate, key and root", NULL,
     true},
    {"algorithm", KS_FLAG_TEXT, "NAME",
     "of its key: ML-DSA-44, ML-DSA-65, ML-DSA-87; experimental, for those who name it in "
     "their "
     "TLS settings: SLH-DSA-SHA2-128s, SLH-DSA-SHA2-128f",
     "ML-DSA-65", false},
    {"days", KS_FLAG_NUMBER, "N", "validity", "365", false},
    {"dns", KS_FLAG_MANY, "NAME", "DNS name of a server (repeatable)", NULL, false},
    {"ip", KS_FLAG_MANY, "ADDRESS", "address of a server (repeatable)", NULL, false},
    END,
};

static const struct ks_flag ledger_vkeys_flags[] = {
    {"site", KS_FLAG_TEXT, "FILE", "the site's document (site.json in its state directory)",
     NULL, true},
    END,
};

static const struct ks_flag witness_keygen_flags[] = {
    {"name", KS_FLAG_TEXT, "NAME", "of the witness and of its keys: witness.example/w1", NULL,
     true},
    {"out", KS_FLAG_TEXT, "DIR", "where the two key files go, made if absent (-o DIR)", NULL,
     true},
    END,
};

static const struct ks_flag policy_make_flags[] = {
    {"root", KS_FLAG_TEXT, "FILE", "root certificate of the CA", NULL, true},
    {"site", KS_FLAG_TEXT, "FILE", "the site's document (site.json in its state directory)",
     NULL, true},
    {"crl", KS_FLAG_TEXT, "FILE", "revocation list", NULL, false},
    {"anchor", KS_FLAG_TEXT, "FILE",
     "demand an anchor: the pin of chain, contract, submitter and blocks", NULL, false},
    {"timestamp-ca", KS_FLAG_TEXT, "FILE",
     "demand a time stamp: roots and authorities of those who may give it, PEM", NULL, false},
    {"timestamp-crl", KS_FLAG_TEXT, "FILE", "their revocation lists, PEM", NULL, false},
    {"timestamp-policy", KS_FLAG_TEXT, "OID", "the policy that a time stamp must name", NULL,
     false},
    {"timestamp-within", KS_FLAG_NUMBER, "SECONDS",
     "how long after its record a time stamp may be", NULL, false},
    SIMULATED_FLAG,
    WITNESS_FLAGS,
    {"out", KS_FLAG_TEXT, "FILE", "where the policy goes (-o FILE)", "-", false},
    END,
};

static const struct ks_flag bundle_complete_flags[] = {
    {"policy", KS_FLAG_TEXT, "FILE", "what the new bundle is verified against", NULL, true},
    {"checkpoint", KS_FLAG_TEXT, "FILE",
     "the signed checkpoint that the bundle is to stand on; default: its own, or that of "
     "--proof",
     NULL, false},
    {"proof", KS_FLAG_TEXT, "FILE",
     "the record's path to that checkpoint (ketseal ledger prove --out)", NULL, false},
    {"intent-proof", KS_FLAG_TEXT, "FILE", "the path of the record's intent, the same way",
     NULL, false},
    {"from", KS_FLAG_TEXT, "DIR",
     "make both paths from a folder of static files (ketseal ledger export)", NULL, false},
    {"fetch", KS_FLAG_SWITCH, NULL, "ask the site for both paths", NULL, false},
    DEVICE_FLAGS,
    {"anchor", KS_FLAG_TEXT, "FILE", "an anchor of that checkpoint (ketseal anchor prove)",
     NULL, false},
    {"timestamp", KS_FLAG_TEXT, "FILE", "a time stamp authority's answer for that checkpoint",
     NULL, false},
    {"out", KS_FLAG_TEXT, "FILE", "where the bundle goes (-o FILE)", "-", false},
    END,
};

static const struct ks_flag timestamp_request_flags[] = {
    {"policy-oid", KS_FLAG_TEXT, "OID", "the policy that the authority is asked for", NULL,
     false},
    {"url", KS_FLAG_TEXT, "URL",
     "send the request there and keep the answer; http will do, since answers are signed", NULL,
     false},
    {"url-ca", KS_FLAG_TEXT, "FILE",
     "who vouches for an https URL, PEM; default: the system's authorities", NULL, false},
    {"out", KS_FLAG_TEXT, "FILE", "where the request, or the answer, goes (-o FILE)", "-",
     false},
    END,
};

static const struct ks_flag timestamp_publish_flags[] = {
    {"answer", KS_FLAG_TEXT, "FILE", "the authority's answer, or its token", NULL, true},
    {"request", KS_FLAG_TEXT, "FILE", "what was asked: the answer is to this", NULL, false},
    OPERATOR_FLAGS,
    END,
};

static const struct ks_flag timestamp_check_flags[] = {
    {"policy", KS_FLAG_TEXT, "FILE", "whose time stamps are believed (ketseal policy make)",
     NULL, true},
    {"answer", KS_FLAG_TEXT, "FILE", "the authority's answer, or its token", NULL, true},
    {"request", KS_FLAG_TEXT, "FILE", "what was asked: the answer is to this", NULL, false},
    END,
};

static const struct ks_flag record_make_flags[] = {
    {"schema", KS_FLAG_TEXT, "NAME", "0.1 or qpoe-0.1", "qpoe-0.1", false},
    {"framework", KS_FLAG_TEXT, "NAME", "what runs it: native, qiskit, cirq", NULL, false},
    {"sdk", KS_FLAG_TEXT, "NAME", "the same as --framework", NULL, false},
    {"n-qubits", KS_FLAG_NUMBER, "N", "qubits", "3", false},
    {"depth", KS_FLAG_NUMBER, "N", "layers", "2", false},
    {"seed", KS_FLAG_NUMBER, "N", "of the gates, and of the sampling", "1234", false},
    {"shots", KS_FLAG_NUMBER, "N", "samples to draw", "1024", false},
    {"private-key-file", KS_FLAG_TEXT, "FILE",
     "Ed25519 key to sign with, 32 bytes in base64; default: a fresh one, not kept", NULL,
     false},
    {"private-key-b64", KS_FLAG_TEXT, "BASE64",
     "the same, for all who can see the arguments of processes", NULL, false},
    ADAPTER_FLAGS,
    {"out", KS_FLAG_TEXT, "FILE", "where the record goes (-o FILE)", "-", false},
    END,
};

#define NODE_FLAGS                                                                             \
    {"rpc", KS_FLAG_TEXT, "URL", "a node of the chain: https://…, or http://127.0.0.1:port",   \
     NULL,  false},                                                                            \
        {"rpc-file", KS_FLAG_TEXT, "FILE", "that URL from a file, where it is a secret",       \
         NULL,       false},                                                                   \
        {"rpc-timeout", KS_FLAG_NUMBER, "SECONDS", "for each answer of it", "30", false},      \
    {                                                                                          \
        "rpc-ca", KS_FLAG_TEXT, "FILE",                                                        \
            "certificate authorities to believe; default: the system's", NULL, false           \
    }

#define FEE_FLAGS                                                                              \
    {                                                                                          \
        "fee-max",      KS_FLAG_NUMBER, "WEI", "most to pay for a unit of gas",                \
        "500000000000", false},                                                                \
        {"tip-max",    KS_FLAG_NUMBER,                                                         \
         "WEI",        "most of it as a tip; what is offered is the median of late blocks",    \
         "5000000000", false},                                                                 \
        {"gas", KS_FLAG_NUMBER, "N", "most gas; 0: a fifth more than the node estimates",      \
         "0",   false},                                                                        \
    {                                                                                          \
        "replace", KS_FLAG_TEXT, "FILE", "a transaction that is stuck, to be outbid", NULL,    \
            false                                                                              \
    }

#define PIN_FLAG                                                                               \
    {                                                                                          \
        "pin", KS_FLAG_TEXT, "FILE",                                                           \
            "chain, contract and submitter that count (ketseal anchor pin)", NULL, true        \
    }

static const struct ks_flag anchor_keygen_flags[] = {
    {"out", KS_FLAG_TEXT, "FILE", "where the key goes, of mode 0600; not over another", NULL,
     true},
    END,
};

static const struct ks_flag anchor_pin_flags[] = {
    {"chain", KS_FLAG_NUMBER, "ID", "the chain's id", NULL, true},
    {"contract", KS_FLAG_TEXT, "ADDRESS", "the anchoring contract, 0x…", NULL, true},
    {"from", KS_FLAG_TEXT, "ADDRESS", "the account that anchors, 0x…", NULL, true},
    {"code-hash", KS_FLAG_TEXT, "HASH",
     "Keccak-256 of the contract's code, 0x…; default: of the contract that comes along", NULL,
     false},
    {"block", KS_FLAG_MANY, "NUMBER:HASH",
     "a block known to be on the chain (repeatable, ascending)", NULL, false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag anchor_deploy_flags[] = {
    NODE_FLAGS,
    {"chain", KS_FLAG_NUMBER, "ID", "the chain's id", NULL, true},
    {"from", KS_FLAG_TEXT, "ADDRESS", "the account that pays, 0x…", NULL, true},
    FEE_FLAGS,
    RESULT_FLAG,
    END,
};

static const struct ks_flag anchor_prepare_flags[] = {
    DEVICE_FLAGS,
    NODE_FLAGS,
    PIN_FLAG,
    {"site", KS_FLAG_TEXT, "FILE", "the site's document, whose keys have to have signed FILE",
     NULL, false},
    {"checkpoint-out", KS_FLAG_TEXT, "FILE",
     "where the site's checkpoint goes, when no FILE is given", NULL, false},
    FEE_FLAGS,
    RESULT_FLAG,
    END,
};

static const struct ks_flag anchor_sign_flags[] = {
    {"key", KS_FLAG_TEXT, "FILE", "the account's key (ketseal anchor keygen)", NULL, false},
    {"signer", KS_FLAG_TEXT, "PROGRAM",
     "a program that keeps the key: hash on its standard input, signature on its output", NULL,
     false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag anchor_send_flags[] = {
    NODE_FLAGS,
    {"wait", KS_FLAG_NUMBER, "SECONDS", "for the block; 0: do not wait", "180", false},
    {"confirmations", KS_FLAG_NUMBER, "N", "blocks it has to be deep", "1", false},
    END,
};

static const struct ks_flag anchor_prove_flags[] = {
    NODE_FLAGS,
    PIN_FLAG,
    {"block", KS_FLAG_TEXT, "NAME", "finalized, safe, latest, or a number", "finalized", false},
    {"confirmations", KS_FLAG_NUMBER, "N",
     "instead: the newest block that is so deep; 0: by --block", "0", false},
    RESULT_FLAG,
    END,
};

static const struct ks_flag anchor_publish_flags[] = {
    OPERATOR_FLAGS,
    PIN_FLAG,
    END,
};

static const struct ks_flag anchor_check_flags[] = {
    PIN_FLAG,
    {"checkpoint", KS_FLAG_TEXT, "FILE", "the checkpoint that it is to be about", NULL, true},
    {"canonical", KS_FLAG_SWITCH, NULL, "fail as well where the pin does not name the block",
     NULL, false},
    END,
};

static const struct ks_flag bench_trng_flags[] = {
    {"tpm", KS_FLAG_TEXT, "DEVICE",
     "a TPM such as /dev/tpmrm0; default: a fresh swtpm, which is simulated", NULL, false},
    {"out", KS_FLAG_TEXT, "DIR", "directory for the tables and the figure, made if absent",
     NULL, true},
    {"block", KS_FLAG_MANY, "BYTES",
     "size of one request, ascending (repeatable); default: the powers of two from 16 to 65536",
     NULL, false},
    {"runs", KS_FLAG_NUMBER, "N", "timed runs of each source and size", "7", false},
    {"run-ms", KS_FLAG_NUMBER, "MS", "least time of a run, in milliseconds", "20", false},
    {"sample", KS_FLAG_NUMBER, "BYTES",
     "bytes of each source to estimate from; a hardware TPM takes minutes for the default",
     "1048576", false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    END,
};

static const struct ks_flag bench_jobs_flags[] = {
    {"out", KS_FLAG_TEXT, "DIR", "directory for the tables and the figures, made if absent",
     NULL, true},
    {"suite", KS_FLAG_MANY, "NAME",
     "key exchange and certificates, such as x25519mlkem768+mldsa65, x25519mlkem768+slhdsa128f "
     "or, unsealed alone, x25519+p256 (repeatable); default: seven",
     NULL, false},
    {"template", KS_FLAG_MANY, "NAME",
     "circuit (repeatable); default: clifford_t_sampling; figures show the first template, "
     "depth and number of shots",
     NULL, false},
    {"qubits", KS_FLAG_MANY, "N", "ascending (repeatable); default: 2, 4, 8, 12, 16", NULL,
     false},
    {"depth", KS_FLAG_MANY, "N", "ascending (repeatable); default: 8", NULL, false},
    {"shots", KS_FLAG_MANY, "N", "ascending (repeatable); default: 1000", NULL, false},
    {"runs", KS_FLAG_NUMBER, "N", "jobs of each suite, path, connection and circuit", "15",
     false},
    {"seed", KS_FLAG_NUMBER, "N", "of circuits and sampling", "7", false},
    {"libexec", KS_FLAG_TEXT, "DIR", "where the programs of a site are", KS_LIBEXEC_DIR, false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    END,
};

static const struct ks_flag qkd_simulate_flags[] = {
    {"distance", KS_FLAG_MANY, "KM",
     "length of the fibre, or FROM:TO:STEP (repeatable); default: 25", NULL, false},
    {"eve", KS_FLAG_TEXT, "WHO",
     "none, intercept:SHARE or pns:SHARE: intercept and resend, photon-number splitting, on "
     "that "
     "share of the pulses",
     "none", false},
    {"blocks", KS_FLAG_NUMBER, "N", "blocks at each distance", "1", false},
    {"pulses", KS_FLAG_NUMBER, "N",
     "pulses of a block; 0: as many as give two million clicks, at most 10^11", "0", false},
    {"seed", KS_FLAG_NUMBER, "N", "of everything that is random; default: a random one", NULL,
     false},
    {"rate", KS_FLAG_TEXT, "HZ", "pulses in a second of simulated time", "1e9", false},
    {"loss", KS_FLAG_TEXT, "DB", "loss of the fibre in a kilometre, in dB", "0.2", false},
    {"efficiency", KS_FLAG_TEXT, "P", "of the detectors", "0.2", false},
    {"dark", KS_FLAG_TEXT, "P", "dark counts of one detector, a pulse", "1e-6", false},
    {"misalignment", KS_FLAG_TEXT, "P", "photons that go to the wrong detector", "0.01", false},
    {"afterpulse", KS_FLAG_TEXT, "P", "clicks followed by another after the dead time", "0",
     false},
    {"dead", KS_FLAG_NUMBER, "PULSES", "dead time after a click", "0", false},
    {"signal", KS_FLAG_TEXT, "MEAN", "photons of a signal pulse", "0.6", false},
    {"decoy", KS_FLAG_TEXT, "MEAN", "of a weak decoy", "0.25", false},
    {"vacuum", KS_FLAG_TEXT, "MEAN", "of a vacuum decoy", "0", false},
    {"p-signal", KS_FLAG_TEXT, "P", "probability of a signal pulse", "0.45", false},
    {"p-decoy", KS_FLAG_TEXT, "P", "of a weak decoy; the others are vacuum", "0.4", false},
    {"basis-x", KS_FLAG_TEXT, "P", "probability of the basis that makes the key", "0.86",
     false},
    {"sample", KS_FLAG_TEXT, "P", "share of the key's bits shown to estimate errors",
     "0.015625", false},
    {"secrecy", KS_FLAG_TEXT, "EPSILON", "probability that a key is not secret", "1e-10",
     false},
    {"frame", KS_FLAG_NUMBER, "BITS", "of reconciliation", "16384", false},
    {"out", KS_FLAG_TEXT, "DIR", "directory for tables and figure, made if absent", NULL,
     false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    END,
};

const struct ks_command ks_commands[] = {
    {"run", NULL, "[FILE]", 0, 1,
     "Runs an OpenQASM program or a template at a site and keeps the sealed bundle.", run_flags,
     ks_command_run_job},
    {"verify", NULL, "BUNDLE", 1, 1, "Verifies a bundle offline.", verify_flags,
     ks_command_verify},
    {"compare", NULL, "BUNDLE BUNDLE", 2, 2,
     "Whether the counts of two bundles of one circuit may come from one distribution, whoever "
     "ran it.",
     compare_flags, ks_command_compare},
    {"replay", NULL, "BUNDLE", 1, 1,
     "Runs the job of a bundle again and compares bit for bit; where numerics differ, "
     "statistically.",
     replay_flags, ks_command_replay},
    {"ca", "new", "", 0, 0, "Makes a CA with an SLH-DSA-SHA2-128s root.", ca_new_flags,
     ks_command_ca_new},
    {"ca", "issue", "server|device|operator", 1, 1, "Issues a certificate with a fresh key.",
     ca_issue_flags, ks_command_ca_issue},
    {"ca", "show", "FILE", 1, 1, "Prints a certificate or a revocation list.", NULL,
     ks_command_ca_show},
    {"ca", "revoke", "[SERIAL…]", 0, KS_CLI_OPERANDS_MAX,
     "Revokes certificates and issues the list anew; without a serial only that.",
     ca_revoke_flags, ks_command_ca_revoke},
    {"device", "attest", "", 0, 0,
     "Has the site's TPM quote a fresh nonce and checks the quote.", device_attest_flags,
     ks_command_device_attest},
    {"device", "token", "", 0, 0, "Makes a token with which one device may enrol, once.",
     device_token_flags, ks_command_device_token},
    {"device", "enrol", "", 0, 0,
     "Enrols this machine: proves its TPM, seals a fresh identity to its state.",
     device_enrol_flags, ks_command_device_enrol},
    {"device", "reattest", "", 0, 0, "Shows the site that this machine is as it was.",
     device_reattest_flags, ks_command_device_reattest},
    {"device", "evidence", "", 0, 0,
     "Writes what this machine can show of itself: a quote and the logs behind it.",
     device_evidence_flags, ks_command_device_evidence},
    {"device", "appraise", "EVIDENCE", 1, 1,
     "Judges the evidence of a machine offline, by a reference policy.", device_appraise_flags,
     ks_command_device_appraise},
    {"device", "rotate", "", 0, 0, "Changes the key and certificate of this device.",
     site_flags, ks_command_device_rotate},
    {"device", "update", "", 0, 0,
     "Has an update authority sign for the state after a planned update of this machine.",
     device_update_flags, ks_command_device_update},
    {"device", "list", "", 0, 0, "Lists the devices that are enrolled at a site.",
     operator_flags, ks_command_device_list},
    {"device", "show", "ID", 1, 1, "Prints what a site knows of a device.", operator_flags,
     ks_command_device_show},
    {"device", "suspend", "ID", 1, 1, "Has a site refuse a device until it is resumed.",
     device_order_flags, ks_command_device_order},
    {"device", "resume", "ID", 1, 1, "Ends the suspension of a device.", device_order_flags,
     ks_command_device_order},
    {"device", "revoke", "ID", 1, 1, "Has a site refuse a device until it enrols again.",
     device_order_flags, ks_command_device_order},
    {"device", "compromise", "ID", 1, 1, "Has a site refuse a device and its TPM for good.",
     device_order_flags, ks_command_device_order},
    {"device", "require-rotation", "ID", 1, 1,
     "Has a site refuse the jobs of a device until it has changed its key.", device_order_flags,
     ks_command_device_order},
    {"job", "submit", "[FILE]", 0, 1, "Submits a program or a template and does not wait.",
     job_submit_flags, ks_command_job_submit},
    {"job", "status", "ID", 1, 1, "Prints the state of a job.", site_flags,
     ks_command_job_status},
    {"job", "wait", "ID", 1, 1, "Waits for the end of a job and keeps its bundle.",
     job_wait_flags, ks_command_job_wait},
    {"job", "fetch", "ID", 1, 1,
     "Keeps the bundle of a job that is done, under the newest checkpoint.", job_fetch_flags,
     ks_command_job_fetch},
    {"job", "cancel", "ID", 1, 1, "Ends a job that still runs.", site_flags,
     ks_command_job_cancel},
    {"job", "list", "", 0, 0, "Lists the jobs of this device.", job_list_flags,
     ks_command_job_list},
    {"ledger", "head", "", 0, 0, "Prints the newest checkpoint, its signatures checked.",
     ledger_head_flags, ks_command_ledger_head},
    {"ledger", "prove", "INDEX", 1, 1, "Prints an entry, its place in the ledger proved.",
     ledger_prove_flags, ks_command_ledger_prove},
    {"ledger", "check", "", 0, 0, "Proves that the ledger only grew since the last check.",
     ledger_check_flags, ks_command_ledger_check},
    {"ledger", "follow", "", 0, 0,
     "Watches a ledger: proves that it only grows, hashes each new entry, shouts on a fork.",
     ledger_follow_flags, ks_command_ledger_follow},
    {"ledger", "export", "DIR", 1, 1,
     "Fetches a whole ledger into static files, each checked; goes on where it ended.",
     ledger_flags, ks_command_ledger_export},
    {"ledger", "fsck", "[DIR]", 0, 1,
     "Checks static files from each entry to the signed root; names the first damaged one.",
     ledger_fsck_flags, ks_command_ledger_fsck},
    {"ledger", "serve", "DIR", 1, 1, "Serves static files of a ledger over plain HTTP.",
     ledger_serve_flags, ks_command_ledger_serve},
    {"ledger", "vkeys", "", 0, 0, "Prints the keys of a site's ledger, for its witnesses.",
     ledger_vkeys_flags, ks_command_ledger_vkeys},
    {"site", "certify", "", 0, 0,
     "Challenges a site's TPM and certifies the site and its issuing key.", site_certify_flags,
     ks_command_site_certify},
    {"policy", "make", "", 0, 0, "Writes a policy that pins a site and a root.",
     policy_make_flags, ks_command_policy_make},
    {"record", "show", "BUNDLE", 1, 1, "Prints what a bundle says, unverified.", NULL,
     ks_command_record_show},
    {"record", "hash", "FILE", 1, 1,
     "Prints the record hash of a bundle or of an old record: SHA-256 of its core.", NULL,
     ks_command_record_hash},
    {"record", "verify", "FILE", 1, 1,
     "Verifies a record of an old schema, 0.1 or qpoe-0.1, or those of `fl simulate`; bundles: "
     "`ketseal verify`.",
     NULL, ks_command_record_verify},
    {"record", "make", "", 0, 0,
     "Runs clifford_t_sampling here and writes a record of an old schema.", record_make_flags,
     ks_command_record_make},
    {"anchor", "keygen", "", 0, 0, "Makes the key of an account that anchors.",
     anchor_keygen_flags, ks_command_anchor_keygen},
    {"anchor", "pin", "", 0, 0, "Writes down which chain, contract and submitter count.",
     anchor_pin_flags, ks_command_anchor_pin},
    {"anchor", "deploy", "", 0, 0, "Prepares the transaction that creates the contract.",
     anchor_deploy_flags, ks_command_anchor_deploy},
    {"anchor", "prepare", "[FILE]", 0, 1,
     "Prepares the transaction that anchors a checkpoint: of a file, or the site's newest.",
     anchor_prepare_flags, ks_command_anchor_prepare},
    {"anchor", "sign", "TX", 1, 1, "Signs a prepared transaction; needs no network.",
     anchor_sign_flags, ks_command_anchor_sign},
    {"anchor", "send", "TX", 1, 1,
     "Sends a signed transaction and waits for its block; again does no harm.",
     anchor_send_flags, ks_command_anchor_send},
    {"anchor", "prove", "CHECKPOINT", 1, 1,
     "Keeps what a node can show of an anchored checkpoint, checked, as evidence.",
     anchor_prove_flags, ks_command_anchor_prove},
    {"anchor", "check", "EVIDENCE", 1, 1, "Checks the evidence of an anchor offline.",
     anchor_check_flags, ks_command_anchor_check},
    {"anchor", "publish", "CHECKPOINT EVIDENCE", 2, 2,
     "Has a site serve the anchor of one of its checkpoints with its bundles.",
     anchor_publish_flags, ks_command_anchor_publish},
    {"bundle", "show", "BUNDLE", 1, 1, "Prints what is inside a bundle and how large it is.",
     NULL, ks_command_bundle_show},
    {"bundle", "complete", "BUNDLE", 1, 1,
     "Puts a bundle on another checkpoint of its ledger, with an anchor or a time stamp of it.",
     bundle_complete_flags, ks_command_bundle_complete},
    {"timestamp", "request", "FILE", 1, 1,
     "Asks for a time stamp (RFC 3161) of the checkpoint in a bundle or a note.",
     timestamp_request_flags, ks_command_timestamp_request},
    {"timestamp", "check", "FILE", 1, 1,
     "Verifies a time stamp of the checkpoint in a bundle or a note, offline.",
     timestamp_check_flags, ks_command_timestamp_check},
    {"timestamp", "publish", "FILE", 1, 1,
     "Gives the site a time stamp of the checkpoint in a bundle or a note, for its bundles.",
     timestamp_publish_flags, ks_command_timestamp_publish},
    {"circuit", "check", "FILE…", 1, KS_CLI_OPERANDS_MAX,
     "Parses OpenQASM programs: size, depth and the memory that each needs.",
     circuit_check_flags, ks_command_circuit_check},
    {"circuit", "plan", "[FILE]", 0, 1,
     "Prints what simulating a program or a template takes: passes, bytes, operations, time.",
     circuit_plan_flags, ks_command_circuit_plan},
    {"circuit", "show", "[FILE]", 0, 1, "Prints a program or a template as canonical OpenQASM.",
     circuit_show_flags, ks_command_circuit_show},
    {"circuit", "simulate", "[FILE]", 0, 1,
     "Samples a program or a template on this machine, unsealed.", circuit_simulate_flags,
     ks_command_circuit_simulate},
    {"circuit", "sweep", "[FILE]", 0, 1,
     "Samples a program or a template with many sets of angles, planned once.",
     circuit_sweep_flags, ks_command_circuit_sweep},
    {"witness", "keygen", "", 0, 0,
     "Makes the keys of a witness, Ed25519 and ML-DSA-44, and prints what they verify with.",
     witness_keygen_flags, ks_command_witness_keygen},
    {"qkd", "simulate", "", 0, 0,
     "Distils keys from a simulated link: error rates, lengths, bits a second, an "
     "eavesdropper.",
     qkd_simulate_flags, ks_command_qkd_simulate},
    {"trace", "build", "", 0, 0,
     "Makes a data set of traces: real jobs on sites of our own, some of them tampered with.",
     ks_trace_build_flags, ks_command_trace_build},
    {"detect", "train", "FILE", 1, 1, "Grows an isolation forest from the rows of a CSV file.",
     ks_detect_train_flags, ks_command_detect_train},
    {"detect", "score", "FILE", 1, 1,
     "Scores the rows of a CSV file by a model; each anomaly with its first reason.",
     ks_detect_score_flags, ks_command_detect_score},
    {"detect", "explain", "FILE", 1, 1, "Says which features make rows strange, and how much.",
     ks_detect_explain_flags, ks_command_detect_explain},
    {"detect", "figures", "FILE", 1, 1,
     "Draws the scores of a CSV file's rows: histogram, scatter, boxes of a duration.",
     ks_detect_figures_flags, ks_command_detect_figures},
    {"detect", "report", "FILE", 1, 1,
     "Writes one self-contained HTML page about the scores of a CSV file's rows.",
     ks_detect_report_flags, ks_command_detect_report},
    {"detect", "evaluate", "FILE", 1, 1,
     "Measures how well anomalies are told from the rest, where labels say which they are.",
     ks_detect_evaluate_flags, ks_command_detect_evaluate},
    {"detect", "follow", "FILE", 1, 1,
     "Judges the rows of a CSV stream as they come, and trains anew as they change.",
     ks_detect_follow_flags, ks_command_detect_follow},
    {"trace", "export", "[FILE]", 0, 1, "Writes traces of executions as CSV.",
     ks_trace_export_flags, ks_command_trace_export},
    {"trace", "list", "", 0, 0, "Lists the newest traces.", ks_trace_list_flags,
     ks_command_trace_list},
    {"trace", "show", "JOB", 1, 1, "Shows every number of a job's traces, with its meaning.",
     ks_trace_show_flags, ks_command_trace_show},
    {"trace", "alerts", "", 0, 0,
     "Lists what a detector has called anomalies, newest first, with the reasons.",
     ks_trace_alerts_flags, ks_command_trace_alerts},
    {"trace", "schema", "", 0, 0,
     "Prints the columns of traces as JSON: name, type, unit, meaning.", NULL,
     ks_command_trace_schema},
    {"learn", "train", "DATA…", 1, KS_CLI_OPERANDS_MAX,
     "Trains a model on a folder of IDX files (MNIST), or on tables of sensors, and tests it.",
     ks_learn_train_flags, ks_command_learn_train},
    {"learn", "evaluate", "DATA…", 1, KS_CLI_OPERANDS_MAX,
     "Tests a model on the samples for testing.", ks_learn_evaluate_flags,
     ks_command_learn_evaluate},
    {"learn", "generate", "", 0, 0,
     "Makes a table of hourly traffic and air of one site of an invented city.",
     ks_learn_generate_flags, ks_command_learn_generate},
    {"fl", "create", "[MODEL]", 0, 1,
     "Has a site learn from its devices' data, beginning with a model; prints the session.",
     ks_fl_create_flags, ks_command_fl_create},
    {"fl", "start", "SESSION", 1, 1, "Begins the rounds of a session.", ks_fl_operator_flags,
     ks_command_fl_order},
    {"fl", "pause", "SESSION", 1, 1, "Makes a session's deadlines stand still.",
     ks_fl_operator_flags, ks_command_fl_order},
    {"fl", "resume", "SESSION", 1, 1, "Lets a paused session go on.", ks_fl_operator_flags,
     ks_command_fl_order},
    {"fl", "stop", "SESSION", 1, 1, "Ends a session before its last round.",
     ks_fl_operator_flags, ks_command_fl_order},
    {"fl", "status", "[SESSION]", 0, 1, "Shows a session and its rounds, or all sessions.",
     ks_fl_status_flags, ks_command_fl_status},
    {"fl", "history", "SESSION", 1, 1,
     "Shows what each round of a session cost and brought, and the curve of the loss.",
     ks_fl_history_flags, ks_command_fl_history},
    {"fl", "devices", "SESSION", 1, 1,
     "Shows who was asked in a session, how they stand, what of them counts.",
     ks_fl_operator_flags, ks_command_fl_devices},
    {"fl", "records", "SESSION", 1, 1, "Lists the records of a session's rounds, newest first.",
     ks_fl_operator_flags, ks_command_fl_records},
    {"fl", "record", "JOB", 1, 1, "Fetches the bundle of a round's record.", ks_fl_fetch_flags,
     ks_command_fl_record},
    {"fl", "audit", "SESSION", 1, 1,
     "Checks the records of a session's rounds and updates, and has rounds computed again.",
     ks_fl_audit_flags, ks_command_fl_audit},
    {"fl", "fetch", "SESSION", 1, 1, "Fetches the global model of a session.",
     ks_fl_fetch_flags, ks_command_fl_fetch},
    {"fl", "join", "[SESSION] [DATA…]", 0, KS_CLI_OPERANDS_MAX,
     "Takes part in a session: trains on this device, and contributes what was learned.",
     ks_fl_join_flags, ks_command_fl_join},
    {"fl", "simulate", "[DATA…]", 0, KS_CLI_OPERANDS_MAX,
     "Runs a session in this process: real rounds, rules, seals and records, without a site.",
     ks_fl_simulate_flags, ks_command_fl_simulate},
    {"bench", "trng", "", 0, 0,
     "Measures the TPM's random numbers against the kernel's: speed, estimates, health.",
     bench_trng_flags, ks_command_bench_trng},
    {"bench", "jobs", "", 0, 0,
     "Times jobs over TLS of several suites, on sites of its own, against the size of the "
     "circuit: tables and two figures.",
     bench_jobs_flags, ks_command_bench_jobs},
    {"help", NULL, "[NOUN] [VERB]", 0, 2,
     "Prints usage; or, from the same table, manual and completion.", help_flags,
     ks_command_help},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
