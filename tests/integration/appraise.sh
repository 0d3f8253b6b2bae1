#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Evidence of a device, judged where there is neither the device nor the site: what passes, each difference by its
# name, what cannot be told, and what is somebody else's or altered.   appraise.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
for tool in jq swtpm_setup; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done

# Somewhere else: nothing of the device or the site but the files that an auditor was given.
appraise() { # REFERENCE DEVICE EVIDENCE FLAGS…
    mkdir -p auditor
    cp "$1" auditor/reference.yaml
    cp "$2.json" auditor/device.json
    cp "$3" auditor/evidence
    shift 3
    (cd auditor && "$ketseal" -q device appraise --reference reference.yaml --registered device.json "$@" evidence)
}
gives() { # STATUS TEXT ARGUMENTS of appraise
    want=$1 text=$2
    shift 2
    site_refused "$want" "$text" appraise "$@"
}
write_reference() { # FILE, digests of firmware.bin and model.bin
    site_reference "$1" ketseal "$(site_digest "$ketseal")" firmware.bin "$2" model.bin "$3"
}

echo firmware >firmware.bin
echo model >model.bin
zeros=$(printf '%064d' 0)
write_reference reference.yaml "$(site_digest firmware.bin)" "$(site_digest model.bin)"
write_reference other.yaml "$zeros" "$zeros"
sed 's/\[14\]/[14, 7, 11]/' reference.yaml >golden.yaml
cat >>golden.yaml <<YAML
pcrs:
  - {pcr: 7, values: ["$(printf '%064d' 7)"]}
  - {pcr: 11, values: ["$(printf '%064d' 11)"]}
YAML
sed 's/\[14\]/[0, 14]/' reference.yaml >boot.yaml
cat >>boot.yaml <<YAML
boot_events:
  - {pcr: 0, type: EV_S_CRTM_VERSION, digest: "$zeros"}
YAML
sed 's/simulated/hardware/' reference.yaml >chip.yaml
site_more=$site_enrolment_lines
site_start
site_certify
for device in edge-1 edge-2; do
    site_enrol "$device" --measure firmware.bin --measure model.bin
    "$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" "$device" >"$device.json"
done
nonce=$(printf '%064x' 12345)
"$ketseal" -q device evidence --device edge-1 --nonce "$nonce" --out fresh
"$ketseal" --json device reattest --device edge-1 --evidence shown >verdict
site_stop # nobody is asked from here on

# --- yes, as the site itself has said ----------------------------------------------------------------------------
gives 0 '^pass *launch.programs' reference.yaml edge-1 fresh --nonce "$nonce"
gives 0 '^pass *signature' reference.yaml edge-1 shown
appraise reference.yaml edge-1 shown --json >here
jq -S 'del(.iat) | del(.measres, .ketseal_appraisal.checks)' verdict >verdict.site
jq -S 'del(.iat) | del(.measres, .ketseal_appraisal.checks)' here >verdict.here
cmp verdict.site verdict.here || site_fail "the verdict is another than the site's"
# The site has seen a quote of that key before, so it also looked at the order.
states() { jq -c '[.ketseal_appraisal.checks[] | select(.check != "clock.order") | [.check, .state]]' "$1"; }
[ "$(states verdict)" = "$(states here)" ] || site_fail "the checks are others than the site's"

# --- no: each difference, not the first alone -----------------------------------------------------------------------
gives 1 "launch.programs: PCR 14, event 2, program 'firmware.bin'" other.yaml edge-1 fresh
[ "$(grep -c '^differs  launch.programs: PCR 14, event [23], program ' answer)" -eq 2 ] || site_fail "not each program: $(cat answer)"
gives 1 '^fail *pcrs.golden' golden.yaml edge-1 fresh
[ "$(grep -cE '^differs  pcrs.golden: PCR (7|11): ' answer)" -eq 2 ] || site_fail "not each PCR: $(cat answer)"
gives 1 '^fail *nonce' reference.yaml edge-1 fresh --nonce "$zeros"
gives 1 'the TPM is simulated, which the reference does not accept' chip.yaml edge-1 fresh
gives 1 "not the one under which the site knows device 'edge-2'" reference.yaml edge-2 fresh
gives 1 '"passed":false' other.yaml edge-1 fresh --json
[ ! -s said ] || site_fail "a verdict and an error: $(cat said)"

# --- could not tell -------------------------------------------------------------------------------------------------
gives 4 'could not tell: boot.log: no boot log was sent' boot.yaml edge-1 fresh
jq -c '.platform.launch_log = null' fresh | tr -d '\n' >bare
gives 4 'could not tell: launch.log: no launch log was sent' reference.yaml edge-1 bare

# --- altered, cut, something else -----------------------------------------------------------------------------------
alter() { # FILTER
    jq -cS "$1" fresh | tr -d '\n' >altered
}
alter '.nonce = "'"$(printf '%43s' '' | tr ' ' A)"'="'
gives 1 '^fail *nonce' reference.yaml edge-1 altered
alter '.channel = "'"$(printf '%43s' '' | tr ' ' B)"'"'
gives 3 "'channel'" reference.yaml edge-1 altered
alter '.platform.pcrs[14] = "'"$zeros"'"'
gives 1 '^fail *pcrs:' reference.yaml edge-1 altered
alter '.platform.launch_log.events[1].digest = "'"$zeros"'"'
gives 1 '^fail *launch.log' reference.yaml edge-1 altered
alter '.platform.signature = ""'
gives 1 '^fail *signature' reference.yaml edge-1 altered
alter '.more = 1'
gives 3 'more' reference.yaml edge-1 altered
head -c 1000 fresh >altered
gives 3 'evidence' reference.yaml edge-1 altered
gives 3 'evidence: ' reference.yaml edge-1 edge-1.json
cp edge-1.json kept.json
jq -c 'del(.ak)' kept.json >edge-1.json
gives 3 "'ak'" reference.yaml edge-1 fresh
echo "$site_name: $site_refusals verdicts"
