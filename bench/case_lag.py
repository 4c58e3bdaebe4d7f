"""Case 4: from a commit on SQLite to visible on PostgreSQL, at several rates, beside logical replication; and what an idle pair costs."""
import os
import subprocess
import time
from pathlib import Path

import data
import peers
from harness import Result, copied, median, number, percentile, ratios, spread

RATES = {"100 tx/s": {"rate": 100}, "1,000 tx/s": {"rate": 1000}, "as fast as it can, 1 row": {}, "as fast as it can, 100 rows": {"rows": 100}}


def run(bench):
    source, server = copied(data.prices(bench, bench.sizes["work"]), "lag.db"), bench.server()
    server.fresh("bench")
    child = bench.follow(source, server.uri("bench"), "--config", bench.quiet())
    native = peers.Replication(bench, data.prices(bench, bench.sizes["work"]), "native")
    result = Result("Commit on SQLite to visible on PostgreSQL", ["load", "who", "tx/s written", "tx/s visible", "p50 ms", "p99 ms", "max ms"])
    sync = sync_ms(bench.work)
    found = {(load, who): [] for load in RATES for who in ("lockstep", "native")}
    for _ in bench.rounds():
        for load, options in RATES.items():
            seconds = bench.sizes["seconds"]
            found[load, "lockstep"].append(once(bench, "sqlite", source, server.conninfo("bench"), seconds, options))
            quick = "" if "rate" in options else " options='-c synchronous_commit=off'"
            found[load, "native"].append(once(bench, "postgres", native.publisher.conninfo(native.name) + quick, server.conninfo(native.name),
                                              seconds, options))
        bench.caught_up(source, child)
    bench.compare(source, server, "bench")
    native.caught_up()
    native.equal()
    native.drop()
    for (load, who), rounds in found.items():
        result.add(load, who, spread([one["written"] for one in rounds]), spread([one["visible"] for one in rounds]),
                   spread([one["p50"] for one in rounds]), spread([one["p99"] for one in rounds]), max(one["max"] for one in rounds))
    at = found["1,000 tx/s", "lockstep"]
    single = found["as fast as it can, 1 row", "lockstep"]
    result.values = {"sync_ms": sync, "lag_p50_ms": median([one["p50"] for one in at]), "lag_p99_ms": median([one["p99"] for one in at]),
                     "sustained_share": median(ratios([one["visible"] for one in single], [one["written"] for one in single])),
                     "rounds": {f"{load}, {who}": rounds for (load, who), rounds in found.items()}}
    result.notes.append(f"A sync (write of 8 KiB and fdatasync, p50 of 200, in the servers' file system): {number(sync)} ms. Visible: transactions by"
                        " the time from the first commit to the last one visible. As fast as it can: SQLite with synchronous=NORMAL, the publisher"
                        " with synchronous_commit=off; at a rate the publisher commits with a sync, SQLite without.")
    result.pairs("Lag p50 at 1,000 tx/s", "ms", **{who: [one["p50"] for one in found["1,000 tx/s", who]] for who in ("lockstep", "native")})
    result.pairs("Lag p99 at 1,000 tx/s", "ms", **{who: [one["p99"] for one in found["1,000 tx/s", who]] for who in ("lockstep", "native")})
    result.pairs("Single-row transactions visible per second", "tx/s",
                 **{who: [one["visible"] for one in found["as fast as it can, 1 row", who]] for who in ("lockstep", "native")})
    idle(bench, source, child, result)
    bench.stop_child(child)
    return result


def once(bench, side, where, target, seconds, options):
    """One load, watched on the target; rates in transactions/s, lags in ms."""
    commits = bench.work / "commits"
    commits.unlink(missing_ok=True)
    watch = bench.start([bench.load, "watch", target, "--commits", commits], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    watch.stdout.readline()
    wrote = bench.write(side, where, seconds=seconds, commits=commits, **options)
    seen = bench.finish(watch)
    if seen["seen"] != wrote["transactions"]:
        raise RuntimeError(f"{wrote['transactions']} transactions, {seen['seen']} seen within a minute")
    return {"written": wrote["transactions"] / wrote["seconds"], "visible": wrote["transactions"] / (wrote["seconds"] + seen["last_lag"] / 1e6),
            "p50": seen["lag"]["p50"] / 1000, "p99": seen["lag"]["p99"] / 1000, "max": seen["lag"]["max"] / 1000}


def idle(bench, source, child, result):
    """Nobody writes: what lockstep takes, and whether anything of the source changes."""
    bench.caught_up(source, child)
    # What the loads left in the change table is still being removed, a little every 30 s: at rest is who has left that out.
    limit, before = time.monotonic() + 10 * bench.sizes["settle"], None
    while before != state(source) and time.monotonic() < limit:
        before = state(source)
        time.sleep(bench.sizes["settle"])
    cpu, start = cpu_of(child.pid), time.monotonic()
    time.sleep(bench.sizes["idle"])
    percent = 100 * (cpu_of(child.pid) - cpu) / (time.monotonic() - start)
    after = state(source)
    written = sum(max(1, new[0] - old[0]) for old, new in zip(before, after) if old != new)
    result.values |= {"idle_cpu_percent": percent, "idle_source_bytes": written}
    result.notes.append(f"Idle for {bench.sizes['idle']} s: {number(percent)} % of a core; the source and its -wal"
                        f" {'are as they were' if not written else f'grew or were written to ({written} bytes at least)'}.")


def state(source):
    return [(one.stat().st_size, one.stat().st_mtime_ns) for one in (source, Path(f"{source}-wal"))]


def cpu_of(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sync_ms(folder):
    took = []
    with open(folder / "sync", "wb") as file:
        for _ in range(200):
            start = time.monotonic()
            file.write(b"x" * 8192)
            file.flush()
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - start) * 1000)
    return percentile(took, 0.5)
