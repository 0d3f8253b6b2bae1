#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# circuit check, show, simulate: no site anywhere.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

bell='OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0],q[1];
measure q[0] -> c[0];
measure q[1] -> c[1];'

write_bell() {
    printf 'OPENQASM 2.0; include "qelib1.inc";\nqreg q[2]; creg c[2];\nh q[0]; cx q[0], q[1];\nmeasure q -> c;\n' >bell.qasm
}

@test "check: facts of good files" {
    write_bell
    printf 'OPENQASM 2.0;\nqreg q[40];\ncreg c[40];\nU(1,0,0) q;\n' >wide.qasm
    ks circuit check bell.qasm wide.qasm
    same status "$status" 0
    same "standard error" "$stderr" ""
    same bell "${lines[0]%,*}" "bell.qasm: 2 qubits, 2 clbits, 4 operations, depth 3"
    same wide "${lines[1]%,*}" "wide.qasm: 40 qubits, 40 clbits, 40 operations, depth 1"
}

@test "check: memory halves in single precision" {
    ks circuit show --template=qft --qubits=20 --out=qft.qasm
    ks --json circuit check qft.qasm
    double=$(jq '.circuits[0].memory_bytes' <<<"$output")
    ks --json circuit check --precision=single qft.qasm
    same "single" "$(jq '.circuits[0].memory_bytes' <<<"$output")" "$((double / 2))"
}

@test "check: every bad file is named, the good ones pass" {
    write_bell
    printf 'OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n' >bad.qasm
    ks circuit check bad.qasm bell.qasm missing.qasm
    same status "$status" 6
    same "lines of result" "${#lines[@]}" 1
    [[ $stderr == "ketseal: bad.qasm:3:1: "*"
ketseal: open 'missing.qasm': No such file or directory" ]]
    ks --json circuit check bad.qasm bell.qasm
    same status "$status" 3
    same "standard error" "$stderr" ""
    is_json ketseal.circuit-check/1
    same bad "$(jq -r '.circuits[0].error' <<<"$output")" FORMAT
    same good "$(jq '.circuits[1].qubits' <<<"$output")" 2
}

@test "check: every committed program is judged as its folder says" {
    ks circuit check "$KS_SOURCE_ROOT"/tests/vectors/qasm/accept/*.qasm
    same status "$status" 0
    for file in "$KS_SOURCE_ROOT"/tests/vectors/qasm/reject/*.qasm; do
        ks circuit check "$file"
        same "$file" "$status $output" "3 "
        same "lines of error" "$(wc -l <<<"$stderr")" 1
    done
}

@test "show: canonical text of a file, standard input, a template" {
    write_bell
    ks circuit show bell.qasm
    says 0 "$bell" ""
    ks circuit show - <bell.qasm
    says 0 "$bell" ""
    ks circuit show --template=bell
    says 0 "$bell" ""
}

@test "plan: what it takes, the same for a file and its template" {
    ks --json circuit plan --template=hea --qubits=24 --depth=10 --precision=single
    is_json ketseal.circuit-plan/1
    same plan "$(jq -c '[.passes, .slots, .whole, .gates]' <<<"$output")" '[2,24,true,710]'
    plan=$output
    ks circuit show --template=hea --qubits=24 --depth=10 --out=hea.qasm
    ks --json circuit plan --precision=single hea.qasm
    same plan "$output" "$plan"
    ks circuit plan --template=ghz --qubits=40
    same status "$status" 0
    [[ $output == *"state      2^1 amplitudes"* ]]
    ks circuit plan --template=hea --qubits=49
    fails 3 "hea: needs 49 qubits at once, limit 48"
    ks circuit plan --template=bell --threads=0
    fails 2 "--threads: 1 or more"
}

@test "show: its own output again, and the hash is that of the text" {
    ks circuit show --template=clifford_t_sampling --qubits=4 --depth=10 --seed=123 --out=a.qasm
    says 0 "" ""
    ks circuit show a.qasm -o b.qasm
    cmp a.qasm b.qasm
    ks --json circuit show b.qasm
    is_json ketseal.circuit/1
    same hash "$(jq -r .circuit_hash <<<"$output")" "$(sha256sum <a.qasm | cut -d' ' -f1)"
    same text "$(jq -r .qasm <<<"$output")" "$(cat a.qasm)"
    ks circuit show --template=clifford_t_sampling --qubits=4 --depth=10 --seed=124 --out=c.qasm
    run ! cmp -s a.qasm c.qasm
}

@test "show: unknown template, empty file, program from others" {
    ks circuit show --template=bells
    same status "$status" 2
    [[ $stderr == *"'bells'"* ]]
    : >empty.qasm
    ks circuit show empty.qasm
    fails 3 "empty.qasm: empty"
    ks circuit show - <<<'OPENQASM 4.0;'
    same status "$status" 3
    [[ $stderr == "ketseal: standard input:1:"* ]]
}

@test "simulate: a certain outcome" {
    printf 'OPENQASM 2.0;\nqreg q[3];\ncreg c[3];\nU(pi,0,pi) q[1];\nmeasure q -> c;\n' >x.qasm
    ks -q circuit simulate --shots=50 --seed=1 x.qasm
    says 0 "010 50" ""
}

@test "simulate: the same counts for kernels, threads and ways to name the program" {
    write_bell
    ks -q circuit simulate --shots=1000 --seed=7 bell.qasm
    same status "$status" 0
    first=$output
    same outcomes "$(cut -d' ' -f1 <<<"$first" | xargs)" "00 11"
    same shots "$(awk '{n += $2} END {print n}' <<<"$first")" 1000
    for arguments in --kernels=scalar --threads=2 "--threads 3"; do
        # shellcheck disable=SC2086
        ks -q circuit simulate --shots=1000 --seed=7 $arguments bell.qasm
        says 0 "$first" ""
    done
    ks -q circuit simulate --shots=1000 --seed=7 --template=bell
    says 0 "$first" ""
    ks -q circuit simulate --shots=1000 --seed=8 bell.qasm
    [ "$output" != "$first" ]
}

@test "simulate: a seed that was not given is drawn and shown" {
    ks circuit simulate --template=bell --shots=3
    same status "$status" 0
    [[ $stderr =~ ^seed\ ([0-9]+) ]]
    first=$output
    ks -q circuit simulate --template=bell --shots=3 --seed="${BASH_REMATCH[1]}"
    says 0 "$first" ""
}

@test "simulate: --json says all that the counts depend on" {
    ks --json circuit simulate --template=ghz --qubits=3 --shots=100 --seed=5 --precision=single
    same status "$status" 0
    same "standard error" "$stderr" ""
    is_json ketseal.simulate/1
    same members "$(jq -r 'keys | join(" ")' <<<"$output")" \
        "circuit_hash counts kernels method method_reason numerics precision schema seed shots"
    same sum "$(jq '[.counts[]] | add' <<<"$output")" 100
    same outcomes "$(jq -r '.counts | keys | join(" ")' <<<"$output")" "000 111"
    same rest "$(jq -r '"\(.precision) \(.seed) \(.shots)"' <<<"$output")" "single 5 100"
}

@test "simulate: over the memory" {
    ks -q circuit simulate --template=hea --qubits=30 --depth=2 --seed=1 --memory=1 --method=statevector \
        --out=counts
    same status "$status" 3
    [[ $stderr == "ketseal: hea: "* ]]
    holds
}

@test "simulate: by every method, and what each says of itself" {
    write_bell
    for method in statevector stabilizer sparse mps; do
        ks circuit simulate --method=$method --shots=1000 --seed=7 bell.qasm
        same "status of $method" "$status" 0
        same outcomes "$(cut -d' ' -f1 <<<"$output" | xargs)" "00 11"
        same "standard error" "$stderr" "simulating 2 qubits, 4 operations, 1000 shots
simulated by $method: asked for"
        ks --json circuit simulate --method=$method --shots=1000 --seed=7 bell.qasm
        is_json ketseal.simulate/1
        same method "$(jq -r '"\(.method) \(.method_reason) \(.numerics)"' <<<"$output")" \
            "$method asked for $([[ $method == statevector ]] && echo 4 || echo 1)"
    done
    same members "$(jq -r 'keys | join(" ")' <<<"$output")" \
        "bond bond_max circuit_hash counts cutoff discarded_weight method method_reason numerics precision schema seed shots"
    same bond "$(jq '"\(.bond) \(.bond_max) \(.cutoff)"' <<<"$output")" '"2 256 1e-16"'
    ks --json circuit simulate --method=mps --bond-max=1 --cutoff=0 --shots=1000 --seed=7 bell.qasm
    same truncated "$(jq -c '[.bond, .bond_max, .cutoff, (.discarded_weight * 1000 | round)]' <<<"$output")" "[1,1,0,500]"
    ks --json circuit simulate --method=sparse --shots=10 --seed=7 bell.qasm
    same sparse "$(jq -c '[.amplitudes, .discarded_weight]' <<<"$output")" "[2,0]"
}

@test "simulate: auto goes beyond the state vector, and says why" {
    printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[300];\ncreg c[300];\nh q;\ns q;\nh q;\nmeasure q -> c;\n' >wide.qasm
    ks circuit simulate --seed=1 --shots=500 wide.qasm
    same status "$status" 0
    same outcomes "${#lines[@]}" 500
    [[ $stderr == "simulating 300 qubits, 1200 operations, 500 shots
simulated by stabilizer: every gate is a Clifford gate, and the state vector needs more than 8.0 EiB, limit 4.0 GiB" ]]
    ks -q circuit simulate --seed=1 --method=statevector --out=counts wide.qasm
    fails 3 "wide.qasm: needs more than 8.0 EiB for 300 qubits in double precision, limit 4.0 GiB"
    holds wide.qasm
}

@test "simulate: no method fits; wrong methods, bonds and cutoffs" {
    ks -q circuit simulate --template=rqc --qubits=60 --depth=30 --seed=1 --memory=1 --out=counts
    same status "$status" 3
    [[ $stderr == "ketseal: rqc: no method fits: statevector needs 16.0 EiB, limit 1.0 MiB; "* ||
        $stderr == "ketseal: rqc: no method fits: statevector needs more than 8.0 EiB, limit 1.0 MiB; "* ]]
    [[ $stderr == *"; stabilizer: operation "*" is no Clifford gate; sparse needs "*"; mps needs "* ]]
    write_bell
    ks circuit simulate --method=magic bell.qasm
    fails 2 "--method: auto, statevector, stabilizer, sparse or mps, not 'magic'"
    ks circuit simulate --method=mps --bond-max=0 bell.qasm
    fails 2 "--bond-max: at least 1"
    for cutoff in 1 -1 x; do
        ks circuit simulate --method=mps --cutoff=$cutoff bell.qasm
        fails 2 "--cutoff: from 0 to below 1, not '$cutoff'"
    done
    printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\nt q[0];\nh q[0];\nmeasure q -> c;\n' >t.qasm
    ks -q circuit simulate --method=stabilizer --seed=1 t.qasm
    fails 2 "t.qasm: operation 2, 't', is no Clifford gate"
}

@test "check: how each file would run" {
    write_bell
    ks circuit check --explain-method bell.qasm
    says 0 "bell.qasm: 2 qubits, 2 clbits, 4 operations, depth 3, 4.0 KiB; statevector: the state vector needs at most 4.0 KiB, limit 4.0 GiB" ""
    printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[100];\ncreg c[100];\nh q;\ns q;\nh q;\nmeasure q -> c;\n' >wide.qasm
    ks --json circuit check --explain-method --memory=1 wide.qasm
    is_json ketseal.circuit-check/1
    same method "$(jq -r '.circuits[0] | "\(.method): \(.method_reason)"' <<<"$output")" \
        "stabilizer: every gate is a Clifford gate, and the state vector needs more than 8.0 EiB, limit 1.0 MiB"
}

teleport='OPENQASM 3.0;
include "stdgates.inc";
qubit[3] q;
bit[2] m;
bit out;
x q[0];
h q[1]; cx q[1], q[2];
cx q[0], q[1]; h q[0];
m = measure q[0:1];
if (m == 3) { z q[2]; x q[2]; } else if (m[1]) x q[2]; else if (m[0]) z q[2];
out = measure q[2];'

@test "OpenQASM 3: checked, shown, run" {
    printf '%s\n' "$teleport" >teleport.qasm
    ks circuit check teleport.qasm
    same status "$status" 0
    ks circuit show teleport.qasm --out=a.qasm
    ks circuit show a.qasm --out=b.qasm
    cmp a.qasm b.qasm
    same head "$(head -1 a.qasm)" "OPENQASM 3.0;"
    ks -q circuit simulate --shots=400 --seed=1 --marginal=2 teleport.qasm
    says 0 "1 400" ""
    printf 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit q;\nswitch (1) { }\n' >bad.qasm
    ks circuit check bad.qasm
    same status "$status" 3
    same "standard error" "$stderr" "ketseal: bad.qasm:4:1: 'switch' is not supported here"
}

@test "simulate: probabilities, expectations, amplitudes, marginals" {
    ks -q circuit simulate --template=ghz --qubits=3 --seed=1 --amplitudes=000,011 --expect=ZZI \
        --expect='2*ZII - YYX' --probabilities
    same status "$status" 0
    same lines "$(awk '{ printf "%s %s %.3f;", $1, $2, $NF }' <<<"$output")" \
        "amplitude 000 0.000;amplitude 011 0.000;expect ZZI 1.000;expect 2*ZII 1.000;probability 000 0.500;probability 111 0.500;"
    ks --json circuit simulate --template=ghz --qubits=3 --seed=1 --probabilities --marginal=1
    is_json ketseal.exact/1
    same probabilities "$(jq -c .probabilities <<<"$output")" '{"0":0.5,"1":0.5}'
    ks -q circuit simulate --template=ghz --qubits=3 --shots=10 --seed=1 --marginal=3
    fails 2 "ghz: --marginal: classical bit 3 of 3"
    ks -q circuit simulate --template=ghz --qubits=3 --seed=1 --expect=ZQI
    fails 3 "ghz: --expect: observable:1:1: expected a letter of I, X, Y, Z for each qubit"
    ks -q circuit simulate --template=ghz --qubits=3 --seed=1 --amplitudes=00
    fails 2 "ghz: --amplitudes: states of 3 bits, such as 010,111"
}

@test "simulate: the state as a NumPy file" {
    ks -q circuit simulate --template=ghz --qubits=3 --seed=1 --state-out=state.npy
    says 0 "" ""
    same size "$(stat -c %s state.npy)" $((128 + 8 * 16))
    same magic "$(head -c 8 state.npy | od -An -tx1 | tr -d ' ')" 934e554d50590100
    if python3 -c 'import numpy' 2>/dev/null; then
        same state "$(python3 -c 'import numpy; print(numpy.load("state.npy").round(3).real.tolist())')" \
            "[0.707, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.707]"
    fi
    ks -q circuit simulate --template=ghz --qubits=3 --seed=1 --precision=single --state-out=single.npy
    same size "$(stat -c %s single.npy)" $((128 + 8 * 8))
    ks -q circuit simulate --template=ghz --qubits=3 --seed=1 --state-out=-
    fails 2 "ghz: --state-out: a file, not standard output"
}

@test "simulate: noise from a file" {
    printf 'readout: {read0_as1: 1, read1_as0: 1}\n' >flip.yaml
    ks -q circuit simulate --template=ghz --qubits=1 --shots=100 --seed=3 --noise=flip.yaml
    same status "$status" 0
    printf 'OPENQASM 2.0;\nqreg q[2];\ncreg c[2];\nmeasure q -> c;\n' >zero.qasm
    ks -q circuit simulate --shots=100 --seed=1 --noise=flip.yaml zero.qasm
    says 0 "11 100" ""
    printf 'gate1: {amplitude_damping: 0.25}\n' >decay.yaml
    printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[1];\ncreg c[1];\nx q[0];\nmeasure q -> c;\n' >one.qasm
    ks --json circuit simulate --seed=1 --noise=decay.yaml --probabilities one.qasm
    is_json ketseal.exact/1
    same probabilities "$(jq -c .probabilities <<<"$output")" '{"0":0.25,"1":0.75}'
    same model "$(jq -c .noise.gate1.amplitude_damping <<<"$output")" 0.25
    ks -q circuit simulate --seed=1 --noise=decay.yaml --expect=Z one.qasm
    fails 2 "one.qasm: --noise leaves no state: --expect, --amplitudes and --state-out need one"
    printf 'gate1: {x: 2}\n' >bad.yaml
    ks -q circuit simulate --seed=1 --noise=bad.yaml one.qasm
    fails 3 "bad.yaml: gate1.x is not within 0 and 1"
    printf 'gate9: {x: 0}\n' >bad.yaml
    ks -q circuit simulate --seed=1 --noise=bad.yaml one.qasm
    fails 3 "bad.yaml: Load: Unexpected key: gate9"
}

# --- sweep ------------------------------------------------------------------------------------

@test "sweep: each set counts as the program that is written with it" {
    printf '[[0.5,1,2],[0,3.141592653589793,0.25],[4,5,-6]]\n' >angles.json
    for angles in "0.5 1 2" "0 3.141592653589793 0.25" "4 5 -6"; do
        # shellcheck disable=SC2086 # three numbers
        set -- $angles
        printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[3];\ncreg c[3];\n' >one.qasm
        printf 'rx(%s) q[0];\nry(%s) q[1];\ncx q[0],q[1];\nrxx(%s) q[1],q[2];\n' "$@" >>one.qasm
        printf 'measure q -> c;\n' >>one.qasm
        ks -q circuit simulate --shots=500 --seed=3 --method=statevector one.qasm
        same status "$status" 0
        tr ' \n' ': ' <<<"$output" | sed 's/ *$//' >>want
        printf '\n' >>want
    done
    for arguments in --threads=1 --threads=3 --kernels=scalar; do
        ks -q circuit sweep --shots=500 --seed=3 --angles=angles.json "$arguments" one.qasm
        says 0 "$(cat want)" ""
    done
    ks --json circuit sweep --shots=500 --seed=3 --angles=angles.json one.qasm
    is_json ketseal.sweep/1
    same members "$(jq -r 'keys | join(" ")' <<<"$output")" \
        "angles kernels numerics precision results schema seed shots"
    same results "$(jq -r '.results[].counts | to_entries | map("\(.key):\(.value)") | join(" ")' <<<"$output")" \
        "$(cat want)"
}

@test "sweep: expectations" {
    printf '[[0],[3.141592653589793]]\n' >angles.json
    printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nrx(1) q[0];\ncx q[0],q[1];\n' >one.qasm
    ks -q circuit sweep --angles=angles.json --expect=ZI --expect=2*ZZ one.qasm
    says 0 $'1 2\n-1 2' ""
    ks --json circuit sweep --angles=angles.json --expect=ZI one.qasm
    is_json ketseal.sweep/1
    same results "$(jq -c '[.results[].expectations[]]' <<<"$output")" '[1,-1]'
}

@test "sweep: angles that are none, and programs that are no gates" {
    write_bell
    printf '[[]]\n' >none.json
    ks -q circuit sweep --angles=none.json --seed=1 --shots=9 bell.qasm
    same status "$status" 0
    for text in '[1]' '[["a"]]' '[[1,2]]' '{}' '[[1]' ''; do
        printf '%s' "$text" >bad.json
        printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[1];\ncreg c[1];\nrx(1) q[0];\n' >one.qasm
        ks -q circuit sweep --angles=bad.json one.qasm
        same status "$status" 3
    done
    printf 'measure q[0] -> c[0];\nrx(1) q[0];\nmeasure q[0] -> c[0];\n' >>one.qasm
    printf '[[1,1]]' >two.json
    ks -q circuit sweep --angles=two.json one.qasm
    fails 3 "one.qasm: no state to look at: operation 2 is behind a measurement"
    ks -q circuit sweep one.qasm
    fails 2 "--angles: missing"
}
