#!/usr/bin/env bash
# Catching up with a backlog: 200,000 rows of the price database (three indexes, 926,325 rows) are updated while lockstep is stopped;
# prints rows/s of the whole process from start to caught-up, beside one UPDATE of as many rows inside PostgreSQL itself, in turn.
#   bench/backlog.sh [PAIRS]   (5); needs: build/release (ops/build.sh release), Debian's postgresql and sqlite3
set -euo pipefail

pairs=${1:-5}
rows=200000
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lockstep=$PWD/build/release/lockstep
prices=$PWD/build/release/tests/tools/lockstep-prices
compare=$PWD/build/release/tests/tools/lockstep-compare
server=$(pg_config --bindir)

work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-bench.XXXXXX")
chmod 711 "$work"
mkdir "$work/pg"
runner=()
if ((EUID == 0)); then
  runner=(setpriv --reuid=postgres --regid=postgres --clear-groups)
  chown postgres "$work/pg"
fi
cleanup() {
  "${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

"${runner[@]}" "$server/initdb" -D "$work/pg/data" -U lockstep -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
"${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -w -o "-k $work/pg -c listen_addresses=''" start >/dev/null
"$prices" "$work/prices.db"

target="postgresql://lockstep@/bench?host=$work/pg"
sql() { psql -qX -h "$work/pg" -U lockstep "$@" 2>/dev/null; }
# per_second COMMAND...: rows/s
per_second() {
  local start end
  start=$(date +%s.%N)
  "$@" >/dev/null 2>&1
  end=$(date +%s.%N)
  awk -v n="$rows" -v a="$start" -v b="$end" 'BEGIN { printf "%.0f", n / (b - a) }'
}

ratios=()
printf '%4s %14s %18s %8s\n' pair 'lockstep rows/s' 'one UPDATE rows/s' ratio
for ((pair = 1; pair <= pairs; ++pair)); do
  rm -f "$work"/run.db*
  cp "$work/prices.db" "$work/run.db"
  sql postgres -c 'DROP DATABASE IF EXISTS bench' -c 'CREATE DATABASE bench'
  "$lockstep" run "$work/run.db" "$target" --until caught-up >/dev/null 2>&1
  sqlite3 "$work/run.db" "UPDATE ohlcv_data SET close = close + 1, volume = volume + 1 WHERE id % 4 = 0 AND id <= 4 * $rows"
  # Both begin with full pages: where an UPDATE went before, there is room, and the next one costs no index entries.
  sql postgres -c 'DROP DATABASE IF EXISTS full_pages' -c 'CREATE DATABASE full_pages TEMPLATE bench' -c CHECKPOINT
  ours=$(per_second "$lockstep" run "$work/run.db" "$target" --until caught-up)
  "$compare" "$work/run.db" "host=$work/pg user=lockstep dbname=bench" >/dev/null
  sql postgres -c CHECKPOINT
  theirs=$(per_second psql -qX -h "$work/pg" -U lockstep full_pages -c "UPDATE ohlcv_data SET close = close + 1, volume = volume + 1 WHERE id % 4 = 1 AND id <= 4 * $rows")
  ratio=$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", a / b }')
  ratios+=("$ratio")
  printf '%4d %14s %18s %8s\n' "$pair" "$ours" "$theirs" "$ratio"
done
printf 'median ratio lockstep / one UPDATE: %s\n' \
  "$(printf '%s\n' "${ratios[@]}" | sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }')"
