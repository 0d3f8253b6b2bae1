#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What compose.yaml mounts: two CAs, certificates, configurations, and the private keys as files of secrets/. Once; what is
# there already stays as it is.
#
#   ketseal-prepare DIRECTORY
#
# The CAs' keys are in ca/ and qkd-ca/, which no service mounts: keep them elsewhere.
set -eu
cd "$1"
umask 077
net=10.89.77
devices='edge-1 edge-2 edge-3 edge-4'
[ ! -e ready ] || { echo "ketseal-prepare: done before"; exit 0; }
rm -rf ca qkd-ca secrets site kme-a kme-b operator issued edge-?
mkdir secrets issued

# Certificate and root stay in NAME/, the key goes among the secrets.
issue() { # CA KIND NAME PLACE [ADDRESS]
    ketseal -q ca issue "$2" --ca "$1" --name "$3" --out "issued/$4" ${5:+--ip "$5"} >/dev/null
    mv "issued/$4/$2.key" "secrets/$4.key"
}

ketseal -q ca new --out ca >/dev/null
ketseal -q ca new --out qkd-ca --name 'QKD network' >/dev/null
issue ca server site site "$net.10"
issue ca operator operator operator
issue ca device auditor auditor
issue qkd-ca server kme-a kme-a "$net.21"
issue qkd-ca server kme-b kme-b "$net.22"
issue qkd-ca device kme-b kme-b-link
issue qkd-ca device site-sae site-sae
for device in $devices; do
    issue ca device "$device" "$device"
    issue qkd-ca device "$device" "$device-sae"
done

mkdir site kme-a kme-b operator
cp issued/site/root.pem issued/site/server.pem site/
cp qkd-ca/root.pem site/qkd-root.pem
cp issued/site-sae/device.pem site/sae.pem
cat >site/ketseal.yaml <<YAML
site:
  origin: federated.invalid/ketseal
  listen: $net.10:8443
  state: /var/lib/ketseal/site
tls:
  root: root.pem
  certificate: server.pem
  key: /run/secrets/site.key
workers:
  count: 2
  memory_mib: 256
fl:
  workers: 1
  memory_mib: 512
  params: 1000000
keys:
  source: both
  when_down: refuse
  stock: 4096
  kme:
    url: https://$net.22:9443
    root: qkd-root.pem
    certificate: sae.pem
    key: /run/secrets/site-sae.key
YAML

manager() { # LETTER OTHER ADDRESS ROLE LINK-LINE LINK-NAME
    cp qkd-ca/root.pem "issued/kme-$1/server.pem" "kme-$1/"
    [ "$1" = a ] || cp issued/kme-b-link/device.pem kme-b/link.pem
    cat >"kme-$1/kme.yaml" <<YAML
kme:
  id: kme-$1
  listen: $3:9443
  state: /var/lib/ketseal/kme
tls:
  root: root.pem
  certificate: server.pem
  key: /run/secrets/kme-$1.key
link:
  peer: kme-$2
  role: $4
  $5
  root: root.pem
  certificate: $6.pem
  key: /run/secrets/$7.key
  pulses: 24000000
  distance_km: 5
keys:
  stored_max: 1000
admin:
  listen: 127.0.0.1:$8
YAML
}
manager a b "$net.21" alice "listen: $net.21:9444" server kme-a 9081
manager b a "$net.22" bob "connect: $net.21:9444" link kme-b-link 9082

for device in $devices; do
    mkdir "$device"
    cp "issued/$device/root.pem" "issued/$device/device.pem" "$device/"
    cp qkd-ca/root.pem "$device/qkd-root.pem"
    cp "issued/$device-sae/device.pem" "$device/sae.pem"
    echo "https://$net.10:8443" >"$device/url"
    cat >"$device/keys.json" <<JSON
{"batch": 16, "low": 1, "schema": "ketseal.device-keys/1", "source": "both", "when_down": "refuse",
 "kme": {"certificate": "sae.pem", "key": "sae.key", "root": "qkd-root.pem", "sae": "$device", "slave": "site-sae",
         "url": "https://$net.21:9443"}}
JSON
done
cp issued/operator/root.pem issued/operator/operator.pem issued/auditor/device.pem operator/
echo "https://$net.10:8443" >operator/url
ketseal anchor keygen --out secrets/anchor.key >operator/account
rm -r issued
touch ready
