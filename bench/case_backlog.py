"""Case 3: catching up with what was written while lockstep was stopped, beside logical replication with the same row changes, and
beside one UPDATE of as many rows inside PostgreSQL."""
import time

import data
import peers
from harness import Result, copied, median, number, ratios, spread

DISTINCT = "UPDATE ohlcv_data SET close = close + 1, volume = volume + 1 WHERE id % {step} = {turn}"


def run(bench):
    rows, changes = bench.sizes["work"], bench.sizes["changes"]
    source, server = copied(data.prices(bench, rows), "backlog.db"), bench.server()
    server.fresh("bench")
    target = server.uri("bench")
    ours_run = [bench.lockstep, "run", source, target, "--until", "caught-up"]
    bench.measured(ours_run)
    native = peers.Replication(bench, data.prices(bench, rows), "native")
    result = Result(f"Catching up, price table of {rows:,} rows with three indexes", ["what", "changes", "lockstep rows/s", "native rows/s", "ratio"])
    kinds = ["bulk update", "single-row transactions", "mixed, single-row", "hot keys, single-row"]
    ours, theirs, alone = ({kind: [] for kind in kinds} for _ in range(3))
    done = {}
    for pair in bench.rounds():
        for kind in kinds:
            done[kind] = change(bench, kind, pair, rows, changes, source, native)
            if kind == "bulk update":  # begins where lockstep does: room in pages saves index entries
                server.fresh("full_pages", "bench")
            server.sql("postgres", "CHECKPOINT")
            ours[kind].append(done[kind] / bench.measured(ours_run).seconds)
            server.sql("postgres", "CHECKPOINT")
            theirs[kind].append(done[kind] / native.catch_up())
            if kind == "bulk update":
                bench.compare(source, server, "bench")
                alone[kind].append(one_update(server, rows, changes, pair))
        bench.compare(source, server, "bench")
        native.equal()
        bench.say("  ".join(f"{kind} {number(ours[kind][-1])}/{number(theirs[kind][-1])}" for kind in kinds))
    native.drop()
    for kind in kinds:
        result.add(kind, done[kind], spread(ours[kind]), spread(theirs[kind]), spread(ratios(ours[kind], theirs[kind])))
        result.pairs(f"Rows/s, {kind}", "rows/s", lockstep=ours[kind], **{"logical replication": theirs[kind]},
                     **({"one UPDATE in PostgreSQL": alone[kind]} if alone[kind] else {}))
    single, hot = "single-row transactions", "hot keys, single-row"
    result.values = {"bulk_ratio": median(ratios(ours["bulk update"], theirs["bulk update"])), "single_ratio": median(ratios(ours[single], theirs[single])), "single_rate": median(ours[single]),
                     "hot_share": median(ratios(ours[single], ours[hot])), "ours": ours, "native": theirs, "one_update": alone["bulk update"]}
    result.notes.append(f"lockstep's time is that of the whole process, start included. One UPDATE of as many rows inside PostgreSQL:"
                        f" {spread(alone['bulk update'])} rows/s; lockstep / it {spread(ratios(ours['bulk update'], alone['bulk update']))}."
                        " The hot keys are 1,000.")
    return result


def change(bench, kind, pair, rows, changes, source, native):
    """The same changes on both sides, while nobody follows; how many."""
    native.pause()
    if kind == "bulk update":
        step = max(1, rows // changes)
        script = DISTINCT.format(step=step, turn=pair % step)
        data.with_sql(source, script)
        native.publisher.sql(native.name, script)
        return len(range(pair % step or step, rows + 1, step))
    name = {"single-row transactions": "update", "mixed, single-row": "mixed", "hot keys, single-row": "hot"}[kind]
    for side, where in (("sqlite", source), ("postgres", native.publisher.conninfo(native.name) + " options='-c synchronous_commit=off'")):
        bench.write(side, where, kind=name, transactions=changes, seed=bench.seed + pair)
    return changes


def one_update(server, rows, changes, pair):
    """Rows/s in a copy of the target as it was before."""
    server.sql("postgres", "CHECKPOINT")
    step = max(1, rows // changes)
    start = time.monotonic()
    server.sql("full_pages", "SET lockstep.guard = off", DISTINCT.format(step=step, turn=pair % step))
    seconds = time.monotonic() - start
    server.sql("postgres", "DROP DATABASE full_pages")
    return rows // step / seconds
