"""Case 5: what the application pays: its transactions/s and waits on SQLite, bare, with triggers that log one integer (the least that can
be had), with ours, followed, and with triggers that log both images of a row as JSON, as other tools do."""
import os
import sqlite3
import subprocess
import threading
import time

import data
from harness import Result, copied, median, number, ratios, spread

LOADS = {"1 row, NORMAL": {"kind": "update"}, "1 row, FULL": {"kind": "update", "sync": "full"}, "1,000 rows anywhere, NORMAL": {"kind": "update", "rows": 1000},
         "1,000 rows in a row, NORMAL": {"kind": "range", "rows": 1000}}
WAYS = ["bare", "one integer", "our triggers", "followed", "JSON row images"]


def run(bench):
    base, server, seconds = data.prices(bench, bench.sizes["work"]), bench.server(), bench.sizes["seconds"] / 2
    files = {"bare": copied(base, "bare.db"), "ours": copied(base, "ours.db"), "images": copied(base, "images.db"), "least": copied(base, "least.db")}
    data.image_triggers(files["images"], ["ohlcv_data", "ticks"])
    data.least_triggers(files["least"], ["ohlcv_data"])
    server.fresh("bench")
    target = server.uri("bench")
    bench.measured([bench.lockstep, "run", files["ours"], target, "--until", "caught-up"])
    # As with an application that stays, the -wal is there and as long as it gets: to lengthen it makes a sync dearer.
    stay = [sqlite3.connect(file) for file in files.values()]
    for file, connection in zip(files.values(), stay):
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        bench.write("sqlite", file, kind="update", transactions=3000)
    rates, middles, holds = {(load, way): [] for load in LOADS for way in WAYS}, {way: [] for way in WAYS}, []
    for pair in bench.rounds():
        for load, options in LOADS.items():
            for way in WAYS:
                child = bench.follow(files["ours"], target) if way == "followed" else None
                file = files[{"bare": "bare", "one integer": "least", "JSON row images": "images"}.get(way, "ours")]
                if "FULL" in load:
                    os.sync()  # or the first syncs wait for what the one before has left
                said = bench.write("sqlite", file, seconds=seconds, seed=bench.seed + pair, **options)
                rates[load, way].append(said["transactions"] / said["seconds"])
                if load == "1 row, NORMAL":
                    middles[way].append(said["took"]["p50"])
                if child and load == "1 row, NORMAL":
                    holds.append(bench.write("sqlite", file, seconds=2 * seconds, spin=True, **options)["held"])
                if child:
                    bench.caught_up(file, child)
                    bench.stop_child(child)
    for connection in stay:
        connection.close()
    bench.measured([bench.lockstep, "run", files["ours"], target, "--until", "caught-up"])
    bench.compare(files["ours"], server, "bench")
    result = Result("What the application pays, random updates of the price table as fast as it can", ["load", *WAYS, "one integer / bare", "ours / bare", "followed / bare"])
    for load in LOADS:
        of = [rates[load, way] for way in WAYS]
        result.add(load, *(spread(one) for one in of), *(spread(ratios(one, of[0])) for one in of[1:4]))
        result.pairs(f"Transactions/s, {load}", "tx/s", **{way: rates[load, way] for way in WAYS})
    share = {load: median(ratios(rates[load, "our triggers"], rates[load, "bare"])) for load in LOADS}
    cost = {load: added(rates, load) for load in LOADS if "FULL" not in load}
    bulk, in_a_row = "1,000 rows anywhere, NORMAL", "1,000 rows in a row, NORMAL"
    result.values = {"single_normal": share["1 row, NORMAL"], "single_full": share["1 row, FULL"], "bulk_normal": share[bulk], "bulk_range": share[in_a_row],
                     "image_cost": cost[in_a_row], "commit_added_us": median([a - b for a, b in zip(middles["followed"], middles["bare"])]),
                     "rates": {f"{load}, {way}": series for (load, way), series in rates.items()}}
    result.notes.append("JSON row images add "
                        + ", ".join(f"{number(one)}x what ours add ({load})" if one else f"(ours add nothing that can be measured: {load})" for load, one in cost.items())
                        + f". p50 of a single-row transaction in us, medians: {', '.join(f'{way} {number(median(one))}' for way, one in middles.items())}.")
    growth(bench, base, result)
    stalls(bench, base, result, holds)
    rollback_journal(bench, base, result)
    return result


def added(rates, load):
    """How many times as much time JSON images add to a transaction as ours; None if ours add nothing."""
    bare, ours, images = (median([1 / one for one in rates[load, way]]) for way in ("bare", "our triggers", "JSON row images"))
    return (images - bare) / (ours - bare) if ours > bare else None


def growth(bench, base, result):
    """Bytes that each changed row adds to the file while nobody takes them out."""
    server, per_row = bench.server(), {}
    for way in ("ours", "images"):
        file = copied(base, f"growth-{way}.db")
        if way == "ours":
            server.fresh("bench")
            bench.measured([bench.lockstep, "run", file, server.uri("bench"), "--until", "caught-up"])
        else:
            data.image_triggers(file, ["ohlcv_data", "ticks"])
        data.with_sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")
        before = file.stat().st_size
        said = bench.write("sqlite", file, kind="update", rows=1000, transactions=20)
        data.with_sql(file, "PRAGMA wal_checkpoint(TRUNCATE)")
        per_row[way] = (file.stat().st_size - before) / said["rows"]
    result.values["image_growth"] = per_row["images"] / per_row["ours"] if per_row["ours"] > 0 else None
    result.notes.append(f"Growth of the file per changed row while nobody follows: ours {number(per_row['ours'])} bytes, JSON row images {number(per_row['images'])}.")


def stalls(bench, base, result, holds):
    """A writer of 500 transactions/s from before the first start of lockstep, through copy, catch-up, following, verify and prune: with
    SQLite's own busy timeout, and as one that asks every 20 us."""
    peak = [0]
    said, held = through(bench, base, peak), through(bench, base, peak, options=["--spin"])["held"]
    holds.append(held)
    seen = sum(one["count"] for one in holds)
    took = said["took"]
    result.values |= {"stall_p999_ms": took["p999"] / 1000, "stall_max_ms": took["max"] / 1000, "wal_mib": peak[0] / 2**20,
                      "hold_p99_ms": max(one["p99"] for one in holds) / 1000 if seen else None, "why_not": {"hold_p99_ms": "the writer never met a hold"}}
    result.notes.append(f"A writer of 500 transactions/s from before the start, through copy, catch-up, two verifications and prune: {said['transactions']} transactions,"
                        f" p50 {took['p50']} us, p99 {took['p99']} us, p99.9 {number(took['p999'] / 1000)} ms, longest {number(took['max'] / 1000)} ms; -wal at most"
                        f" {number(peak[0] / 2**20)} MiB. Our holds of the write lock, met by that writer and by one as fast as it can: {seen}, p99"
                        f" {number(max(one['p99'] for one in holds) / 1000)} ms, longest {number(max(one['max'] for one in holds) / 1000)} ms.")


def rollback_journal(bench, base, result):
    """The same writer on a file in the ORMs' default journal mode, where it and we shut each other out; and alone, as long as before. An
    error, as one that waited over 5 s for a lock would get, fails the case."""
    rate, peak = 100, [0]
    said = through(bench, base, peak, journal="DELETE", rate=rate)
    file = copied(base, "alone.db")
    data.with_sql(file, "PRAGMA journal_mode = DELETE")
    alone = bench.write("sqlite", file, kind="mixed", rate=rate, seconds=said["seconds"])
    ours, bare = said["took"], alone["took"]
    result.values |= {"delete_added_p99_ms": (ours["p99"] - bare["p99"]) / 1000, "delete_max_ms": ours["max"] / 1000}
    result.notes.append(f"The same in rollback-journal mode (DELETE) with {rate} transactions/s: {number(said['transactions'] / said['seconds'])}/s, p50 {ours['p50']} us, p99"
                        f" {number(ours['p99'] / 1000)} ms, longest {number(ours['max'] / 1000)} ms; without us {number(alone['transactions'] / alone['seconds'])}/s, {bare['p50']} us,"
                        f" {number(bare['p99'] / 1000)} ms, {number(bare['max'] / 1000)} ms. No error in either.")


def through(bench, base, peak, options=(), journal="WAL", rate=500):
    server, file = bench.server(), copied(base, "stalls.db")
    data.with_sql(file, f"PRAGMA journal_mode = {journal}")
    server.fresh("bench")
    writer = bench.start([bench.load, "sqlite", file, "--rate", str(rate), "--kind", "mixed", "--until-stdin-closes", *options],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    done = threading.Event()

    def watch():
        while not done.wait(0.02):
            try:
                peak[0] = max(peak[0], (file.parent / (file.name + "-wal")).stat().st_size)
            except OSError:
                pass
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        child = bench.follow(file, server.uri("bench"))
        for _ in range(2):
            bench.measured([bench.lockstep, "verify", file, server.uri("bench"), "--quiet"])
            time.sleep(bench.sizes["seconds"])
        said = bench.finish(writer)
    finally:
        done.set()
        watcher.join()
    bench.caught_up(file, child)
    bench.stop_child(child)
    bench.compare(file, server, "bench")
    return said
