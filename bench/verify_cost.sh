#!/usr/bin/env bash
# What verifying costs: the writer's transactions/s (as fast as it can) on the followed price database (945,087 rows) without and with
# continuous passes at the default pace, one right after the other, in turn; the ratio's median, and the longest wait. Then a whole pass
# as fast as it goes, beside psql and sqlite3 that print everything into a hash.
#   bench/verify_cost.sh [PAIRS] [SECONDS]   (5, 10); needs: build/release (ops/build.sh release)
set -euo pipefail

pairs=${1:-5}
seconds=${2:-10}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lockstep=$PWD/build/release/lockstep
prices=$PWD/build/release/tests/tools/lockstep-prices
writer=$PWD/build/release/tests/tools/lockstep-writer
server=$(pg_config --bindir)

work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bench.XXXXXX")
chmod 711 "$work"
mkdir "$work/pg"
runner=()
if ((EUID == 0)); then
  runner=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  chown postgres "$work/pg"
fi
following=
cleanup() {
  [[ -z $following ]] || kill "$following" 2>/dev/null || true
  "${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

"${runner[@]}" "$server/initdb" -D "$work/pg/data" -U lockstep -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
"${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -w -o "-k $work/pg -c listen_addresses=''" start >/dev/null
"$prices" "$work/app.db" >/dev/null
target="postgresql://lockstep@/postgres?host=$work/pg"

(umask 077 && echo '{"version": 1, "verify": {"continuous": false}}' >"$work/without.json" &&
  echo '{"version": 1, "verify": {"every": "1ms"}}' >"$work/with.json")

# member JSON NAME: a number out of one line of JSON
member() { sed -nE "s/.*\"$2\":([0-9.]+).*/\1/p" <<<"$1"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
passes() { psql -qXAt -h "$work/pg" -U lockstep postgres -c "SELECT count(*) FROM lockstep.verify_tables" 2>/dev/null || echo 0; }

follow() {
  "$lockstep" run "$work/app.db" "$target" --quiet --config "$work/$1.json" >/dev/null 2>&1 7>&- &
  following=$!
  until "$lockstep" wait "$work/app.db" --for caught-up --timeout 120s >/dev/null 2>&1; do kill -0 "$following"; done
}
unfollow() {
  "$lockstep" wait "$work/app.db" --for caught-up --timeout 120s >/dev/null
  kill "$following"
  wait "$following" || true
  following=
}
# write: sets rate and longest
write() {
  local said
  said=$("$writer" "$work/app.db" --seconds "$seconds")
  rate=$(member "$said" transactions_per_second)
  longest=$(member "$said" longest_wait_ms)
}

printf '%4s %12s %12s %7s %14s %14s\n' pair without/s verifying/s ratio 'longest wait' 'verifying'
ratios=()
for ((pair = 1; pair <= pairs; ++pair)); do
  follow without
  write
  alone=$rate alone_longest=$longest
  unfollow
  follow with
  # It is at work: the first table of a pass is on record.
  before=$(passes)
  until (($(passes) > before)); do sleep 0.1; done
  write
  unfollow
  ratio=$(awk -v a="$rate" -v b="$alone" 'BEGIN { printf "%.3f", a / b }')
  ratios+=("$ratio")
  printf '%4d %12s %12s %7s %11s ms %11s ms\n' "$pair" "$alone" "$rate" "$ratio" "$alone_longest" "$longest"
done
printf 'median ratio of the writer, verifying at the default pace / not: %s\n' "$(printf '%s\n' "${ratios[@]}" | median)"

follow without
rows=$(sqlite3 "$work/app.db" 'SELECT (SELECT count(*) FROM ohlcv_data) + (SELECT count(*) FROM tickers)')
ours=() theirs=()
for ((pair = 1; pair <= pairs; ++pair)); do
  began=$(date +%s.%N)
  "$lockstep" verify "$work/app.db" "$target" >/dev/null
  ended=$(date +%s.%N)
  ours+=("$(awk -v n="$rows" -v a="$began" -v b="$ended" 'BEGIN { printf "%.0f", n / (b - a) }')")
  began=$(date +%s.%N)
  for table in ohlcv_data tickers; do
    sqlite3 "$work/app.db" "SELECT * FROM $table ORDER BY rowid" | md5sum >/dev/null &
    psql -qXAt -h "$work/pg" -U lockstep postgres -c "COPY (SELECT * FROM $table ORDER BY 1) TO STDOUT" | md5sum >/dev/null
    wait $!
  done
  ended=$(date +%s.%N)
  theirs+=("$(awk -v n="$rows" -v a="$began" -v b="$ended" 'BEGIN { printf "%.0f", n / (b - a) }')")
done
printf 'a whole pass: %s rows/s; everything printed into md5sum, on both sides at once: %s rows/s (medians)\n' \
  "$(printf '%s\n' "${ours[@]}" | median)" "$(printf '%s\n' "${theirs[@]}" | median)"
