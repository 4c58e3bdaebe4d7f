"""Case 1: the whole migration of the price database, beside pgloader and beside what PostgreSQL alone takes for it."""
import json

import data
import peers
from harness import Failed, Result, copied, drop, median, number, ratios, spread


def run(bench):
    source = data.prices(bench, bench.sizes["prices"], ticks=False)
    rows, server = data.rows_of(source), bench.server()
    result = Result(f"Whole migration of {rows:,} rows: rows, keys, indexes, ANALYZE",
                    ["contender", "seconds", "rows/s", "MB/s", "CPU s", "server's CPU s", "peak MiB"])
    found = {"lockstep, census on record": [], "lockstep": [], "pgloader": [], "PostgreSQL alone": []}
    cpu = {name: [] for name in found}
    limit = None
    for _ in bench.rounds():
        for name, series in found.items():
            file = copied(source, "run.db")
            if name == "lockstep, census on record":
                take_census(bench, file, rows)
            server.fresh("bench")
            before = server.cpu()
            if name == "pgloader":
                series.append(peers.pgloader(bench, file, server, "bench"))
                if rows != count(server):
                    raise Failed("pgloader lost rows")
            elif name == "PostgreSQL alone":
                series.append(limit.run("bench"))
                if rows != count(server):
                    raise Failed("the limit's copy is not whole")
            else:
                series.append(bench.measured([bench.lockstep, "run", file, server.uri("bench"), "--until", "caught-up"]))
            cpu[name].append(server.cpu() - before)
            if name.startswith("lockstep"):
                bench.compare(file, server, "bench")
                limit = limit or peers.CopyLimit(bench, server, "bench")
            drop(file)
        bench.say("  ".join(f"{name} {series[-1].seconds:.2f} s" for name, series in found.items()))
    size = source.stat().st_size / 1e6
    for name, series in found.items():
        seconds = median([one.seconds for one in series])
        result.add(name, spread([one.seconds for one in series]), rows / seconds, size / seconds,
                   median([one.cpu for one in series]) or None, median(cpu[name]), max(one.rss_mib for one in series) or None)
    times = {name: [one.seconds for one in series] for name, series in found.items()}
    ours = times["lockstep, census on record"]
    result.values = {"pgloader_ratio": median(ratios(times["pgloader"], times["lockstep"])),
                     "pgloader_ratio_record": median(ratios(times["pgloader"], ours)),
                     "pgloader_to_limit": median(ratios(times["pgloader"], times["PostgreSQL alone"])),
                     "limit_ratio": median(ratios(times["PostgreSQL alone"], ours)),
                     "rss_mib": max(one.rss_mib for name in found if name.startswith("lockstep") for one in found[name]),
                     "row_mib": data.largest_row(source) / 2**20, "seconds": times}
    result.notes.append(f"pgloader / lockstep: {spread(ratios(times['pgloader'], times['lockstep']))}; with the census on record"
                        f" {spread(ratios(times['pgloader'], ours))}. PostgreSQL alone / lockstep with the census on record:"
                        f" {spread(ratios(times['PostgreSQL alone'], ours))}. pgloader / PostgreSQL alone:"
                        f" {spread(ratios(times['pgloader'], times['PostgreSQL alone']))}, which bounds what can be had of the first two. The largest row has {data.largest_row(source)} bytes.")
    result.pairs("Seconds of the whole migration", "s", **times)
    if bench.sizes["prices_large"]:
        large(bench, result)
    return result


def take_census(bench, file, rows):
    """Until it is on record: of a file written this very moment none is kept, and small tables have none."""
    for _ in range(5 if rows >= 100_000 else 1):
        said = json.loads(bench.measured([bench.lockstep, "assess", file, "--json"], expect=(0, 3)).out.splitlines()[-1])
        if said["known_rows"] == rows:
            return
    if rows >= 100_000:
        raise Failed("the census does not get on record")


def count(server):
    """Rows of all tables of the copy."""
    names = server.sql("bench", "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
                       " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'lockstep')").splitlines()
    return int(server.sql("bench", "SELECT " + " + ".join(f"(SELECT count(*) FROM {name})" for name in names)))


def large(bench, result):
    """Ten times the rows: time and memory; pgloader beside it in a full run."""
    source = data.prices(bench, bench.sizes["prices_large"], ticks=False)
    rows, server = data.rows_of(source), bench.server()
    server.fresh("bench")
    ours = bench.measured([bench.lockstep, "run", source, server.uri("bench"), "--until", "caught-up"])
    bench.compare(source, server, "bench")
    result.add(f"lockstep, {rows:,} rows", spread([ours.seconds]), rows / ours.seconds, source.stat().st_size / 1e6 / ours.seconds,
               ours.cpu, None, ours.rss_mib)
    result.values["rss_large_mib"] = ours.rss_mib
    if bench.sizes["large_peer"]:
        server.fresh("bench")
        theirs = peers.pgloader(bench, source, server, "bench")
        result.add(f"pgloader, {rows:,} rows", spread([theirs.seconds]), rows / theirs.seconds, None, theirs.cpu, None, theirs.rss_mib)
        result.notes.append(f"pgloader / lockstep at {rows:,} rows: {number(theirs.seconds / ours.seconds)}")
    server.sql("postgres", "DROP DATABASE bench")
    drop(source)
