#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# ketseal-mpi under a real mpirun with 2 and 4 ranks: the counts of `ketseal circuit simulate`, what it says of
# itself, and that each failure is one message, the right exit code and no process left waiting.
#
#   mpi.sh SOURCE_ROOT KETSEAL KETSEAL_MPI
set -uo pipefail
for tool in mpirun jq timeout; do
    command -v $tool >/dev/null || { echo "SKIPPED: no $tool" >&2; exit 77; }
done
[ -x "${3-}" ] || { echo "SKIPPED: ketseal-mpi was not built: no Open MPI" >&2; exit 77; }
page=$1/docs/man/ketseal-mpi.1 ketseal=$2 mpi=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Its root may be this one, and its slots fewer than the ranks; no network but this machine's memory.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl=self,vader

failed=0
complain() { echo "$*" >&2; failed=1; }
ranks() { timeout 60 mpirun -q --oversubscribe -n "$@"; }

cat >"$work/static.qasm" <<'QASM'
OPENQASM 2.0; include "qelib1.inc"; qreg q[19]; creg c[19];
h q; t q; cx q[0],q[18]; ry(0.3) q; cz q[3],q[17]; rx(0.7) q; ccx q[1],q[2],q[16]; ry(1.1) q; rzz(0.4) q[5],q[18]; rx(0.2) q;
cz q[18],q[2]; ry(0.5) q; crz(0.9) q[17],q[4]; h q; cx q[18],q[6]; ry(0.1) q; cu3(0.1,0.2,0.3) q[16],q[9]; rx(0.6) q; measure q -> c;
QASM
cat >"$work/dynamic.qasm" <<'QASM'
OPENQASM 3.0; include "stdgates.inc"; qubit[18] q; bit[18] c; bit[2] d;
for int i in [0:17] { ry(0.2 + i / 9) q[i]; }
for int i in [0:16] { cx q[i], q[i + 1]; rx(0.3) q[i]; }
d[0] = measure q[17]; if (d[0]) { x q[3]; ry(0.4) q[16]; } else { reset q[16]; }
for int i in [0:17] { ry(0.7) q[i]; }
d[1] = measure q[0]; while (d != 0) { h q[17]; d = 0; }
c = measure q;
QASM
deep=$work/deep.qasm
"$ketseal" circuit show --template=rqc --qubits=19 --depth=60 --seed=3 >"$deep" || complain "no template"

for file in "$work/static.qasm" "$work/dynamic.qasm" "$deep"; do
    for precision in double single; do
        [ $precision = double ] || [ "$file" = "$deep" ] || continue # one will do
        "$ketseal" --json circuit simulate --method=statevector --shots=500 --seed=9 --precision=$precision "$file" >"$work/one" ||
            complain "$file alone"
        for n in 2 4; do
            ranks $n "$mpi" simulate --json --shots=500 --seed=9 --precision=$precision "$file" >"$work/many" 2>"$work/err" ||
                complain "$file on $n ranks: $(cat "$work/err")"
            jq -e --argjson n $n --slurpfile one "$work/one" '
                (.counts == $one[0].counts) and (.circuit_hash == $one[0].circuit_hash) and (.numerics == $one[0].numerics)
                and .isolation == "none" and .ranks == $n' "$work/many" >/dev/null || complain "$file, $precision, $n ranks: other results"
        done
    done
done

# The deep one exchanges, as much as was foreseen.
ranks 4 "$mpi" simulate --json --shots=1 --seed=9 "$deep" >"$work/many"
"$mpi" plan --json --ranks=4 "$deep" >"$work/plan" || complain "plan"
jq -e --slurpfile plan "$work/plan" '.exchanges > 0 and .exchanges == $plan[0].exchanges and
    .exchanged_bytes == $plan[0].exchanged_bytes' "$work/many" >/dev/null || complain "exchanges: $(cat "$work/many" "$work/plan")"

# fails CODE TEXT N ARGUMENT…: one line of the program, with TEXT.
fails() {
    local code=$1 text=$2 n=$3
    shift 3
    ranks "$n" "$mpi" "$@" >"$work/out" 2>"$work/err"
    [ $? -eq "$code" ] || complain "$*: exit code, $(cat "$work/err")"
    if [ "$(grep -c "^ketseal-mpi: " "$work/err")" -ne 1 ] || ! grep -qF -- "$text" "$work/err"; then
        complain "$*: $(cat "$work/err")"
    fi
}
fails 3 'needs 4.0 MiB on each of 2 ranks for 19 qubits in double precision, limit 2.0 MiB; 8 ranks would do' 2 simulate --memory=2 --seed=1 "$deep"
fails 2 '3 ranks: not a power of two' 3 simulate --seed=1 "$work/static.qasm"
fails 2 '--shts: no such flag' 2 simulate --shts=3 "$work/static.qasm"
fails 2 "over ranks statevector alone, not 'mps'" 2 simulate --method=mps "$work/static.qasm"
fails 6 'No such file' 2 simulate "$work/absent.qasm"
echo 'OPENQASM 2.0; qreg q[1]; foo q[0];' >"$work/bad.qasm"
fails 3 'bad.qasm:1:' 2 simulate --seed=1 "$work/bad.qasm"

# The manual has the flags that there are.
"$mpi" --help | sed -n 's/^  \(--[a-z]*\).*/\1/p' | sort >"$work/help"
sed -n 's/^\.It Fl \\-\([a-z]*\).*/--\1/p' "$page" | grep -vx -e --help | sort >"$work/page"
diff "$work/help" "$work/page" || complain "ketseal-mpi(1) has other flags"
exit $failed
