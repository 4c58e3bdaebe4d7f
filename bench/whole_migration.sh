#!/usr/bin/env bash
# The whole migration of the price database (945,087 rows), census, keys and indexes included: lockstep and pgloader in turn,
# one after the other, in one run; and what PostgreSQL alone takes for it: the same schema, psql's \copy of prepared binary
# files, the same keys and indexes in two sessions, ANALYZE. Prints each round and the median ratios.
#   bench/whole_migration.sh [PAIRS] [LOCALE]   (5, C.UTF-8: how long an index on text takes depends on it); needs: build/release (ops/build.sh release), Debian's pgloader and postgresql
set -euo pipefail

pairs=${1:-5}
locale=${2:-C.UTF-8}
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

"${runner[@]}" "$server/initdb" -D "$work/pg/data" -U lockstep -A trust -E UTF8 --locale="$locale" >/dev/null
"${runner[@]}" "$server/pg_ctl" -D "$work/pg/data" -w -o "-k $work/pg -c listen_addresses=''" start >/dev/null
"$prices" "$work/prices.db"

# Both start from an empty database and with nothing of the previous run left to be written to disk.
fresh() {
  psql -qX -h "$work/pg" -U lockstep postgres -c 'DROP DATABASE IF EXISTS bench' -c 'CREATE DATABASE bench' -c CHECKPOINT
  sync
}
# seconds FILE COMMAND...: wall seconds; FILE gets peak KiB.
seconds() {
  local file=$1
  shift
  /usr/bin/time -o "$file" -f '%e %M' "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  cut -d' ' -f1 "$file"
}

run_sql() { psql -qX -v ON_ERROR_STOP=1 -h "$work/pg" -U lockstep bench "$@"; }

# What lockstep made, as files: schema, rows of each table in binary, the rest in two parts.
take_apart() {
  pg_dump -h "$work/pg" -U lockstep -n public --section=pre-data bench | grep -v '^CREATE SCHEMA public' >"$work/before.sql"
  pg_dump -h "$work/pg" -U lockstep -n public --section=post-data bench >"$work/after.sql"
  : >"$work/copy.sql"
  local table
  for table in $(run_sql -At -c "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"); do
    run_sql -c "\\copy public.$table to '$work/$table.bin' binary"
    echo "\\copy public.$table from '$work/$table.bin' binary" >>"$work/copy.sql"
  done
  grep -E '^CREATE .*INDEX' "$work/after.sql" >"$work/indexes.sql"
  grep -vE '^(CREATE .*INDEX|--|$)' "$work/after.sql" >"$work/keys.sql"
}
postgres_alone() {
  run_sql -f "$work/before.sql" >/dev/null
  run_sql -f "$work/copy.sql"
  run_sql -f "$work/indexes.sql" &
  run_sql -f "$work/keys.sql" >/dev/null
  wait $!
  run_sql -c ANALYZE
}

ratios=()
limits=()
printf '%4s %12s %12s %8s %14s %14s %8s\n' pair lockstep pgloader ratio 'lockstep peak' 'postgres alone' share
for ((pair = 1; pair <= pairs; ++pair)); do
  cp "$work/prices.db" "$work/run.db"
  fresh
  ours=$(seconds "$work/ours" "$lockstep" run "$work/run.db" "postgresql://lockstep@/bench?host=$work/pg" --until caught-up)
  "$compare" "$work/run.db" "host=$work/pg user=lockstep dbname=bench" >/dev/null
  rm -f "$work"/run.db*
  ((pair > 1)) || take_apart
  fresh
  theirs=$(seconds "$work/theirs" pgloader "sqlite://$work/prices.db" "postgresql://lockstep@unix:$work/pg:5432/bench")
  ratio=$(awk -v a="$theirs" -v b="$ours" 'BEGIN { printf "%.2f", a / b }')
  ratios+=("$ratio")
  fresh
  alone=$({ TIMEFORMAT=%R; time postgres_alone >"$work/log" 2>&1; } 2>&1) || { cat "$work/log" >&2; exit 1; }
  share=$(awk -v a="$alone" -v b="$ours" 'BEGIN { printf "%.2f", a / b }')
  limits+=("$share")
  printf '%4d %10s s %10s s %8s %10s MiB %12s s %8s\n' "$pair" "$ours" "$theirs" "$ratio" \
    "$(awk '{ printf "%.0f", $2 / 1024 }' "$work/ours")" "$alone" "$share"
done
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
printf 'median ratio pgloader / lockstep: %s\n' "$(printf '%s\n' "${ratios[@]}" | median)"
printf 'median ratio postgres alone / lockstep: %s\n' "$(printf '%s\n' "${limits[@]}" | median)"
