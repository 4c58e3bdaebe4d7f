#!/usr/bin/env bash
# run.sh snapshot|cutover [quick|full]: checks the model with spin. Models that are right must have no error in a complete
# search; each mutant must break the assertion that is named for it, and each state that has to be reachable must be reached.
# One line per run, two at a time (MODEL_JOBS); exit 1 if any is not as expected.
# `full` runs the larger models in place of those and of mutants: minutes, and several GB of memory.
set -euo pipefail

subject=${1:-}
mode=${2:-quick}
if [[ ! $subject =~ ^(snapshot|cutover)$ || ! $mode =~ ^(quick|full)$ ]]; then
  echo "usage: run.sh snapshot|cutover [quick|full]" >&2
  exit 2
fi
model=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/$subject.pml
# Small models: what takes long is compiling. Large ones: the search, and its memory.
compile=(clang -O0 -DMEMLIM=1500)
search=(-m100000 -w20)
if [[ $mode == full ]]; then
  compile=(gcc -O2 -DCOLLAPSE -DMEMLIM=7000)
  search=(-m1000000 -w26)
fi

# violated LOG: the assertion that was broken, by the name that the model's head gives it.
violated() {
  case $(grep -E 'assertion violated|acceptance cycle' "$1" || true) in
    '') ;;
    *'acceptance cycle'*) echo live ;;
    *'violated 0'*) echo reached ;;
    *nfail==0*) echo I7 ;;
    *'(nfail>0)'*) echo I6 ;;
    *'(s_open||t_open)'*) echo I4 ;;
    *'t_pos<=s_seq'*) echo I5 ;;
    *'(t_open||inf'*) echo I1 ;;
    *sh0\[* | *th0\[* | *'i<=t_cc'*) echo I3 ;;
    *'==r0'*) echo I2 ;;
    *h0*) echo S1 ;;
    *seq*) echo S2 ;;
    *) echo unknown ;;
  esac
}

# one NAME EXPECTED OPTION...: EXPECTED is clean, or what must be broken; OPTIONs are spin's -D. In a folder of its own.
one() {
  local name=$1 expected=$2 start=$EPOCHREALTIME errors states memory broken verdict=WRONG
  local kind=(-DSAFETY -DNOFAIR) claim=()
  shift 2
  [[ " $* " == *' -DLIVE '* ]] && kind=(-DNFAIR=3) claim=(-a -f -N live)
  mkdir "$name"
  (cd "$name" && spin -a "$@" "$model" >log 2>&1 &&
    "${compile[@]}" "${kind[@]}" -w -o pan pan.c >>log 2>&1 &&
    ./pan "${search[@]}" "${claim[@]}" >>log 2>&1) || true
  errors=$(sed -nE 's/.*errors: ([0-9]+).*/\1/p' "$name/log" | tail -n 1)
  states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' "$name/log" | tail -n 1)
  memory=$(sed -nE 's/^ *([0-9.e+]+)\s+total actual memory.*/\1/p' "$name/log" | tail -n 1)
  broken=$(violated "$name/log")
  if [[ $expected == clean && $errors == 0 ]] && ! grep -qE 'not completed|out of memory|too small' "$name/log"; then
    verdict=ok
  elif [[ $expected == "$broken" && $errors == 1 ]]; then
    verdict=ok
  fi
  printf '%-5s %-22s %-7s errors=%-2s states=%-10s %5s MB %7d ms  %s\n' "$verdict" "$name" "${broken:-clean}" \
    "${errors:-?}" "${states:-?}" "${memory%.*}" $(((${EPOCHREALTIME/./} - ${start/./}) / 1000)) "$*"
  if [[ $verdict == WRONG ]]; then
    echo "      expected: $expected"
    tail -n 20 "$name/log" | sed 's/^/      /'
    touch "$name/wrong"
  fi
  rm -f "$name"/pan*
}

runs=()
add() { runs+=("$*"); } # NAME EXPECTED OPTION...

snapshot_quick() {
  local copy="-DNW=2" follow="-DFOLLOW -DNW=2" reset="-DFOLLOW -DNW=2 -DNL=1 -DNF=0" mutant
  add follow clean -DFOLLOW -DNW=3
  add reset clean "$reset"
  add copy clean "$copy"
  add zombie clean "$follow" -DZOMBIE
  add copy_reset clean -DNW=1 -DNL=1 -DNF=0
  for mutant in M_TORN M_SPLIT M_EARLIER_WINS M_END_EARLY M_NO_N M_NO_SESSION; do add $mutant S1 "$follow" -D$mutant; done
  add M_NO_CAS S1 "$follow" -DZOMBIE -DM_NO_CAS
  for mutant in M_FILTER M_TWO_CHANNELS M_START_LATE M_CONS_EARLY M_CURSOR_SEP M_NO_CURSOR; do
    add $mutant S1 "$copy" -D$mutant
  done
  for mutant in M_RESET_NO_LOG M_RESET_KEEP M_RESET_CUT M_RESET_FORGET; do add $mutant S1 "$reset" -D$mutant; done
  add M_RESET_OLD S1 -DFOLLOW -DNW=3 -DNL=1 -DNF=0 -DNC=0 -DQLEN=1 -DM_RESET_OLD
}

snapshot_full() {
  add copy_3 clean -DNW=3 -DNF=0
  add reset_3 clean -DFOLLOW -DNW=3 -DNL=1 -DNF=0 -DNC=0 -DQLEN=1
  add reset_net clean -DFOLLOW -DNW=2 -DNL=1
  add zombie_3 clean -DFOLLOW -DNW=3 -DZOMBIE
  add copy_reset_2 clean -DNW=2 -DNL=1 -DNF=0 -DQLEN=1
}

cutover_quick() {
  local two="-DNC=2 -DNS=1 -DNT=1" live="-DLIVE -DNS=1 -DNT=1 -DNCRASH=1" mutant
  # The protocol.
  add srestore clean -DSRESTORE -DNS=1 -DNT=1
  add base_s2 clean -DNS=2 -DNT=1
  add base_t2 clean -DNS=1 -DNT=2
  add coordinators_2 clean "$two"
  add writers_2 clean -DNAP=2 -DNTW=2 -DNS=1 -DNT=2
  add reverse_2 clean -DNRV=2 -DNS=0 -DNT=2
  add attempts_3 clean -DMAXA=3 -DNS=1 -DNT=1
  add failover clean -DFAILOVER -DNS=1 -DNT=1
  add failover_writers_2 clean -DFAILOVER -DNS=0 -DNT=2 -DNTW=2
  add spower clean -DSPOWER -DNS=1 -DNT=1
  add tpower clean -DTPOWER -DNS=0 -DNT=2
  add live clean "$live"
  # What must be reachable, so that the clean runs are not empty.
  add REACH_ROLLBACK reached -DNS=0 -DREACH_ROLLBACK
  add REACH_SECOND reached -DMAXA=3 -DNS=3 -DNT=1 -DREACH_SECOND
  add REACH_ABORT reached -DNT=0 -DREACH_ABORT
  add REACH_RELEASE reached -DNT=0 -DREACH_RELEASE
  add REACH_RESUME reached -DNT=0 -DNCRASH=3 -DREACH_RESUME
  add REACH_UNDELETED reached -DNS=0 -DREACH_UNDELETED
  add REACH_REPEATED reached -DNS=0 -DREACH_REPEATED
  add REACH_HALT reached -DFAILOVER -DNT=2 -DNS=0 -DREACH_HALT
  # Mutants: of replication,
  for mutant in M_TORN M_SPLIT M_POS_SEPARATE; do add $mutant I3 -DNT=1 -D$mutant; done
  add M_CHECK_THEN_APPLY I3 -DNAP=2 -DQLEN=2 -DM_CHECK_THEN_APPLY
  add M_NO_POS_CHECK I3 -DQLEN=2 -DM_NO_POS_CHECK
  add M_COUNT_ONLY I2 -DSRESTORE -DNS=2 -DNT=0 -DM_COUNT_ONLY
  add M_NO_ERA I3 -DSRESTORE -DNS=2 -DNT=1 -DM_NO_ERA
  add M_SHIP_UNSYNCED I5 -DSPOWER -DNS=1 -DNT=1 -DM_SHIP_UNSYNCED
  add M_SEQCURSOR I2 -DNTW=2 -DNS=0 -DNT=3 -DM_SEQCURSOR
  add M_XMIN I3 -DNTW=2 -DNS=0 -DNT=3 -DM_XMIN
  add M_NO_TIMELINE I3 -DFAILOVER -DNS=0 -DM_NO_TIMELINE
  add M_SHIP_UNFLUSHED I3 -DTPOWER -DNS=0 -DM_SHIP_UNFLUSHED
  for mutant in M_DELETE_FIRST M_DELETE_ALL; do add $mutant I7 -DNS=0 -D$mutant; done
  add M_DELETE_NO_CAS I6 -DNRV=2 -DNS=0 -DNT=3 -DM_DELETE_NO_CAS
  add M_DELETE_UNSYNCED I6 -DSPOWER -DNS=0 -DNT=1 -DM_DELETE_UNSYNCED
  add M_DELETE_RETRIED I2 -DFAILOVER -DNS=0 -DM_DELETE_RETRIED
  add M_REV_NO_CAS I6 -DNRV=2 -DNS=0 -DM_REV_NO_CAS
  add M_REV_POS_LATE I6 -DNRV=2 -DNS=0 -DM_REV_POS_LATE
  # of cutover and rollback,
  add M_BARRIER_FIRST I2 -DNT=0 -DM_BARRIER_FIRST
  add M_KEEP_LOCK I4 -DNT=0 -DM_KEEP_LOCK
  add M_COMMIT_NO_POS I2 -DFAILOVER -DNS=1 -DNT=0 -DM_COMMIT_NO_POS
  for mutant in M_COMMIT_NO_ATTEMPT M_NO_CAS M_ABORT_NO_ARBITER M_UNFENCE_NO_CAS M_REV_NO_CAS_C M_REV_ABORT_NO_ARBITER; do
    add $mutant I1 "$two" -D$mutant
  done
  add M_REV_UNFENCE_NO_CAS I1 -DNC=2 -DMAXA=3 -DNS=0 -DNT=1 -DM_REV_UNFENCE_NO_CAS
  add M_HAND_NO_CAS I6 -DNC=2 -DMAXA=3 -DNS=0 -DNT=1 -DM_HAND_NO_CAS
  add M_PREPARE_NO_ATTEMPT I1 -DNC=2 -DNS=0 -DNT=0 -DM_PREPARE_NO_ATTEMPT
  add M_LATE_TRIGGER I7 -DNS=0 -DM_LATE_TRIGGER
  for mutant in M_FENCE_NO_WAIT M_FENCE_SNAPSHOT; do add $mutant I1 -DNS=0 -D$mutant; done
  add M_DRAIN_FIRST I2 -DNS=0 -DM_DRAIN_FIRST
  add M_REV_NO_POS I2 -DFAILOVER -DNS=0 -DNT=1 -DM_REV_NO_POS
  add M_EMPTY_ENOUGH I2 -DFAILOVER -DNS=0 -DM_EMPTY_ENOUGH
  # of durability,
  add M_ASYNC_CTL I1 -DFAILOVER -DNS=1 -DNT=0 -DM_ASYNC_CTL
  add M_ASYNC_CTL_writes I2 -DFAILOVER -DNS=1 -DNT=1 -DM_ASYNC_CTL -DNOMON
  add M_S_CTL_NORMAL I1 -DSPOWER -DNS=1 -DNT=1 -DM_S_CTL_NORMAL
  # and of recovery.
  add M_NO_RECOVER I4 -DNT=0 -DM_NO_RECOVER
  add M_NO_RECOVER_live live "$live" -DM_NO_RECOVER
  # The known limit, shown.
  add LIMIT_RESTORE_ANY I1 -DSRESTORE_ANY -DNS=1 -DNT=1
}

cutover_full() {
  local live="-DLIVE -DNC=2 -DNS=1 -DNT=1 -DNCRASH=1" mutant
  add base clean
  add writers_2 clean -DNAP=2 -DNTW=2
  add coordinators_2 clean -DNC=2
  add coordinators_2_attempts_3 clean -DNC=2 -DMAXA=3 -DNS=1 -DNT=1
  add attempts_3 clean -DMAXA=3 -DNS=3
  add net_2 clean -DNAP=2 -DQLEN=2
  add reverse_2 clean -DNRV=2
  add reverse_2_writes_3 clean -DNRV=2 -DNTW=2 -DNS=0 -DNT=3
  add failover clean -DFAILOVER
  add failover_coordinators_2 clean -DFAILOVER -DNC=2 -DNS=1 -DNT=1
  add failover_reverse_2 clean -DFAILOVER -DNRV=2 -DNS=0
  add failover_writers_2 clean -DFAILOVER -DNTW=2 -DNS=1
  add srestore clean -DSRESTORE -DNS=3 -DNT=1
  add spower clean -DSPOWER
  add tpower clean -DTPOWER
  add tpower_reverse_2 clean -DTPOWER -DNRV=2 -DNS=0
  add spower_coordinators_2 clean -DSPOWER -DNC=2 -DNS=2 -DNT=1
  add live_coordinators_2 clean "$live"
  # Rules that the others make superfluous, as far as the model goes: these mutants are clean.
  for mutant in M_NO_ROLE_CHECK M_NO_POISON M_PREPARE_OVER; do
    add $mutant clean -DNC=2 -DMAXA=3 -DNS=1 -DNT=1 -D$mutant
    add ${mutant}_failover clean -DFAILOVER -DNC=2 -DNS=1 -DNT=1 -D$mutant
  done
}

"${subject}_$mode"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for run in "${runs[@]}"; do
  while (($(jobs -rp | wc -l) >= ${MODEL_JOBS:-2})); do wait -n || true; done
  # shellcheck disable=SC2086  # options are words
  one $run &
done
wait

if compgen -G '*/wrong' >/dev/null; then
  echo "model $subject: not as expected"
  exit 1
fi
echo "model $subject: ${#runs[@]} runs as expected"
