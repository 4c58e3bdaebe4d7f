#!/usr/bin/env bash
# nemesis.sh [--seed N] [--runs M] [--plant NAME]
#
# Random faults on real processes of lockstep and PostgreSQL while an application writes; every state that a reader of the
# target saw, and the end, must be what the application made. Prints figures. --seed N --runs 1 repeats one run. --plant
# builds a lockstep with a bug of tests/nemesis/plants in it, in a folder of its own, to see that the runs find it: then
# exit 0 says that it was found.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
runs=100
plant=
export LOCKSTEP_SEED=${LOCKSTEP_SEED:-1}
while (($# > 0)); do
  case $1 in
    --seed) LOCKSTEP_SEED=${2:?} ;;
    --runs) runs=${2:?} ;;
    --plant) plant=${2:?} ;;
    *)
      sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
      exit 2
      ;;
  esac
  shift 2
done
export LOCKSTEP_NEMESIS_RUNS=$runs

if [[ -z $plant ]]; then
  ops/build.sh dev lockstep nemesis_test >&2
  exec build/dev/tests/nemesis_test "random faults*"
fi

patch=$PWD/tests/nemesis/plants/$plant.patch
[[ -e $patch ]] || {
  echo "nemesis: there is no $patch" >&2
  exit 2
}
mkdir -p build/plant
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory=build/plant
git apply -C1 --directory=build/plant "$patch"
(cd build/plant && CCACHE_BASEDIR=$PWD ops/build.sh dev lockstep nemesis_test) >&2
if build/plant/build/dev/tests/nemesis_test "random faults*"; then
  echo "nemesis: $plant was not found in $runs runs" >&2
  exit 1
fi
echo "nemesis: $plant was found"
