#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Time stamps with `openssl ts -reply` as the authority: request, answer, check, a completed bundle, its
# verdict by ketseal and by the static verifier, and `openssl ts -verify` on what was kept; then each thing
# that can be false about one.   timestamp.sh SOURCE_ROOT KETSEAL KETSEAL_VERIFY OPENSSL_PREFIX
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=stamps.sh
. "$(dirname "$0")/stamps.sh"
root=$(realpath "$1") ketseal=$(realpath "$2") verify=$(realpath "$3") prefix=$4
for tool in openssl jq xxd python3; do
    command -v "$tool" >/dev/null || { echo "SKIPPED: no $tool"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
bundles=$root/tests/vectors/bundle/4
cd "$dir"

fail() {
    echo "$*"
    exit 1
}
# The last command is refused with STATUS and a reason that contains TEXT.
refused() { # STATUS TEXT COMMAND...
    local want=$1 text=$2 status=0
    shift 2
    "$@" >out 2>&1 || status=$?
    [ "$status" = "$want" ] || { cat out; fail "$*: status $status, not $want"; }
    grep -qF "$text" out || { cat out; fail "$*: does not say '$text'"; }
}

stamps_begin
stamps_certificate web web 3650

# --- asked, answered, attached, verified ---
policy() { # OUT JQ-EXPRESSION: the committed policy with a member for time stamps
    jq -cS --rawfile pem root.pem ".timestamp = {certificates: \$pem} | .require += [\"timestamp\"] | $2" \
        "$bundles/lab.policy" >"$1"
}
policy stamps.policy .
policy strict.policy '.timestamp.within_s = 60'
policy other.policy '.timestamp.policy = "1.2.3"'

"$ketseal" -q timestamp request --out=request.tsq "$bundles/bell.bundle"
openssl ts -query -in request.tsq -text >text
grep -q 'Hash Algorithm: sha256' text
grep -q 'Certificate required: yes' text
# the digest is that of the checkpoint's body
jq -rj .ledger.checkpoint "$bundles/bell.bundle" >checkpoint
head -n 3 checkpoint >body
openssl ts -query -data body -sha256 -no_nonce -text 2>/dev/null | sed -n '/Message data/,/Policy/p' >want
sed -n '/Message data/,/Policy/p' text | diff - want || fail 'the request is over another digest'
"$ketseal" -q timestamp request --out=again.tsq checkpoint
! cmp -s request.tsq again.tsq || fail 'one nonce twice'

stamps_reply request.tsq stamper answer.tsr || { cat reply.log; fail 'the authority refuses'; }
"$ketseal" timestamp check --policy=stamps.policy --answer=answer.tsr --request=request.tsq checkpoint >out
grep -q "^stamped at 20.* by 'CN = stamper' under policy 1.3.6.1.4.1.99999.1$" out || { cat out; fail check; }
refused 1 'the nonces differ' "$ketseal" timestamp check --policy=stamps.policy --answer=answer.tsr \
    --request=again.tsq checkpoint

"$ketseal" -q bundle complete --policy=stamps.policy --timestamp=answer.tsr --out=stamped.bundle "$bundles/bell.bundle"
[ "$(jq -r .bundle stamped.bundle)" = ketseal.bundle/2 ]
[ "$(jq -cS .record stamped.bundle)" = "$(jq -cS .record "$bundles/bell.bundle")" ] || fail 'the record changed'
"$ketseal" verify --policy=stamps.policy stamped.bundle >out
"$verify" stamps.policy stamped.bundle >static
cmp out static
"$verify" --explain stamps.policy stamped.bundle | grep -q '^pass     timestamp$' || fail 'no timestamp'
"$ketseal" bundle show stamped.bundle | grep -q "^timestamp .* by 'CN = stamper'" || fail 'bundle show'
# an old policy takes it for what it is without the stamp
"$verify" "$bundles/lab.policy" stamped.bundle >/dev/null || fail 'an old policy refuses it'
# what was kept is a token that others verify
jq -r .timestamp stamped.bundle | base64 -d >token.der
openssl ts -verify -data body -in token.der -token_in -CAfile root.pem >out 2>&1 || { cat out; fail 'openssl refuses'; }

# --- asked over HTTP, by nothing but the answer's own signature ---
cat >authority.py <<'PYTHON'
import http.server, subprocess, sys

class Authority(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        if self.headers['Content-Type'] != 'application/timestamp-query':
            return self.send_error(415)
        if self.path == '/busy':
            return self.send_error(503)
        query = 'foreign.tsq' if self.path == '/foreign' else 'asked.tsq'
        if query == 'asked.tsq':
            open(query, 'wb').write(body)
        subprocess.run(['openssl', 'ts', '-reply', '-config', 'ts.cnf', '-queryfile', query, '-signer', 'stamper.pem',
                        '-inkey', 'stamper.key', '-out', 'http.tsr'], check=True, stderr=subprocess.DEVNULL)
        answer = open('http.tsr', 'rb').read()
        self.send_response(200)
        self.send_header('Content-Type', 'application/timestamp-reply')
        self.end_headers()
        self.wfile.write(answer if self.path != '/long' else answer * 100)

    def log_message(self, *words):
        pass

server = http.server.HTTPServer(('127.0.0.1', 0), Authority)
print(server.server_port, flush=True)
for _ in range(5):
    server.handle_request()
PYTHON
"$ketseal" -q timestamp request --out=foreign.tsq "$bundles/wide.bundle"
python3 authority.py >port 2>authority.log &
authority=$!
trap 'kill $authority 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 100); do
    [ -s port ] && break
    sleep 0.05
done
url=http://127.0.0.1:$(cat port)
"$ketseal" -q timestamp request --url="$url/" --out=http.token checkpoint
"$ketseal" timestamp check --policy=stamps.policy --answer=http.token checkpoint | grep -q '^stamped at' || fail 'over HTTP'
refused 4 "HTTP status 503" "$ketseal" timestamp request --url="$url/busy" --out=never.token checkpoint
refused 1 'over another digest than was asked for' "$ketseal" timestamp request --url="$url/foreign" --out=never.token checkpoint
refused 3 'over 69632 bytes' "$ketseal" timestamp request --url="$url/long" --out=never.token checkpoint
refused 5 'the authority granted none' "$ketseal" timestamp request --policy-oid=1.2.3.4 --url="$url/" --out=never.token checkpoint
wait "$authority"
refused 4 '127.0.0.1' "$ketseal" timestamp request --url="$url/" --out=never.token checkpoint
[ ! -e never.token ] || fail 'an answer that was refused was written'

# --- nothing of it may be false ---
refused 1 'timestamp: required by the policy, but not run: the bundle has no time stamp' \
    "$verify" stamps.policy "$bundles/bell.bundle"
refused 1 'where the policy allows 60' "$verify" strict.policy stamped.bundle
refused 1 'which is not the one asked for' "$verify" other.policy stamped.bundle
stamps_reply foreign.tsq stamper foreign.tsr
refused 1 'is a time stamp of another checkpoint' "$ketseal" -q bundle complete --policy=stamps.policy \
    --timestamp=foreign.tsr --out=never.bundle "$bundles/bell.bundle"
"$ketseal" -q bundle complete --policy=stamps.policy --timestamp=foreign.tsr --out=wide.bundle "$bundles/wide.bundle"
jq -cS --slurpfile other wide.bundle '.timestamp = $other[0].timestamp' stamped.bundle >swapped.bundle
refused 1 'timestamp: time stamp: it is over another digest' "$verify" stamps.policy swapped.bundle
# a signer that is for something else: openssl will not answer with it, so it is signed as CMS
if stamps_reply request.tsq web wrong.tsr; then fail 'openssl answers with a certificate for the web'; fi
openssl cms -cmsout -in token.der -inform DER -outform PEM -out token.pem
openssl cms -verify -in token.der -inform DER -noverify -out content.der 2>/dev/null
openssl cms -sign -cades -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -in content.der -signer web.pem \
    -inkey web.key -outform DER -out web.der
refused 1 'unsuitable certificate purpose' "$ketseal" -q bundle complete --policy=stamps.policy --timestamp=web.der \
    --out=never.bundle "$bundles/bell.bundle"
# the same way, by the right one, it is good: what is refused above is the certificate
openssl cms -sign -cades -binary -nodetach -econtent_type 1.2.840.113549.1.9.16.1.4 -in content.der -signer stamper.pem \
    -inkey stamper.key -outform DER -out resigned.der
"$ketseal" -q bundle complete --policy=stamps.policy --timestamp=resigned.der --out=resigned.bundle "$bundles/bell.bundle"
# a certificate that had ended, or was revoked, when it signed
openssl req -new -key stamper.key -subj /CN=expired -out expired.csr -config ts.cnf 2>/dev/null
cp stamper.key expired.key
touch index.txt
cat >ca.cnf <<'CNF'
[ ca ]
default_ca = us
[ us ]
database = index.txt
serial = ca.serial
new_certs_dir = .
default_md = sha256
policy = any
crlnumber = ca.serial
default_crl_days = 3650
[ any ]
commonName = supplied
CNF
echo 1000 >ca.serial
openssl ca -batch -config ca.cnf -cert root.pem -keyfile root.key -in expired.csr -startdate 20200101000000Z \
    -enddate 20210101000000Z -extfile ts.cnf -extensions stamps -out expired.pem -notext 2>/dev/null
stamps_reply request.tsq expired expired.tsr || { cat reply.log; fail 'openssl refuses an expired signer'; }
refused 1 'certificate has expired' "$ketseal" -q bundle complete --policy=stamps.policy --timestamp=expired.tsr \
    --out=never.bundle "$bundles/bell.bundle"
openssl ca -config ca.cnf -cert root.pem -keyfile root.key -gencrl -out empty.crl 2>/dev/null
openssl ca -config ca.cnf -cert root.pem -keyfile root.key -revoke stamper.pem 2>/dev/null
openssl ca -config ca.cnf -cert root.pem -keyfile root.key -gencrl -out revoked.crl 2>/dev/null
for list in empty revoked; do
    jq -cS --rawfile crl "$list.crl" '.timestamp.crl = $crl' stamps.policy >"$list.policy"
done
"$verify" empty.policy stamped.bundle >/dev/null || fail 'a list that names nobody'
refused 1 "certificate of 'CN = stamper': revoked" "$verify" revoked.policy stamped.bundle
# refused by the authority
"$ketseal" -q timestamp request --policy-oid=1.2.3.4 --out=unknown.tsq checkpoint
stamps_reply unknown.tsq stamper unknown.tsr || true
refused 5 'the authority granted none' "$ketseal" timestamp check --policy=stamps.policy --answer=unknown.tsr checkpoint
# forty flips over the token
size=$(stat -c %s token.der)
for i in $(seq 0 40); do
    at=$((i * (size - 1) / 40))
    byte=$(dd if=token.der bs=1 skip="$at" count=1 status=none | od -An -tu1)
    cp token.der flipped.der
    printf %02x $((byte ^ 1)) | xxd -r -p | dd of=flipped.der bs=1 seek="$at" conv=notrunc status=none
    jq -cS --arg token "$(base64 -w0 flipped.der)" '.timestamp = $token' stamped.bundle >flipped.bundle
    if "$verify" stamps.policy flipped.bundle >out 2>&1; then
        fail "byte $at of the token flipped: accepted"
    fi
done
# An authority cannot be post-quantum yet: OpenSSL's time stamps know no ML-DSA signer.
if [ -n "$prefix" ]; then
    pq() { LD_LIBRARY_PATH="$prefix/lib" "$prefix/bin/openssl" "$@"; }
    pq req -newkey ML-DSA-65 -nodes -keyout pq.key -subj /CN=pq -out pq.csr -config ts.cnf 2>/dev/null
    pq x509 -req -in pq.csr -CA root.pem -CAkey root.key -days 3650 -extfile ts.cnf -extensions stamps -out pq.pem 2>/dev/null
    pq ts -reply -config ts.cnf -queryfile request.tsq -signer pq.pem -inkey pq.key -out pq.tsr >text 2>&1 || true
    grep -q 'signing not supported for this key type' text || { cat text; fail 'a stamp by ML-DSA: the pages have to say so'; }
    refused 5 'the authority granted none: Error during signature generation.' "$ketseal" timestamp check \
        --policy=stamps.policy --answer=pq.tsr checkpoint
fi
[ ! -e never.bundle ] || fail 'a bundle that was refused was written'
echo 'stamped by openssl ts, verified by ketseal, ketseal-verify and openssl; every false one refused'
