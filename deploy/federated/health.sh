#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Whether a service of compose.yaml is well, asked inside its container: status 0.
#
#   ketseal-health listens ADDRESS PORT         somebody takes connections: a site does once its enclave is ready
#   ketseal-health ready PORT                   /readyz of a key manager: its link is up, and there are keys
#   ketseal-health rpc PORT METHOD [PARAMS]     a chain's node answers without an error
set -euo pipefail

head=$'Host: 127.0.0.1\r\nConnection: close\r\n'

# The answer to one request, on this host.
ask() { # PORT REQUEST
    exec 3<>"/dev/tcp/127.0.0.1/$1"
    printf '%s' "$2" >&3
    timeout 5 cat <&3
}

case ${1-} in
listens)
    timeout 5 bash -c "exec 3<>/dev/tcp/$2/$3"
    ;;
ready)
    answer=$(ask "$2" $'GET /readyz HTTP/1.1\r\n'"$head"$'\r\n')
    grep -q '^HTTP/1.1 200 ' <<<"$answer"
    ;;
rpc)
    body="{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$3\",\"params\":${4-[]}}"
    answer=$(ask "$2" $'POST / HTTP/1.1\r\n'"$head"$'Content-Type: application/json\r\nContent-Length: '"${#body}"$'\r\n\r\n'"$body")
    grep -q '"result":' <<<"$answer"
    ;;
*)
    echo "ketseal-health: listens, ready or rpc" >&2
    exit 2
    ;;
esac
