#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Tests of the page that `make web` makes.   web.sh same|memory|chromium|firefox VERIFY_HTML KETSEAL_VERIFY SOURCE_ROOT
set -euo pipefail
name=$1 html=$2
shift
here=$(dirname "$0")

[ -f "$html" ] || { echo "SKIPPED: no page; make web makes it"; exit 77; }
case $name in
chromium | firefox) exec python3 "$here/browsers.py" "$name" "$@" ;;
esac
command -v node >/dev/null || { echo "SKIPPED: no node"; exit 77; }
exec node "$here/$name.mjs" "$@"
