"""Case 6: proving both sides equal: rows/s, bytes, and what it costs the writer; beside everything printed into a hash."""
import subprocess
import time

import data
from harness import Failed, Result, copied, median, number, ratios, spread
from relay import Relay


def run(bench):
    # Shorter than this, chance is larger than what a pass costs.
    server, seconds = bench.server(), max(bench.sizes["seconds"], 8 if bench.sizes["judged"] else 0)
    source = copied(data.prices(bench, bench.sizes["prices"]), "verify.db")
    rows = data.rows_of(source)
    server.fresh("bench")
    target = server.uri("bench")
    quiet = bench.quiet()
    child = bench.follow(source, target, "--config", quiet)
    verify = [bench.lockstep, "verify", source, target]
    live, rest, printed = [], [], []
    for _ in range(bench.pairs):
        live.append(bench.measured(verify))
        printed.append(print_all(bench, source, server))
    bench.stop_child(child)
    for _ in range(bench.pairs):
        rest.append(bench.measured(verify))
    relay = Relay(bench.work / "relay", server.folder)
    bench.measured([bench.lockstep, "verify", source, f"postgresql://lockstep@/bench?host={relay.folder}"])
    relay.close()
    alone, beside = [], []
    for _ in bench.rounds():
        for series, verifying in ((alone, False), (beside, True)):
            child = bench.follow(source, target, "--config", quiet)
            passes = bench.start([*verify, "--continuous"]) if verifying else None
            if verifying:
                at_work(server, passes)
            said = bench.write("sqlite", source, seconds=seconds, kind="update")
            series.append(said["transactions"] / said["seconds"])
            if verifying:
                bench.stop_child(passes)
            bench.caught_up(source, child)
            bench.stop_child(child)
    bench.compare(source, server, "bench")
    result = Result(f"Proving {rows:,} rows equal", ["how", "seconds", "rows/s", "CPU s", "peak MiB"])
    for name, series in (("lockstep, while it follows", live), ("lockstep, at rest", rest)):
        result.add(name, spread([one.seconds for one in series]), spread([rows / one.seconds for one in series]), median([one.cpu for one in series]),
                   max(one.rss_mib for one in series))
    result.add("psql and sqlite3 into md5sum, at once", spread(printed), spread([rows / one for one in printed]), None, None)
    speed = median([rows / one.seconds for one in live])
    result.values = {"rows_per_second": speed, "rows_per_second_at_rest": median([rows / one.seconds for one in rest]), "writer_ratio": median(ratios(beside, alone)),
                     "printed": [rows / one for one in printed], "bytes_per_row": (relay.up + relay.down) / rows}
    result.notes.append(f"From and to PostgreSQL, at rest: {number((relay.up + relay.down) / 1e6)} MB, {number((relay.up + relay.down) / rows)} bytes a row"
                        f" ({number(relay.up / rows)} up). A writer as fast as it can, followed: {spread(alone)} transactions/s; with passes back to back at the"
                        f" default share of the time: {spread(beside)}; ratio {spread(ratios(beside, alone))}. CPU while it follows is that of the command; the"
                        " following lockstep does the work.")
    result.pairs("Rows/s", "rows/s", **{"while it follows": [rows / one.seconds for one in live], "at rest": [rows / one.seconds for one in rest],
                                        "everything into md5sum": [rows / one for one in printed]})
    result.pairs("The writer, transactions/s", "tx/s", **{"not verifying": alone, "verifying": beside})
    return result


def at_work(server, passes):
    """A range of a pass that began since is on record."""
    def compared():
        try:
            return server.sql("bench", "SELECT count(*), max(updated) FROM lockstep.verify_tables")
        except Failed:  # not made yet
            return ""
    before, limit = compared(), time.monotonic() + 90
    while compared() == before:
        if time.monotonic() > limit or passes.poll() is not None:
            raise Failed("no pass has begun")
        time.sleep(0.05)


def print_all(bench, source, server):
    """Seconds to print both sides into a hash, table by table, both sides at once."""
    start = time.monotonic()
    for table in ("ohlcv_data", "tickers"):
        ours = subprocess.Popen(["sh", "-c", 'sqlite3 "$0" "SELECT * FROM $1 ORDER BY rowid" | md5sum', str(source), table], stdout=subprocess.DEVNULL)
        subprocess.run(["sh", "-c", 'psql -qXAt -h "$0" -U lockstep bench -c "COPY (SELECT * FROM $1 ORDER BY 1) TO STDOUT" | md5sum', str(server.folder), table],
                       stdout=subprocess.DEVNULL, check=True)
        ours.wait()
    return time.monotonic() - start
