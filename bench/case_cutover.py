"""Case 7: how long nobody can write while the writers move to PostgreSQL and back, by size of the database and number of tables."""
import json
import subprocess
import time

import data
from harness import Failed, Result, copied, median, percentile, spread


def run(bench):
    rows, tables, switches = bench.sizes["switch_rows"], bench.sizes["tables"], bench.sizes["switches"]
    result = Result("Pause of cutover and rollback beside a writer of 200 transactions/s", ["database", "direction", "switches", "p50 ms", "p99 ms", "longest ms"])
    pauses = {}
    for name, count, source in (("small", switches, data.prices(bench, rows)), ("large", max(2, switches // 5), data.prices(bench, 10 * rows)),
                                (f"{tables} tables", max(2, switches // 5), None)):
        file = bench.work / f"switch-{name.split()[0]}.db"
        if source:
            file = copied(source, file.name)
        else:
            data.many_tables(file, bench.seed, tables)
            data.with_sql(file, data.TICKS)
        label = f"{data.rows_of(file):,} rows, {name}"
        pauses[name], gaps = switch(bench, file, count)
        for direction, series in pauses[name].items():
            result.add(label, direction, str(len(series)), median(series), percentile(series, 0.99), max(series))
        result.notes.append(f"{label}: from the last write taken on one side to the first on the other p50 {gaps['p50'] / 1000:.1f} ms, p99 {gaps['p99'] / 1000:.1f},"
                            f" longest {gaps['max'] / 1000:.1f} ({gaps['count']} switches, as a writer saw it)")
        bench.say(label + ": " + "  ".join(f"{direction} {spread(series)} ms" for direction, series in pauses[name].items()))
    small = pauses["small"]["cutover"]
    result.values = {"pause_p50_ms": median(small), "pause_p99_ms": percentile(small, 0.99), "pause_large_p50_ms": median(pauses["large"]["cutover"]), "pauses_ms": pauses}
    result.histogram("Pauses of the small database", "ms", **pauses["small"])
    return result


def switch(bench, file, count):
    """Pauses in ms by direction, and the gaps that a writer saw, which goes where it is let."""
    server = bench.server()
    server.fresh("bench")
    child = bench.follow(file, server.uri("bench"))
    writer = bench.start([bench.load, "move", file, server.conninfo("bench"), "--rate", "200", "--until-stdin-closes"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pauses = {"cutover": [], "rollback": []}
    for _ in range(count):
        for direction in pauses:
            words = [bench.lockstep, direction, file, "--confirm", file.stem, "--when-ready", "--max-pause", "5s", "--verify-max-age", "0", "--json"]
            if direction == "cutover":
                words += ["--accept-unsafe-server"]  # small runs have no fsync
            said = bench.measured(words).out
            pauses[direction] += [one["pause_ms"] for one in map(json.loads, said.splitlines()) if one.get("type") == "switched"]
            time.sleep(0.05)  # some writes on this side
    said = bench.finish(writer)
    taken = int(server.sql("bench", "SELECT count(*) FROM ticks"))
    bench.caught_up(file, child)
    bench.stop_child(child)
    if said["gap"]["count"] < 2 * count or any(len(series) != count or None in series for series in pauses.values()):
        raise Failed(f"{count} switches each way were asked for: {pauses}, the writer saw {said['gap']}")
    bench.compare(file, server, "bench")
    now = int(server.sql("bench", "SELECT count(*) FROM ticks"))
    if now != said["transactions"]:
        raise Failed(f"{said['transactions']} writes were acknowledged, {now} are there ({taken} before the end)")
    return pauses, said["gap"]
