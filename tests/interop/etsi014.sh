#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# ETSI GS QKD 014 with programs of others, in the classical profile (docs/formats/etsi014.md):
#
#   public clients against two ketseal-kme, our client against a public pair of servers.
#
#   etsi014.sh BUILD
#
# Which ones is said by the environment; each that is not named is left out, and the test is skipped when
# none is. It installs and builds nothing.
#
#   ETSI014_PYTHON        a Python that has etsi-qkd-014-client, qkdsec, or both
#   ETSI014_C_WRAPPER     etsi014_full_test of qkd-etsi-api-c-wrapper, built with QKD_BACKEND=cerberis_xgr
#   ETSI014_SERVER        a folder of next-door-key-simulator
#   ETSI014_SERVER_PYTHON a Python that has its requirements
set -eu
if [ -z "${ETSI014_PYTHON:-}${ETSI014_C_WRAPPER:-}${ETSI014_SERVER:-}" ]; then
    echo 'etsi014: SKIPPED: none of ETSI014_PYTHON, ETSI014_C_WRAPPER, ETSI014_SERVER is set'
    exit 77
fi
# shellcheck source-path=SCRIPTDIR source=../integration/kme.sh
. "$(dirname "$0")/../integration/kme.sh"
kme_begin "$1" "$1/tests/integration/kme_straight"
servers=
passed=

stop_servers() {
    for server in $servers; do
        kill -KILL "$server" 2>/dev/null || true
    done
    kme_cleanup
}
trap stop_servers EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 2 \
    -subj '/CN=Vendor root' 2>/dev/null
issue() { # DIRECTORY SUBJECT EXTENSION; as `ketseal ca issue` names the files of a device
    mkdir -p "$1"
    openssl req -new -newkey rsa:2048 -nodes -keyout "$1/device.key" -out request.csr -subj "/CN=$2" 2>/dev/null
    printf '%s\n' "$3" >extensions
    openssl x509 -req -in request.csr -CA root.pem -CAkey root.key -CAcreateserial -days 2 -extfile extensions \
        -out "$1/device.pem" 2>/dev/null
    cp root.pem "$1/root.pem"
}
for sae in sae-1 sae-2 sae-3; do
    issue "$sae" "$sae" 'extendedKeyUsage=clientAuth'
done
issue kme kme 'subjectAltName=IP:127.0.0.1'

# --- public clients, our managers ---------------------------------------------------------------------------
if [ -n "${ETSI014_PYTHON:-}${ETSI014_C_WRAPPER:-}" ]; then
    kme_tls="  profile: classical
  root: root.pem
  certificate: kme/device.pem
  key: kme/device.key"
    kme_start a b
    kme_wait a 'stored_keys{half="own"}' 500
fi

has() {
    "$ETSI014_PYTHON" -c "import $1" 2>/dev/null
}

version() {
    "$ETSI014_PYTHON" -c "from importlib.metadata import version; print(version('$1'))"
}

if [ -n "${ETSI014_PYTHON:-}" ] && has etsi_qkd_014_client; then
    "$ETSI014_PYTHON" - "$port_a" "$port_b" <<'EOF'
import sys
from etsi_qkd_014_client import QKD014Client
def client(sae, port):
    return QKD014Client('127.0.0.1:' + port, sae + '/device.pem', sae + '/device.key', 'root.pem')
master, slave, third = client('sae-1', sys.argv[1]), client('sae-2', sys.argv[2]), client('sae-3', sys.argv[2])
code, status = master.get_status('sae-2')
assert code == 200 and status.source_kme_id == 'kme-a' and status.slave_sae_id == 'sae-2', status
code, one = master.get_key('sae-2')
assert code == 200 and len(one.keys) == 1, one
code, keys = master.get_key('sae-2', number=3, size=512, additional_slave_sae_ids=['sae-3'])
assert code == 200 and len(keys.keys) == 3, keys
for who in slave, third:
    code, same = who.get_key_with_key_IDs('sae-1', [key.key_id for key in keys.keys])
    assert code == 200 and [k.key for k in same.keys] == [k.key for k in keys.keys], same
code, error = slave.get_key_with_key_IDs('sae-1', [keys.keys[0].key_id])
assert code == 400 and error.message == 'one or more keys specified are not found on KME', error
code, error = third.get_key_with_key_IDs('sae-1', [one.keys[0].key_id])
assert code == 401, error
code, error = master.get_key('sae-2', size=257)
assert code == 400 and error.message == 'size shall be a multiple of 8', error
code, error = master.get_key('sae-2', extension_mandatory=[{'abc_route_type': 'direct'}])
assert code == 400 and error.message == 'not all extension_mandatory parameters are supported', error
EOF
    passed="$passed etsi-qkd-014-client-$(version etsi-qkd-014-client)"
fi

if [ -n "${ETSI014_PYTHON:-}" ] && has qkdsec.client; then
    "$ETSI014_PYTHON" - "$port_a" "$port_b" <<'EOF'
import sys
from qkdsec.client import ETSI014Client
from qkdsec.client.errors import KMEHTTPError
def client(sae, port):
    return ETSI014Client('https://127.0.0.1:' + port, client_cert=(sae + '/device.pem', sae + '/device.key'), verify='root.pem')
master, slave, third = client('sae-1', sys.argv[1]), client('sae-2', sys.argv[2]), client('sae-3', sys.argv[2])
status = master.status('sae-2')
assert status.source_kme_id == 'kme-a' and status.key_size == 256, status
for method in 'GET', 'POST':
    keys = master.get_enc_keys('sae-2', number=2, size=256, method=method)
    same = slave.get_dec_keys('sae-1', key_ids=[key.key_id for key in keys])
    assert [k.key for k in same] == [k.key for k in keys] and len(keys) == 2
keys = master.get_enc_keys('sae-2', additional_slave_sae_ids=['sae-3'])
for who in slave, third:
    assert who.get_dec_keys('sae-1', key_ids=[keys[0].key_id])[0].key == keys[0].key
def refused(code, call, *args, **more):
    try:
        call(*args, **more)
    except KMEHTTPError as error:
        assert error.status_code == code, error
        return
    raise AssertionError('not refused')
refused(400, master.get_enc_keys, 'sae-2', size=257)
refused(400, master.get_enc_keys, 'sae-2', number=129)
refused(400, slave.get_dec_keys, 'sae-1', key_ids=[keys[0].key_id])
refused(401, third.get_dec_keys, 'sae-1', key_ids=[master.get_enc_keys('sae-2')[0].key_id])
refused(400, master.get_enc_keys, 'sae-2', extension_mandatory=[{'abc': 1}])
EOF
    passed="$passed qkdsec-$(version qkdsec)"
fi

if [ -n "${ETSI014_C_WRAPPER:-}" ]; then
    QKD_MASTER_CERT_PATH=$PWD/sae-1/device.pem QKD_MASTER_KEY_PATH=$PWD/sae-1/device.key QKD_MASTER_CA_CERT_PATH=$PWD/root.pem \
        QKD_SLAVE_CERT_PATH=$PWD/sae-2/device.pem QKD_SLAVE_KEY_PATH=$PWD/sae-2/device.key QKD_SLAVE_CA_CERT_PATH=$PWD/root.pem \
        QKD_MASTER_KME_HOSTNAME=https://127.0.0.1:$port_a QKD_SLAVE_KME_HOSTNAME=https://127.0.0.1:$port_b \
        QKD_MASTER_SAE=sae-1 QKD_SLAVE_SAE=sae-2 "$ETSI014_C_WRAPPER" >said 2>&1 || kme_fail "the C wrapper: $(cat said)"
    passed="$passed qkd-etsi-api-c-wrapper($(sed -n 's/^Tests passed *: //p' said))"
fi
[ -z "$pid_b" ] || kme_stop b
[ -z "$pid_a" ] || kme_stop a

# --- our client, public servers -------------------------------------------------------------------------------
server() { # NUMBER PORT OTHER-PORT
    issue "kme-$1" "kme-$1" 'subjectAltName=IP:127.0.0.1'
    (
        cd "$ETSI014_SERVER"
        exec env HOST=127.0.0.1 PORT="$2" KME_ID="kme-$1" ATTACHED_SAE_ID="sae-$1" DEFAULT_KEY_SIZE=256 MAX_KEY_COUNT=1000 \
            MAX_KEYS_PER_REQUEST=128 MAX_KEY_SIZE=1024 MIN_KEY_SIZE=64 KEY_GEN_SEC_TO_GEN=0.01 \
            OTHER_KMES="https://127.0.0.1:$3" CA_FILE="$kme_work/root.pem" KME_CERT="$kme_work/kme-$1/device.pem" \
            KME_KEY="$kme_work/kme-$1/device.key" SAE_CERT="$kme_work/sae-$1/device.pem" \
            "${ETSI014_SERVER_PYTHON:-python3}" app.py
    ) >"server-$1.log" 2>&1 &
    servers="$servers $!"
}

# Until a server knows the other one's SAE.
await() { # NUMBER PORT OTHER
    tries=0
    until "$kme_client" "sae-$1" "$2" GET "/api/v1/keys/sae-$3/status" >said 2>&1 && grep -q '^200' said &&
        [ "$(tail -n +2 said | jq .key_size)" = 256 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { cat "server-$1.log" >&2; kme_fail "the public server $1: $(cat said)"; }
        sleep 1
    done
}

free_port() {
    "${ETSI014_SERVER_PYTHON:-python3}" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

if [ -n "${ETSI014_SERVER:-}" ]; then
    export KME_CLASSICAL=1
    port_1=$(free_port) port_2=$(free_port)
    server 1 "$port_1" "$port_2"
    server 2 "$port_2" "$port_1"
    await 1 "$port_1" 2
    await 2 "$port_2" 1
    # These two wait for each other at times, when both ask at once: nothing comes until one gives up. So three attempts,
    # of which one has to go through without a fault.
    attempt=1
    until "$kme_client" load sae-1 "$port_1" sae-2 "$port_2" 1 20 2 2>said; do
        attempt=$((attempt + 1))
        if [ "$attempt" -gt 3 ] || ! grep -q 'Timeout was reached' said; then
            cat said >&2
            tail -n 20 server-1.log >&2
            kme_fail 'our client, a public server'
        fi
    done
    passed="$passed next-door-key-simulator($(git -C "$ETSI014_SERVER" rev-parse --short HEAD 2>/dev/null || echo unknown))"
fi
[ -n "$passed" ] || kme_fail 'nothing that was named could be run'
echo "$kme_name: passed:$passed"
