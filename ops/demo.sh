#!/usr/bin/env bash
# From a fresh clone to the demo's summary: installs what is missing, builds release, runs `lockstep demo`.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
ops/install_packages.sh
ops/build.sh release
ops/check_binary.sh build/release/lockstep
exec build/release/lockstep demo "$@"
