#!/usr/bin/env bash
# What following costs the application: one writer (BEGIN, SELECT, UPDATE, COMMIT; as fast as it can), alone and followed, in turn,
# in WAL and in rollback-journal mode: transactions/s, longest wait, SQLITE_BUSY it met, size of the WAL afterwards; then the ratio's median.
#   bench/writer_cost.sh [PAIRS] [TRANSACTIONS]   (5, 40000; a tenth of them in journal mode); needs: build/release and build/dev
set -euo pipefail

pairs=${1:-5}
transactions=${2:-40000}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lockstep=$PWD/build/release/lockstep
busy=$PWD/build/dev/tests/tools/lockstep-busy
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

# member JSON NAME: a number out of one line of JSON
member() { sed -nE "s/.*\"$2\":([0-9.]+).*/\1/p" <<<"$1"; }

# write FILE MODE SYNC COUNT: sets rate, longest, met
write() {
  local start end said
  start=$(date +%s.%N)
  said=$("$busy" "$1" --journal "$2" --sync "$3" --transactions "$4") || true
  end=$(date +%s.%N)
  rate=$(awk -v n="$4" -v a="$start" -v b="$end" 'BEGIN { printf "%.0f", n / (b - a) }')
  longest=$(member "$said" max_ms)
  met=$(member "$said" busy)
}

printf '%-7s %4s %12s %12s %7s %12s %12s %6s %10s\n' mode pair alone/s followed/s ratio 'alone max' 'followed max' busy 'WAL MiB'
for mode in wal delete; do
  count=$transactions
  sync=normal
  [[ $mode == wal ]] || { count=$((transactions / 10)); sync=full; }
  ratios=()
  for ((pair = 1; pair <= pairs; ++pair)); do
    rm -f "$work"/app.db*
    write "$work/app.db" "$mode" "$sync" "$count"
    alone=$rate alone_longest=$longest
    psql -qX -h "$work/pg" -U lockstep postgres -c 'DROP DATABASE IF EXISTS bench' -c 'CREATE DATABASE bench' 2>/dev/null
    "$lockstep" run "$work/app.db" "postgresql://lockstep@/bench?host=$work/pg" >/dev/null 2>&1 &
    following=$!
    until "$lockstep" wait "$work/app.db" --for caught-up --timeout 30s >/dev/null 2>&1; do kill -0 "$following"; done
    write "$work/app.db" "$mode" "$sync" "$count"
    wal=$(($(stat -c %s "$work/app.db-wal" 2>/dev/null || echo 0) / 1048576))
    "$lockstep" wait "$work/app.db" --for caught-up --timeout 60s >/dev/null
    kill "$following"
    wait "$following" || true
    following=
    ratio=$(awk -v a="$rate" -v b="$alone" 'BEGIN { printf "%.2f", a / b }')
    ratios+=("$ratio")
    printf '%-7s %4d %12s %12s %7s %9s ms %9s ms %6s %10s\n' "$mode" "$pair" "$alone" "$rate" "$ratio" "$alone_longest" "$longest" "$met" "$wal"
  done
  printf '%-7s median ratio followed / alone: %s\n' "$mode" \
    "$(printf '%s\n' "${ratios[@]}" | sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }')"
done
