#!/usr/bin/env bash
# ops/build.sh PRESET [TARGET...]: configures and builds one of the presets dev, release, asan, tsan, fuzz.
set -euo pipefail

if (($# == 0)); then
  echo "usage: ops/build.sh dev|release|asan|tsan|fuzz [TARGET...]" >&2
  exit 2
fi
preset=$1
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cmake --preset "$preset"
if (($# > 0)); then
  cmake --build --preset "$preset" --parallel "$(nproc)" --target "$@"
else
  cmake --build --preset "$preset" --parallel "$(nproc)"
fi
