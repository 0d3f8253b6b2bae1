#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# learn train, evaluate, generate.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

# 64 images of 8 x 8, and 32 to test with, in the form of MNIST: the label is the half that is bright.
make_images() {
    mkdir -p digits
    python3 - <<'PY'
import gzip, struct
def write(part, count):
    labels = bytes(i * 7 % 5 % 2 for i in range(count))
    rows = b"".join(bytes((200 if (y // 4) == label else 10) + (i * 31 + y * 8 + x) % 40 for y in range(8) for x in range(8))
                    for i, label in enumerate(labels))
    with open(f"digits/{part}-images-idx3-ubyte", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, count, 8, 8) + rows)
    with gzip.open(f"digits/{part}-labels-idx1-ubyte.gz", "wb") as file:
        file.write(struct.pack(">II", 0x801, count) + labels)
write("train", 64)
write("t10k", 32)
PY
}

@test "learn train and evaluate: a model of images" {
    make_images
    ks learn train --model=mnist-cnn --epochs=3 --batch=8 --out=m.safetensors digits
    same status "$status" 0
    [[ $output == "mnist-cnn, 51970 parameters, 3 epochs in "*": test 100.00 %" ]]
    [[ $stderr == "mnist-cnn, 51970 parameters; 64 samples, 32 to test; 1 threads, "*"epoch 3: loss "* ]]
    ks learn evaluate --model=m.safetensors digits
    says 0 "mnist-cnn, 51970 parameters: test 100.00 % of 32 samples" ""
    # The same run writes the same file; another seed another one.
    "$KETSEAL" -q learn train --model=mnist-cnn --epochs=3 --batch=8 --out=again.safetensors digits >/dev/null
    cmp m.safetensors again.safetensors
    "$KETSEAL" -q learn train --model=mnist-cnn --epochs=3 --batch=8 --seed=2 --out=again.safetensors digits >/dev/null
    run ! cmp -s m.safetensors again.safetensors
    # Its description and its card are in its metadata.
    python3 - <<'PY'
import json, struct
data = open("m.safetensors", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
meta = header.pop("__metadata__")
assert json.loads(meta["ketseal.model"])["name"] == "mnist-cnn"
card = json.loads(meta["ketseal.card"])
assert card["schema"] == "ketseal.model-card/1" and card["seed"] == 1 and card["test"]["accuracy"] == 1
assert len(data) == 8 + size + 4 * 51970 and header["conv2.weight"]["shape"] == [64, 32, 3, 3]
PY
}

@test "learn train: --json, a share of the samples, on from a model" {
    make_images
    ks --json learn train --model=mlp --optimiser=adam --epochs=2 --batch=8 --split=shards --parts=4 --part=2 --out=m.safetensors digits
    is_json ketseal.learn-train/1
    same samples "$(jq -c '[.samples, (.epochs | length), .sites, .threads]' <<<"$output")" "[16,2,[],1]"
    ks -q learn train --from=m.safetensors --proximal=0.1 --momentum=0.9 --clip-norm=1 --weight-decay=0.001 --threads=2 --out=n.safetensors digits
    same status "$status" 0
    ks --json learn evaluate --model=n.safetensors --threads=2 digits
    is_json ketseal.learn-evaluate/1
    same name "$(jq -r .model <<<"$output")" mlp
    # As many epochs as there may be.
    "$KETSEAL" learn generate --hours=60 --out=city.csv
    ks -q --json learn train --schema=city-air --test-from='2024-01-02 12:00:00' --model=linear --rate=0.0001 --epochs=10000 --out=m.safetensors city.csv
    same status "$status" 0
    same epochs "$(jq '.epochs | length' <<<"$output")" 10000
}

@test "learn generate, and models of series" {
    for site in 0 1; do
        "$KETSEAL" learn generate --site=$site --hours=2000 --out=site$site.csv
    done
    same head "$(head -1 site0.csv)" "time,vehicles,speed,no2,pm25,temp,wind,rain"
    same rows "$(wc -l <site0.csv)" 2001
    gzip -k site1.csv
    for model in linear gru; do
        ks --json learn train --schema=city-traffic --test-from=2024-03-01T00:00:00Z --model=$model --optimiser=adam --epochs=3 \
            --out=$model.safetensors site0.csv site1.csv.gz
        is_json ketseal.learn-train/1
        # Better than to say that nothing changes, at each site.
        same better "$(jq '[.sites[] | .error < .error_persistence and .error < .error_mean] | all' <<<"$output")" true
    done
    cat >own.yaml <<'YAML'
name: own
time: time
target: no2
features: [vehicles, wind]
calendar: [hour]
step_s: 3600
window: 6
horizon: 2
fill: 3
change: true
test_from: "2024-03-01 00:00:00"
YAML
    cat >small.yaml <<'YAML'
name: small
loss: squared
layers:
  - {kind: gru, units: 8}
  - {kind: tanh}
  - {kind: dense}
YAML
    ks learn train --schema=own.yaml --model=small.yaml --out=s.safetensors site0.csv
    same status "$status" 0
    [[ ${lines[1]} == "site0.csv: error "*" (as now "*", as the mean "*"), "*" samples" ]]
}

@test "learn: what is refused, and in which words" {
    make_images
    ks learn train --out=m.safetensors digits/none
    same status "$status" 6
    ks learn train --model=resnet --out=m.safetensors digits
    fails 6 "no model 'resnet'; there are lenet5, mnist-cnn, mcmahan-cnn, mlp, gru, linear"
    ks learn train --model=lenet5 --out=m.safetensors digits
    fails 2 "--model: layer 4 (conv): filters of 5 x 5 with padding 0 on 4 x 4"
    ks learn train --optimiser=lbfgs --out=m.safetensors digits
    fails 2 "--optimiser: sgd or adam, not 'lbfgs'"
    ks learn train --rate=-1 --model=mlp --out=m.safetensors digits
    fails 2 "rate: above 0, to 1000"
    ks -q learn train --rate=1000 --model=mlp --epochs=9 --out=m.safetensors digits
    same status "$status" 3
    [[ $stderr == *"the loss is no number"* ]]
    ks learn train --part=3 --out=m.safetensors digits
    fails 2 "--part: needs --parts"
    ks learn generate --start="9999-12-31 00:00:00" --hours=48
    fails 2 "a city ends with the year 9999"
    ks learn train --proximal=1 --out=m.safetensors digits
    fails 2 "--proximal: needs --from, the model that it pulls to"
    [ ! -e m.safetensors ]
    printf '{' >bad.safetensors
    ks learn evaluate --model=bad.safetensors digits
    fails 3 "bad.safetensors: cut short in the header's length"
    truncate -s 100 digits/train-images-idx3-ubyte
    ks learn train --model=mlp --out=m.safetensors digits
    fails 3 "digits: train: images: 84 bytes, the head says 4096"
    printf 'time,pm25\nnoon,1\n' >t.csv
    cat >s.yaml <<'YAML'
name: s
time: time
target: pm25
step_s: 3600
window: 2
horizon: 1
test_from: "2024-03-01 00:00:00"
YAML
    ks learn train --schema=s.yaml --model=linear --out=m.safetensors t.csv
    fails 3 "t.csv:2:1: 'noon' is no time such as 2015-07-10 14:24:00"
    ks learn train --schema=town --out=m.safetensors t.csv
    fails 6 "no schema 'town'; there are beijing, traffic, city-air, city-traffic"
    printf 'name: m\nloss: classes\nlayers:\n  - {kind: attention}\n' >m.yaml
    ks learn train --model=m.yaml --out=m.safetensors digits
    same status "$status" 3
}
