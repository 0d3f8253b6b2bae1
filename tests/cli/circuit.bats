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
    ks circuit show - <<<'OPENQASM 3.0;'
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
        "circuit_hash counts kernels numerics precision schema seed shots"
    same sum "$(jq '[.counts[]] | add' <<<"$output")" 100
    same outcomes "$(jq -r '.counts | keys | join(" ")' <<<"$output")" "000 111"
    same rest "$(jq -r '"\(.precision) \(.seed) \(.shots)"' <<<"$output")" "single 5 100"
}

@test "simulate: over the memory" {
    ks -q circuit simulate --template=hea --qubits=30 --depth=2 --seed=1 --memory=1 --out=counts
    same status "$status" 3
    [[ $stderr == "ketseal: hea: "* ]]
    holds
}
