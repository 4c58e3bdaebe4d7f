#!/usr/bin/env bash
# From a fresh clone to the demo's summary: installs what is missing, builds release, runs `lockstep demo`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
ops/install_packages.sh
ops/build.sh release
if grep -q LOCKSTEP_FAILPOINTS build/release/lockstep; then
  echo "demo: build/release/lockstep has failpoints, which are for tests only" >&2
  exit 1
fi
exec build/release/lockstep demo "$@"
