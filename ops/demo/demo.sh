#!/usr/bin/env bash
# The main job in one minute: a live SQLite database under load is followed into a private, throw-away PostgreSQL, through a
# kill -9 in the middle; the writers move to PostgreSQL and back; and both sides are compared row by row. Exit 0 only if they are
# equal and nothing was lost.
#
# `lockstep demo` runs this text (it is part of the binary); LOCKSTEP_BINARY names that binary. --quick: a small database.
set -euo pipefail

tickers=18661 rows=926325 rate=700 stream_seconds=10
for argument in "$@"; do
  case $argument in
    --quick) tickers=2000 rows=60000 stream_seconds=4 ;;
    *)
      echo "lockstep demo: unknown argument $argument (known: --quick)" >&2
      exit 2
      ;;
  esac
done

lockstep=${LOCKSTEP_BINARY:?the demo is started by: lockstep demo}
here=$(dirname "$lockstep")
tools=
for folder in "$here/tests/tools" "$here/tests" "$here/../libexec/lockstep"; do
  if [[ -x $folder/lockstep-prices ]]; then tools=$folder; fi
done
if [[ -z $tools ]]; then
  echo "lockstep demo: lockstep-prices and lockstep-writer are not installed beside $lockstep" >&2
  exit 1
fi

server=
for folder in $(pg_config --bindir 2>/dev/null || true) /usr/lib/postgresql/*/bin; do
  if [[ -x $folder/initdb ]]; then server=$folder; fi
done
if [[ -z $server ]]; then
  echo "lockstep demo: no PostgreSQL server found; install Debian's package postgresql" >&2
  exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-demo.XXXXXX")
chmod 711 "$work"
runner=() writer_pid='' run_pid='' observer_pid='' lag_pid=''
if ((EUID == 0)); then  # PostgreSQL does not run as root
  account=nobody
  if getent passwd postgres >/dev/null; then account=postgres; fi
  runner=(setpriv --reuid="$account" --regid="$(id -g "$account")" --clear-groups)
fi
mkdir "$work/pg"
((EUID != 0)) || chown "$account" "$work/pg"

cleanup() {
  for pid in $run_pid $writer_pid $observer_pid $lag_pid; do kill -9 "$pid" 2>/dev/null || true; done
  if [[ -f $work/pg/data/postmaster.pid ]]; then
    "${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -m immediate -w stop >/dev/null 2>&1 || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# The value of a top-level member of a status object. Members are sorted, so the first match is the top-level one.
member() { sed -nE "s/.*\"$1\":\"?([^,\"}]*).*/\1/p" <<<"${2%%\"tables\"*}" | head -n 1; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }

say "1  a private PostgreSQL ($("$server/postgres" --version)) and the price database"
started=$(now_ms)
"${runner[@]}" "$server/initdb" -D "$work/pg/data" -U lockstep -A trust -E UTF8 --locale=C.UTF-8 -N >"$work/initdb.log" 2>&1 ||
  { cat "$work/initdb.log" >&2; exit 1; }
"${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -l "$work/pg/log" -w -o "-k $work/pg -c listen_addresses=''" start >/dev/null
target="postgresql://lockstep@/postgres?host=$work/pg"
source=$work/prices.db
"$tools/lockstep-prices" "$source" --tickers "$tickers" --rows "$rows"

say "2  an application writes to it all the time ($rate transactions/s: inserts, updates, deletes, REPLACE, transfers, rollbacks)"
mkfifo "$work/writer.in" "$work/observer.in" "$work/lag.in"
"$tools/lockstep-writer" "$source" --until-stdin-closes --rate "$rate" --commits "$work/commits" \
  <"$work/writer.in" >"$work/writer.out" 2>"$work/writer.err" &
writer_pid=$!
exec 7>"$work/writer.in"
observe() { exec "$tools/lockstep-observer" "host=$work/pg dbname=postgres user=lockstep" --migration prices --until-stdin-closes --repairs 2 "$@"; }
observe <"$work/observer.in" >"$work/observer.out" 2>"$work/observer.err" 7>&- &
observer_pid=$!
exec 8>"$work/observer.in"

# Both sides are compared again and again meanwhile: the line says how much is proven equal, and how long ago.
config="$work/verify-every-second.json"
printf '{"version": 1, "verify": {"every": "1s", "cpu_share": 0.5}}\n' >"$config"
chmod 600 "$config"
say "3  lockstep run prices.db $target --config verify-every-second.json"
export LOCKSTEP_PROGRESS_FPS=${LOCKSTEP_PROGRESS_FPS:-2}
began=$(now_ms)
"$lockstep" run "$source" "$target" --config "$config" 7>&- 8>&- &  # or the writer would never see its input close
run_pid=$!

# In the middle: some chunks are in, some are not.
while kill -0 "$run_pid" 2>/dev/null; do
  status=$("$lockstep" status "$source" --json 2>/dev/null || true)
  copied=$(member rows_copied "$status")
  if [[ -n $copied ]] && ((copied > rows / 3)); then break; fi
  phase=$(member phase "$status")
  if [[ $phase == streaming ]]; then break; fi
done
kill -9 "$run_pid"
wait "$run_pid" 2>/dev/null || true
say "4  killed with SIGKILL (phase ${phase:-?}, ${copied:-0} rows copied); started again: it goes on"
"$lockstep" run "$source" "$target" --config "$config" 7>&- 8>&- &  # or the writer would never see its input close
run_pid=$!
"$lockstep" wait "$source" --for caught-up --timeout 120s >/dev/null
copied_ms=$(($(now_ms) - began))
printf '\n'

# What was written while the indexes were built is not the lag of following.
"$lockstep" wait "$source" --for caught-up --timeout 60s >/dev/null
say "5  following for $stream_seconds s"
observe --commits "$work/commits" <"$work/lag.in" >"$work/lag.out" 2>"$work/lag.err" 7>&- 8>&- &
lag_pid=$!
exec 9>"$work/lag.in"
for ((second = 0; second < stream_seconds; ++second)); do
  kill -0 "$run_pid"
  sleep 1
done

say "6  what lockstep has proven by itself meanwhile, and all of it once more: row by row, while the application goes on writing"
"$lockstep" status "$source" | grep -E 'verified|equal' || true
"$lockstep" verify "$source" "$target"

say "7  somebody changes the last digits of one number on PostgreSQL: refused; goes past the guard: found, shown, repaired"
postgres() { "$server/psql" -qX -h "$work/pg" -U lockstep -d postgres -v ON_ERROR_STOP=1 -c "$1"; }
meddle() { # as somebody who knows nothing of lockstep, or with a statement before it
  "$server/psql" -qX -h "$work/pg" -U lockstep -d postgres -v ON_ERROR_STOP=1 "$@" \
    -c "UPDATE ohlcv_data SET high = high * (1 + 1e-15) WHERE id = (SELECT id FROM ohlcv_data ORDER BY id LIMIT 1 OFFSET 4242)"
}
if meddle 2>"$work/refused"; then
  echo "lockstep demo: the guard let it pass" >&2
  exit 1
fi
head -n 1 "$work/refused"
meddle -c "SET lockstep.guard = off"
"$lockstep" verify "$source" "$target" --repair --yes

say "8  the application stops; everything is applied"
exec 7>&-
wait "$writer_pid" || { cat "$work/writer.err" >&2; exit 1; }
writer_pid=''
"$lockstep" wait "$source" --for caught-up --timeout 60s
status=$("$lockstep" status "$source" --json)
exec 8>&- 9>&-
observed=0
wait "$observer_pid" || observed=$?
wait "$lag_pid" || observed=$?
observer_pid='' lag_pid=''

say "9  cutover: the writers move to PostgreSQL, SQLite is fenced"
"$lockstep" cutover "$source" --confirm prices --when-ready | tee "$work/cutover.out" | grep -v '^ok '
postgres "UPDATE ohlcv_data SET high = high + 1 WHERE id % 100 = 0; DELETE FROM ohlcv_data WHERE id % 1000 = 1"
if sqlite3 "$source" "UPDATE ohlcv_data SET high = 0" 2>"$work/fenced"; then
  echo "lockstep demo: the fence let it pass" >&2
  exit 1
fi
head -n 1 "$work/fenced"
"$lockstep" verify "$source" "$target"

say "10  rollback: back to SQLite, which has what was written to PostgreSQL"
"$lockstep" rollback "$source" --confirm prices --when-ready | tee "$work/rollback.out" | grep -v '^ok '
sqlite3 "$source" "UPDATE ohlcv_data SET high = high - 1 WHERE id % 100 = 0"
"$lockstep" wait "$source" --for caught-up --timeout 60s
kill -TERM "$run_pid"
wait "$run_pid" || true
run_pid=''

say "11  both sides at rest, row by row"
equal=0
"$lockstep" verify "$source" "$target" || equal=$?

say "12  out again"
"$lockstep" remove "$source" "$target"
leftover=$("$tools/lockstep-compare" "$source" "host=$work/pg dbname=postgres user=lockstep" >"$work/compare.out" && echo equal || echo DIFFERENT)

writer=$(cat "$work/writer.out")
observer=$(cat "$work/observer.out")
lag=$(cat "$work/lag.out")
lost=$(member lost "$writer")
say "summary"
printf '  copied      %s rows while the application wrote, ready %s ms after the start, one kill -9 included (%s rows/s)\n' \
  "$rows" "$copied_ms" "$((rows * 1000 / copied_ms))"
printf '  followed    %s changes applied since the restart, in %s transactions\n' \
  "$(member changes_applied "$status")" "$(member batches_applied "$status")"
printf '  lag         p50 %s ms, p99 %s ms from commit on SQLite to visible on PostgreSQL (seen by a reader of its own)\n' \
  "$(member lag_p50_ms "$lag")" "$(member lag_p99_ms "$lag")"
printf '  reader      %s looks at the target, %s of them at a state the source never had\n' \
  "$(member observations "$observer")" "$(member violations "$observer")"
((observed == 0)) || cat "$work/observer.out" "$work/lag.out"
printf '  application %s transactions acknowledged (%s/s), %s lost, %s errors, longest wait %s ms\n' \
  "$(member acknowledged "$writer")" "$(member transactions_per_second "$writer")" "$lost" \
  "$(member errors "$writer")" "$(member longest_wait_ms "$writer")"
printf '  pauses      cutover %s ms, rollback %s ms\n' "$(sed -nE 's/.*paused ([0-9.]+) ms.*/\1/p' "$work/cutover.out")" \
  "$(sed -nE 's/.*paused ([0-9.]+) ms.*/\1/p' "$work/rollback.out")"
printf '  verify      %s; independent comparison: %s\n' "$( ((equal == 0)) && echo equal || echo DIFFERENT)" "$leftover"
printf '  took        %s s\n' "$((($(now_ms) - started) / 1000))"
((equal == 0 && observed == 0)) && [[ $lost == 0 && $leftover == equal ]]
