#!/usr/bin/env bash
# ops/fuzz.sh [--seconds N] [--corpus FOLDER] [TARGET...]: builds the fuzz targets of tests/fuzz and runs each for N seconds
# (60), three at a time. What they find is kept in FOLDER (build/fuzz/corpus) for the next time. Prints a line for each target: executions,
# coverage. Ends with 1 if one of them found something; the input is in build/fuzz/found.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=60
kept=build/fuzz/corpus
while (($# > 0)); do
  case $1 in
    --seconds) seconds=$2 && shift 2 ;;
    --corpus) kept=$2 && shift 2 ;;
    -*)
      sed -n '2,4s/^# //p' "$0" >&2
      exit 2
      ;;
    *) break ;;
  esac
done
ops/build.sh fuzz all_fuzz >&2

# run NAME: one target; its whole output goes to build/fuzz/NAME.log.
run() {
  local name=$1 log=build/fuzz/$1.log status=0
  mkdir -p "$kept/$name" build/fuzz/found
  "build/fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=8192 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$name-" "$kept/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || status=$?
  if ((status != 0)); then
    grep -vE '^#' "$log" | tail -n 60 >&2
  fi
  awk -v name="$name" -v status="$status" '
    /stat::number_of_executed_units/ { executions = $2 }
    { for (i = 1; i < NF; ++i) if ($i == "cov:") coverage = $(i + 1) }
    END { printf "%-10s %12d executions  %6d edges  %s\n", name, executions, coverage, status == 0 ? "nothing found" : "FOUND SOMETHING" }' "$log"
  return "$status"
}

if (($# == 0)); then
  for folder in tests/fuzz/corpus/*; do set -- "$@" "${folder##*/}"; done
fi
failed=0
running=()
for name in "$@"; do
  run "$name" &
  running+=($!)
  if ((${#running[@]} == 3)); then
    wait "${running[0]}" || failed=1
    running=("${running[@]:1}")
  fi
done
for process in "${running[@]}"; do wait "$process" || failed=1; done
exit "$failed"
