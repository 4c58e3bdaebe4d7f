#!/usr/bin/env bash
# lockstep beside pgloader, PostgreSQL's logical replication and the physical limit, on private servers, with one table of the goals at
# the end; bench/README.md says what each number means. Installs what is missing (Debian 12), builds release, then:
#   bench/run.sh [--quick|--full|--tiny] [--pairs N] [--seed N] [--readme] [NAME…]     (--help says all)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
for argument in "$@"; do
  if [[ $argument == --help || $argument == -h ]]; then exec python3 bench/main.py --help; fi
done
ops/install_packages.sh
ops/build.sh release all bench-load
exec python3 bench/main.py "$@"
