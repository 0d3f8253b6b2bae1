#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# docs/openapi.yaml against a running site (openapi.py).
#
#   openapi.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$here/site.sh"
site_name=openapi
# The distribution's packages are for its own python; the first one on PATH may be another.
python=
for candidate in ${PYTHON:-python3} /usr/bin/python3; do
    if "$candidate" -c 'import yaml, jsonschema; jsonschema.Draft202012Validator' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || site_skip "python3 with yaml and jsonschema is absent"
site_begin "$1"
site_memory_mib=64
site_device edge-1
site_device edge-2
site_start
"$python" "$here/openapi.py" "$here/../../docs/openapi.yaml" "$here/../../src/server/api.c" \
    "$site_client" "$ketseal" edge-1 edge-2
site_stop
