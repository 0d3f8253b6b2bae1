# shellcheck shell=sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# To be sourced in an empty folder, by scripts that need swtpms with certificates:
#   swtpm_ca           makes the configuration of a local CA below ca/
#   swtpm_make STATE   a new TPM in STATE with RSA and P-384 endorsement keys, certified by that CA
#   swtpm_run STATE    starts it; sets $swtpm (the process) and TPM2TOOLS_TCTI
#   swtpm_end          ends it

swtpm=

swtpm_ca() {
    mkdir ca
    printf 'statedir = %s\nsigningkey = %s\nissuercert = %s\ncertserial = %s\n' "$PWD/ca" \
        "$PWD/ca/signkey.pem" "$PWD/ca/issuercert.pem" "$PWD/ca/certserial" >ca/localca.conf
    printf -- '--platform-manufacturer Example\n--platform-version 1\n--platform-model Test\n' >ca/options
    printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n' \
        "$(command -v swtpm_localca)" "$PWD/ca/localca.conf" "$PWD/ca/options" >ca/setup.conf
}

swtpm_make() { # STATE
    mkdir "$1"
    swtpm_setup --tpm2 --tpmstate "$PWD/$1" --create-ek-cert --create-platform-cert --lock-nvram \
        --config ca/setup.conf --overwrite >log 2>&1
}

swtpm_run() { # STATE
    rm -f tpm tpm.ctrl
    swtpm socket --tpm2 --server type=unixio,path="$PWD/tpm" --ctrl type=unixio,path="$PWD/tpm.ctrl" \
        --flags not-need-init,startup-clear --tpmstate dir="$PWD/$1" 2>swtpm.log &
    swtpm=$!
    swtpm_tries=50
    while [ ! -S tpm.ctrl ] && [ "$swtpm_tries" -gt 0 ]; do
        swtpm_tries=$((swtpm_tries - 1))
        sleep 0.1
    done
    export TPM2TOOLS_TCTI="swtpm:path=$PWD/tpm"
}

swtpm_end() {
    [ -z "$swtpm" ] || kill "$swtpm" 2>/dev/null || true
    [ -z "$swtpm" ] || wait "$swtpm" 2>/dev/null || true
    swtpm=
}
