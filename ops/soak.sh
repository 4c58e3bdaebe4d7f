#!/usr/bin/env bash
# The long tests, hours of them: hundreds of seeds, full sizes, full counts. Stdout has the figures, one a line; ctest's own
# output goes to stderr. Ends with ctest's exit code. LOCKSTEP_SEED, LOCKSTEP_TORTURE_SEEDS and LOCKSTEP_SIZES may say otherwise.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LOCKSTEP_TORTURE_SEEDS=${LOCKSTEP_TORTURE_SEEDS:-300}
export LOCKSTEP_SIZES=${LOCKSTEP_SIZES:-full}

ops/build.sh dev lockstep all_system_tests >&2
status=0
ctest --test-dir build/dev -L '^soak$' --verbose --no-tests=error |
  tee /dev/stderr | sed -nE 's/^[0-9]+: figure: //p' || status=$?
exit "$status"
