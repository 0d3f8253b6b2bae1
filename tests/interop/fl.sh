#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Aggregation beside numpy and scipy. $KETSEAL_SKLEARN_PYTHON is a Python that has both.
#
#   fl.sh SOURCE_ROOT FL_PEER
set -eu
python=${KETSEAL_SKLEARN_PYTHON:-python3}
"$python" -c 'import numpy, scipy' 2>/dev/null || {
    echo "SKIPPED: $python has no numpy and scipy (KETSEAL_SKLEARN_PYTHON names one that has)" >&2
    exit 77
}
"$python" "$1/tests/interop/fl.py" "$2"
