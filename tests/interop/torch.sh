#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Models beside PyTorch's: its modules load our files and say the same, and ours say the same of its files.
# $KETSEAL_TORCH_PYTHON is a Python with torch, numpy and safetensors.
#
#   torch.sh SOURCE_ROOT KETSEAL
set -eu
python=${KETSEAL_TORCH_PYTHON:-python3}
"$python" -c 'import torch, numpy, safetensors' 2>/dev/null || {
    echo "SKIPPED: $python has no torch, numpy and safetensors (KETSEAL_TORCH_PYTHON names one that has)" >&2
    exit 77
}
ketseal=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"$python" "$1/tests/interop/torch_models.py" "$ketseal"
