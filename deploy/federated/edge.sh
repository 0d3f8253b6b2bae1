#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# An edge node: it takes part in each session that the operator has named, with the tables in /data.
#
#   ketseal-edge NUMBER
#
# /etc/ketseal: certificates and keys.json; /run/secrets: device.key, sae.key; /public: site.json and session, from the
# operator; /var/lib/ketseal: what it keeps. Where /data is empty it gets a year's first weeks of one site of the simulated city.
set -eu
number=$1
home=/var/lib/ketseal
device=$home/device
last=
child=
trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null; exit 0' TERM INT

mkdir -p "$device" "$home/bundles"
for file in root.pem device.pem qkd-root.pem sae.pem keys.json url; do
    cp "/etc/ketseal/$file" "$device/"
done
ln -sf /run/secrets/device.key /run/secrets/sae.key "$device/"
if [ -z "$(ls /data)" ]; then
    ketseal learn generate --site="$number" --hours=1500 --out=/data/city.csv
fi
while true; do
    session=$(cat /public/session 2>/dev/null || true)
    if [ -n "$session" ] && [ "$session" != "$last" ]; then
        # The site of the first session is the site for good.
        [ -e "$device/site.json" ] || cp /public/site.json "$device/"
        ketseal fl join --device="$device" --schema=city-air --test-from='2024-02-20 00:00:00' --out="$home/bundles" \
            "$session" /data/*.csv &
        child=$!
        wait "$child"
        child=
        last=$session
    fi
    sleep 1 &
    child=$!
    wait "$child"
    child=
done
