#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A wheel of the package with libketseal inside, for this machine's kind. Written here, since a wheel is an archive of
# these very files: nothing has to be installed or fetched to build it, and the same build gives the same bytes.
#
#   wheel.sh BUILD OUT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$2"
exec python3 "$here/wheel.py" "$here" "$build/src/client/libketseal.so.0" "$2"
