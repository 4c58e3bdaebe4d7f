#!/usr/bin/env bash
# Everything that has to hold before a change goes in: packages, formatting, scripts, all tests, and the sanitizers.
# Stops at the first stage that fails, says how long each took, and ends with "N passed, N failed".
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# In CI the dice fall by commit: another change, other cases; the same change, the same cases.
if [[ -n ${CI:-} && -z ${LOCKSTEP_SEED:-} ]]; then
  LOCKSTEP_SEED=$(git rev-parse --short=12 HEAD 2>/dev/null || echo 1)
  export LOCKSTEP_SEED
fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$PWD/tests/tsan.supp ${TSAN_OPTIONS:-}"

times=()
passed=0
failed=0
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# How the release's lockstep would be made, file by file (to make it takes minutes); what comes of the same flags is looked at in a small
# program. And both checks refuse the lockstep that is there, which has failpoints.
check_release_flags() {
  ops/build.sh release lockstep-prices
  ops/check_release.py build/release
  ops/check_binary.sh build/release/tests/tools/lockstep-prices
  refuses_failpoints ops/check_release.py build/dev
  refuses_failpoints ops/check_binary.sh build/dev/lockstep
}

# refuses_failpoints CHECK...: it fails, and names them.
refuses_failpoints() {
  if "$@" >"$logs/refused" 2>&1 || ! grep -q failpoints "$logs/refused"; then
    echo "$*: a build with failpoints is not refused" >&2
    return 1
  fi
}

finish() {
  echo
  printf '%s\n' "${times[@]}"
  printf '%6d s  in all\n' "$SECONDS"
  echo "$passed passed, $failed failed"
}

# stage NAME COMMAND...: runs a command; if it fails, prints the summary and ends.
stage() {
  local name=$1 start=$SECONDS status=0
  shift
  echo "== $name"
  "$@" || status=$?
  times+=("$(printf '%6d s  %s' $((SECONDS - start)) "$name")")
  if ((status != 0)); then
    ((failed > 0)) || failed=1
    times[-1]+="  FAILED"
    finish
    exit 1
  fi
}

# The project's own files, also those that git does not know yet.
files() {
  find . \( -path ./build -o -path ./.git \) -prune -o -type f \( "$@" \) -print0
}

check_format() {
  files -name '*.cpp' -o -name '*.hpp' | xargs -0 --no-run-if-empty clang-format --dry-run --Werror
}

check_scripts() {
  files -name '*.sh' -o -path ./.ci/run | xargs -0 --no-run-if-empty shellcheck
}

# What clang-tidy looks at: everything; in CI, where it would take as long as all tests, 16 files: half of them drawn from
# what the last commits changed, the others from all, another draw for each commit.
tidy_files() {
  local all
  all=$(find model link capture snapshot apply verify switchover ops -name '*.cpp' | sort)
  if [[ -z ${CI:-} ]]; then
    echo "$all"
    return
  fi
  {
    git diff --name-only 'HEAD~6' 2>/dev/null | grep -Fx -f <(echo "$all") | draw 8 || true
    draw 8 <<<"$all"
  } | sort -u
}

# The tests against a server that run under asan, too: all; in CI a quarter of them, another for each commit.
asan_db_tests() {
  local all
  all=$(basename -s .cpp tests/db/*_test.cpp | sed 's/^/db_/')
  if [[ -z ${CI:-} ]]; then
    echo "$all"
  else
    draw $(($(wc -l <<<"$all") / 4)) <<<"$all"
  fi
}

# The sanitizers whose builds run the tests: both; in CI, where each takes minutes to build, the one that the commit draws. (The
# fuzz targets are made with AddressSanitizer and UndefinedBehaviorSanitizer each time.)
sanitizers() {
  if [[ -z ${CI:-} ]]; then
    printf '%s\n' asan tsan
  else
    printf '%s\n' asan tsan | draw 1
  fi
}

check_asan() {
  local under_asan
  mapfile -t under_asan < <(asan_db_tests)
  stage "build asan" ops/build.sh asan all_unit_tests "${under_asan[@]}"
  stage "tests under asan and ubsan" tests asan '^(unit|db)$' "^($(IFS='|' && echo "unit_tests|tidy_test|${under_asan[*]}"))$"
}

check_tsan() {
  stage "build tsan" ops/build.sh tsan all_unit_tests
  stage "tests under tsan" tests tsan '^unit$'
}

# draw N: N of the lines, by the seed.
draw() {
  shuf -n "$1" --random-source=<(yes "$LOCKSTEP_SEED")
}

# CI, which has to compile everything, joins the files of a folder, as the sanitizers' builds do: that takes a third off the time. What
# a file leans on its neighbours for shows where clang-tidy looks at it by itself, and in every build outside of CI.
build_dev() {
  if [[ -n ${CI:-} ]]; then
    cmake --preset dev -DLOCKSTEP_UNITY=ON
    cmake --preset dev -B build/tidy -DLOCKSTEP_UNITY=OFF >/dev/null
  fi
  ops/build.sh dev
}

# What .clang-tidy calls an error ends the stage; its warnings are advice and not shown.
check_tidy() {
  local log=$logs/tidy status=0 commands=build/dev
  if [[ -n ${CI:-} ]]; then commands=build/tidy; fi
  tidy_files | xargs --no-run-if-empty -P "$(nproc)" -n 2 clang-tidy -p "$commands" --quiet >"$log" 2>/dev/null || status=$?
  grep -E ' error: ' "$log" || true
  return "$status"
}

# tests PRESET LABELS [NAMES]: ctest, and its numbers added to ours. Four at a time: on two cores, for many of them wait for others.
tests() {
  local log=$logs/$1 status=0 ran=0 bad=0
  ctest --test-dir "build/$1" -L "$2" -R "${3:-.}" -j4 --output-on-failure --no-tests=error | tee "$log" || status=$?
  if ((status != 0)) && [[ $1 == dev ]] && passes_alone "$log"; then
    status=0
    sed -i -E '/ tests? failed out of /s/[0-9]+ tests? failed/0 tests failed/' "$log"
  fi
  ran=$(sed -nE 's/.* out of ([0-9]+)$/\1/p' "$log" | tail -n 1)
  bad=$(sed -nE 's/.* ([0-9]+) tests? failed out of .*/\1/p' "$log" | tail -n 1)
  passed=$((passed + ${ran:-0} - ${bad:-0}))
  failed=$((failed + ${bad:-0}))
  return "$status"
}

# passes_alone LOG: what failed in this log of ctest runs once more, one at a time. What fails again is broken; what passes leans on how
# busy the machine is, which is a bug all the same, but not one that this change has to answer for: the end of the output names it. More
# than two of them are no accident. Where cases are drawn or processes killed there is no second try: one bad history is one too many.
passes_alone() {
  local bad names
  mapfile -t bad < <(sed -nE 's/^\t *[0-9]+ - ([a-z0-9_]+) \(.*/\1/p' "$1")
  ((${#bad[@]} > 0 && ${#bad[@]} <= 2)) || return 1
  names=$(IFS='|' && echo "${bad[*]}")
  if grep -qE 'nemesis|random|torture|crash|faults|model|unit' <<<"$names"; then return 1; fi
  echo "== once more, alone: ${bad[*]}"
  ctest --test-dir build/dev -R "^($names)$" --output-on-failure --no-tests=error || return 1
  times+=("        passed only alone, to be mended: ${bad[*]}")
}

stage "packages" ops/install_packages.sh
stage "clang-format" check_format
stage "shellcheck" check_scripts
stage "build dev" build_dev
stage "clang-tidy" check_tidy
rm -rf build/dev/tests/faults  # what an earlier run saw is no proof of this one
stage "tests" tests dev '^(unit|db|system)$'
stage "faults" tests/faults.py build/dev --check
stage "release flags" check_release_flags
for sanitizer in $(sanitizers); do "check_$sanitizer"; done
stage "fuzz" ops/fuzz.sh --seconds "${LOCKSTEP_FUZZ_SECONDS:-60}"
finish
