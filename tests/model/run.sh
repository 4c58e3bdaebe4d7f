#!/usr/bin/env bash
# run.sh [quick|full]: checks snapshot.pml with spin. Models that are right must have no error in a complete search; each
# mutant must break an assertion. One line per run, two at a time; exit 1 if any is not as expected.
# `full` adds larger models, without mutants: minutes, and up to 1.5 GB of memory each.
set -euo pipefail

model=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/snapshot.pml
mode=${1:-quick}
memory_mb=1000
[[ $mode == full ]] && memory_mb=3000

# one NAME EXPECTED OPTION...: EXPECTED is clean or caught; OPTIONs are spin's -D. In a folder of its own.
one() {
  local name=$1 expected=$2 start=$EPOCHREALTIME optimise=-O2 broken='' errors states verdict=WRONG
  shift 2
  [[ $expected == caught ]] && optimise=-O0 # there is little to search; compiling takes longer
  mkdir "$name"
  (cd "$name" && spin -a "$@" "$model" >log 2>&1 &&
    gcc $optimise -w -DSAFETY -DNOFAIR -DCOLLAPSE -DMEMLIM=$memory_mb -o pan pan.c >>log 2>&1 &&
    ./pan -m1000000 >>log 2>&1) || true
  errors=$(sed -nE 's/.*errors: ([0-9]+).*/\1/p' "$name/log" | tail -n 1)
  states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$name/log" | tail -n 1)
  if [[ $expected == clean && $errors == 0 ]] && ! grep -qE 'not completed|out of memory|too small' "$name/log"; then
    verdict=ok
  elif [[ $expected == caught && $errors == 1 ]] && grep -q 'assertion violated' "$name/log"; then
    verdict=ok
  fi
  case $(grep 'assertion violated' "$name/log" || true) in
    *h0*) broken=S1 ;;
    *seq*) broken=S2 ;;
  esac
  printf '%-5s %-16s %-6s %-2s errors=%-2s states=%-9s %6d ms  %s\n' "$verdict" "$name" "$expected" "$broken" \
    "${errors:-?}" "${states:-?}" $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) "$*"
  if [[ $verdict == WRONG ]]; then
    tail -n 20 "$name/log" | sed 's/^/      /'
    touch "$name/wrong"
  fi
  rm -f "$name"/pan*
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

copy="-DNW=2"
follow="-DFOLLOW -DNW=2"
reset="-DFOLLOW -DNW=2 -DNL=1 -DNF=0"
runs=(
  "follow clean -DFOLLOW -DNW=3"
  "reset clean $reset"
  "copy clean $copy"
  "zombie clean $follow -DZOMBIE"
  "copy_reset clean -DNW=1 -DNL=1 -DNF=0"
)
if [[ $mode == full ]]; then
  runs+=(
    "copy_3 clean -DNW=3 -DNF=0"
    "reset_3 clean -DFOLLOW -DNW=3 -DNL=1 -DNF=0 -DNC=0 -DQLEN=1"
    "reset_net clean -DFOLLOW -DNW=2 -DNL=1"
    "zombie_3 clean -DFOLLOW -DNW=3 -DZOMBIE"
    "copy_reset_2 clean -DNW=2 -DNL=1 -DNF=0 -DQLEN=1"
  )
fi
for mutant in M_TORN M_SPLIT M_EARLIER_WINS M_END_EARLY M_NO_N M_NO_SESSION; do
  runs+=("$mutant caught $follow -D$mutant")
done
runs+=("M_NO_CAS caught $follow -DZOMBIE -DM_NO_CAS")
for mutant in M_FILTER M_TWO_CHANNELS M_START_LATE M_CONS_EARLY M_CURSOR_SEP M_NO_CURSOR; do
  runs+=("$mutant caught $copy -D$mutant")
done
for mutant in M_RESET_NO_LOG M_RESET_KEEP M_RESET_CUT M_RESET_FORGET; do
  runs+=("$mutant caught $reset -D$mutant")
done
runs+=("M_RESET_OLD caught -DFOLLOW -DNW=3 -DNL=1 -DNF=0 -DNC=0 -DQLEN=1 -DM_RESET_OLD")

for run in "${runs[@]}"; do
  while (($(jobs -rp | wc -l) >= 2)); do wait -n || true; done
  # shellcheck disable=SC2086  # options are words
  one $run &
done
wait

if compgen -G '*/wrong' >/dev/null; then
  echo "model: not as expected"
  exit 1
fi
echo "model: ${#runs[@]} runs as expected"
