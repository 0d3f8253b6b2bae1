#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Sealed jobs per second and their latency on loopback, split by stage, beside the same job unsealed.
#
#   bench/jobs.sh BUILD_DIRECTORY [CONNECTIONS] [SECONDS]
#
# KETSEAL_BENCH_YAML holds further lines for the site's ketseal.yaml.
set -eu

build=$(cd "${1:-build/release}" && pwd)
connections=${2:-8}
seconds=${3:-5}
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-bench.XXXXXX")
site=
cleanup() {
    status=$?
    if [ -n "$site" ] && kill -0 "$site" 2>/dev/null; then
        kill -TERM "$site"
        wait "$site" || status=1
    fi
    [ "$status" -eq 0 ] || tail -n 20 "$work/site.log" >&2 || true
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cd "$work"
mkdir libexec
for program in enclave/ketseal-enclave enclave/ketseal-worker server/ketseald; do
    ln -s "$build/src/$program" libexec/
done
ketseal=$build/src/cli/ketseal
{
    "$ketseal" -q ca new --out ca
    "$ketseal" -q ca issue server --ca ca --name bench --ip 127.0.0.1 --out server
    "$ketseal" -q ca issue device --ca ca --name bench-1 --out device
} >/dev/null
cat >ketseal.yaml <<YAML
site:
  origin: bench.example/ketseal
  listen: 127.0.0.1:0
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
workers:
  count: 8
${KETSEAL_BENCH_YAML:-}
YAML
"$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
site=$!
tries=0
until grep -q 'event=site.ready' site.log; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] && kill -0 "$site" 2>/dev/null
    sleep 0.05
done
printf 'https://127.0.0.1:%s\n' "$(cat state/port)" >device/url
cp state/site.json device/
"$build/bench/bench_jobs" device server "$connections" "$seconds"

# Processor time per sealed job of each process of the site, workers together: what bounds the rate on a
# machine that does nothing else, and hardly depends on what else this one does.
python3 - "$site" site.log <<'PYTHON'
import json, os, sys
tick = os.sysconf("SC_CLK_TCK")
def times(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return [int(field) * 1000000 // tick for field in fields[11:15]]
site = sys.argv[1]
jobs = open(sys.argv[2]).read().count("event=record.sealed")
user, system, child_user, child_system = times(site)
row = {"bench": "jobs", "what": "site_cpu", "jobs": jobs, "launcher_us_per_job": (user + system) // jobs,
       "workers_us_per_job": (child_user + child_system) // jobs}
for child in open(f"/proc/{site}/task/{site}/children").read().split():
    name = open(f"/proc/{child}/cmdline").read().split("\0")[0].rsplit("/", 1)[-1]
    if name != "ketseal-worker":
        user, system, _, _ = times(child)
        row[name.replace("ketseal-", "") + "_us_per_job"] = (user + system) // jobs
print(json.dumps(row))
PYTHON

# The stages, as ketseald logged them: medians and 99th percentiles over all sealed jobs.
python3 - site.log <<'PYTHON'
import json, re, sys
stages = {}
for line in open(sys.argv[1]):
    if "event=record.sealed" in line:
        for name, value in re.findall(r"(\w+)_us=(\d+)", line):
            stages.setdefault(name, []).append(int(value))
row = {"bench": "jobs", "what": "stages"}
for name, values in stages.items():
    values.sort()
    row[name + "_p50_us"] = values[len(values) // 2]
    row[name + "_p99_us"] = values[len(values) * 99 // 100]
print(json.dumps(row))
PYTHON
