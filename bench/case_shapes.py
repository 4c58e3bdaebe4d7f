"""Case 2: the copy of databases of other shapes, beside pgloader."""
import data
import peers
from case_migration import count
from harness import Failed, Result, copied, drop, median, number, ratios, spread

SHAPES = {"narrow integers": (data.narrow, 1_000_000), "wide text": (data.wide, 100_000), "1 MiB blobs": (data.blobs, 256),
          "composite text keys": (data.composite, 500_000), "small tables": (data.many_tables, 500)}


def run(bench):
    result = Result("Copy of other shapes, census included", ["shape", "rows", "MB", "lockstep s", "rows/s", "MB/s", "peak MiB", "pgloader s", "ratio"])
    server, why = bench.server(), []
    for shape, (make, most) in SHAPES.items():
        size = max(4, int(most * bench.sizes["shape"])) if shape != "small tables" else bench.sizes["tables"]
        source = make(bench.work / "shape.db", bench.seed, size)
        rows, largest = data.rows_of(source), data.largest_row(source) / 2**20
        ours, theirs = [], []
        for _ in range(min(bench.pairs, bench.sizes["shape_pairs"])):
            file = copied(source, "run.db")
            server.fresh("bench")
            ours.append(bench.measured([bench.lockstep, "run", file, server.uri("bench"), "--until", "caught-up"]))
            bench.compare(file, server, "bench")
            drop(file)
            server.fresh("bench")
            try:
                theirs.append(peers.pgloader(bench, source, server, "bench"))
                if count(server) != rows:
                    raise Failed("rows are missing")
            except Failed as failure:  # a peer that cannot do it is a result
                why.append(f"pgloader, {shape}: {str(failure).splitlines()[0][:160]}")
                theirs = []
                break
        seconds = [one.seconds for one in ours]
        megabytes = source.stat().st_size / 1e6
        result.add(shape, rows, megabytes, spread(seconds), rows / median(seconds), megabytes / median(seconds), max(one.rss_mib for one in ours),
                   spread([one.seconds for one in theirs]) if theirs else "-",
                   number(median(ratios([one.seconds for one in theirs], seconds))) if theirs else "-")
        result.values[shape] = {"seconds": seconds, "pgloader": [one.seconds for one in theirs], "rows": rows,
                                "rss_mib": max(one.rss_mib for one in ours), "largest_row_mib": largest}
        result.pairs(f"Seconds, {shape}", "s", lockstep=seconds, pgloader=[one.seconds for one in theirs])
        drop(source)
    result.notes += why
    return result
