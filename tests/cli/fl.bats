#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# fl: what is said before a site is asked; the rest is tests/integration/fl.sh.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

session=0123456789abcdef0123456789abcdef

make_model() {
    "$KETSEAL" learn generate --hours=500 --out=city.csv
    "$KETSEAL" -q learn train --schema=city-air --test-from='2024-01-15 00:00:00' --model=linear --epochs=0 --out=m.safetensors city.csv >/dev/null
}

@test "fl: what is no session, no model, no number" {
    for verb in start pause resume stop status records history devices; do
        ks fl "$verb" --url=https://127.0.0.1:1 x
        fails 2 "'x' is no session: 32 hexadecimal digits"
    done
    ks fl fetch --url=https://127.0.0.1:1 --out=m x
    fails 2 "'x' is no session: 32 hexadecimal digits"
    ks fl status --url=https://127.0.0.1:1 --watch
    fails 2 "--watch: missing operand: SESSION"
    ks fl history --url=https://127.0.0.1:1
    fails 2 "missing operand: SESSION"
    ks --json fl history --url=https://127.0.0.1:1 --csv=- "$session"
    [ "$status" -eq 2 ] && [[ $stderr == *"--csv, --json: only one of them to standard output"* ]]
    ks fl record --url=https://127.0.0.1:1 --out=m x
    fails 2 "'x' is no job id"
    ks fl join x data
    fails 2 "'x' is no session: 32 hexadecimal digits"
    ks fl join --threads=0 "$session" data
    fails 2 "--threads: at least 1"
    printf '{' >bad
    ks fl create --url=https://127.0.0.1:1 bad
    refuses 3 "bad: "
    make_model
    ks fl create --url=https://127.0.0.1:1 --rate=fast m.safetensors
    refuses 3 "--rate: "
    ks fl create --url=https://127.0.0.1:1 --operator=nobody m.safetensors
    refuses 6 "nobody/operator.key"
    ks fl join "$session" --schema=city-air --test-from='2024-01-15 00:00:00' --device=nobody city.csv
    fails 2 "url: missing, and there is no nobody/url"
    holds bad city.csv m.safetensors
}

# The tensors of m.safetensors, whose numbers lie sorted by name, as Python's safetensors writes them; without metadata to plain.safetensors.
sort_model() {
    python3 - <<'PY'
import json, struct
data = open("m.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header, numbers = json.loads(data[8:8 + size]), data[8 + size:]
meta = header.pop("__metadata__")
body = b""
for name in sorted(header):
    begin, end = header[name]["data_offsets"]
    header[name]["data_offsets"] = [len(body), len(body) + end - begin]
    body += numbers[begin:end]
for path, extra in ("sorted.safetensors", {"__metadata__": meta}), ("plain.safetensors", {}):
    text = json.dumps({**extra, **header}).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)
PY
}

@test "fl create: a model whose tensors are not in the order of its layers" {
    make_model
    sort_model
    ks fl create --url=https://127.0.0.1:1 sorted.safetensors
    fails 3 "sorted.safetensors: its tensors are not in the order of its layers: 'fc1.bias' lies where 'fc1.weight' belongs; \`ketseal learn train --from=FILE --epochs=0\` writes them in it"
    # Read by name it is the same model, and so it is mended.
    "$KETSEAL" -q learn train --from=sorted.safetensors --schema=city-air --test-from='2024-01-15 00:00:00' --epochs=0 --out=again.safetensors city.csv >/dev/null
    cmp m.safetensors again.safetensors
    for model in again plain; do
        ks fl create --url=https://127.0.0.1:1 --operator=nobody "$model.safetensors"
        refuses 6 "nobody/operator.key"
    done
}

@test "fl: who takes part in what, with which data" {
    ks fl join
    fails 2 "missing operand: SESSION DATA…, or --data"
    ks fl join "$session"
    fails 2 "missing operand: SESSION DATA…, or --data"
    ks fl join --session "$session"
    fails 2 "missing operand: SESSION DATA…, or --data"
    ks fl join --data=city.csv "$session" city.csv
    fails 2 "'city.csv': --data says already what to train on"
    ks fl join --session=x city.csv
    fails 2 "'x' is no session: 32 hexadecimal digits"
    ks fl join --device-id='edge 1' --data=city.csv
    fails 2 "--device-id: 'edge 1' is no name of letters, digits, '-' and '_'"
    "$KETSEAL" learn generate --hours=500 --out=city.csv
    ks fl join --device-id=edge_01 --data=city.csv --schema=city-air --test-from='2024-01-15 00:00:00'
    fails 2 "url: missing, and there is no ./url"
    mkdir edge_01
    ks fl join --device-id=edge_01 --data=city.csv --schema=city-air --test-from='2024-01-15 00:00:00'
    fails 2 "url: missing, and there is no edge_01/url"
    ks fl join --device-id=edge_01 --device=. --data=city.csv --schema=city-air --test-from='2024-01-15 00:00:00'
    fails 2 "url: missing, and there is no ./url"
}

@test "fl: settings in a file, which flags overrule" {
    make_model
    ks fl create
    fails 2 "--url: missing"
    ks fl create --url=https://127.0.0.1:1
    fails 2 "missing operand: MODEL"
    ks fl create --url=https://127.0.0.1:1 --first=m.safetensors m.safetensors
    fails 2 "--first: there is an operand already"
    mkdir there
    printf 'url: https://127.0.0.1:1\noperator: nobody\nfirst: ../m.safetensors\nrounds: 0x10\n' >there/global.yaml
    ks fl create --config=there/global.yaml
    fails 2 "there/global.yaml:4: rounds: '0x10' is no number from 0 to 9007199254740991"
    ks fl create --config=there/global.yaml --rounds=3
    refuses 6 "there/nobody/operator.key"
    ks fl create --config=there/global.yaml --rounds=3 --operator=somebody
    refuses 6 "'somebody/operator.key'"
    ks fl create --config=there/global.yaml --rounds=3 nowhere.safetensors
    refuses 6 "'nowhere.safetensors'"
    printf 'rate: fast\nurl: x\n' >global.yaml
    ks fl create --config=global.yaml m.safetensors
    refuses 3 "global.yaml:1: rate: "
    printf 'url: x\ncolour: red\n' >global.yaml
    ks fl create --config=global.yaml m.safetensors
    fails 3 "global.yaml:2: Unexpected key: colour"
    printf 'config: other.yaml\n' >global.yaml
    ks fl create --config=global.yaml m.safetensors
    fails 3 "global.yaml:1: Unexpected key: config"
    printf 'url: x\ndevice: edge-1\n' >global.yaml
    ks fl create --config=global.yaml m.safetensors
    fails 3 "global.yaml:2: device: Expecting SEQUENCE, got event: SCALAR"
    printf 'device: [%s]\nurl: x\n' "$(seq -s, 17)" >global.yaml
    ks fl create --config=global.yaml m.safetensors
    fails 2 "global.yaml:1: device: at most 16"
    ks fl create --config=nowhere.yaml m.safetensors
    refuses 6 "'nowhere.yaml'"
    ks fl join --config=global.yaml
    fails 3 "global.yaml:1: device: Expecting STRING, got event: SEQUENCE_START"
    printf 'data: [city.csv]\nsession: x\n' >device.yaml
    ks fl join --config=device.yaml
    fails 2 "'x' is no session: 32 hexadecimal digits"
    ks fl join --config=device.yaml --session="$session" --threads=0
    fails 2 "--threads: at least 1"
    # Operands win: a session, data.
    ks fl join --config=device.yaml --threads=0 "$session"
    fails 2 "--threads: at least 1"
    printf 'data: [there]\nsession: %s\nschema: city-air\n' "$session" >device.yaml
    ks fl join --config=device.yaml nowhere.csv
    refuses 6 "'nowhere.csv'"
    ks fl join --config=device.yaml 0123456789abcdef0123456789abcdee nowhere.csv
    refuses 6 "'nowhere.csv'"
}

@test "fl: the examples are read as they stand" {
    make_model
    cp "$KS_SOURCE_ROOT/examples/global.yaml" "$KS_SOURCE_ROOT/examples/device.yaml" .
    ks fl create --config=global.yaml
    refuses 6 "'first.safetensors'"
    mv m.safetensors first.safetensors
    ks fl create --config=global.yaml
    refuses 6 "'op/operator.key'"
    mkdir edge_01
    "$KETSEAL" learn generate --hours=1500 --out=edge_01/city.csv
    ks fl join --config=device.yaml
    fails 2 "url: missing, and there is no edge_01/url"
}
