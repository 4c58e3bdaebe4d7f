"""Case 9: instructions per row of copy, following and verifying, counted by callgrind: a guard that no noise hides. The counts are
those of the whole process at two sizes, one subtracted from the other; instructions.json has what they should be."""
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import data
from harness import Failed, Result, copied, number

EXPECTED = Path(__file__).with_name("instructions.json")
SMALL, LARGE = 1_000, 7_000  # rows; each is changed for "follow"


def run(bench):
    result = Result("Instructions per row", ["path", "counted", "expected", "off by"])
    if not shutil.which("valgrind"):
        raise Failed("valgrind is not installed")
    build = bench.build.name
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    counted = per_row(bench)
    if grown(counted, expected, build):  # who waits on a busy machine looks more often: that only adds
        counted = {path: min(count, again) for (path, count), again in zip(counted.items(), per_row(bench).values())}
    if bench.accept_counts:
        expected["counts"][build] = counted
        EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    off = {}
    for path, count in counted.items():
        known = expected["counts"].get(build, {}).get(path)
        off[path] = 100 * (count / known - 1) if known else None
        result.add(path, count, known, f"{off[path]:+.1f} %" if known else "-")
    result.values = {"counts": counted, "worst_percent": max((one for one in off.values() if one is not None), default=None),
                     "why_not": {"worst_percent": f"no counts are known of a build called {build}"}}
    result.notes.append(f"Limit {expected['tolerance_percent']} % above; new counts go into bench/instructions.json, with the reason in the commit.")
    if too_many := grown(counted, expected, build):
        raise Failed("more instructions per row than bench/instructions.json allows: "
                     + ", ".join(f"{path} {number(counted[path])} ({off[path]:+.1f} %)" for path in too_many))
    return result


def grown(counted, expected, build):
    """The paths that take more than they may."""
    known = expected["counts"].get(build, {})
    return [path for path, count in counted.items() if path in known and count > known[path] * (1 + expected["tolerance_percent"] / 100)]


def per_row(bench):
    """Instructions per copied, changed and compared row; both sizes side by side, for it is not time that counts."""
    bench.server()
    for rows in (SMALL, LARGE):
        data.prices(bench, rows, ticks=False)
    with ThreadPoolExecutor() as both:
        small, large = both.map(lambda rows: total(bench, rows), (SMALL, LARGE))
    names = ("copy", "follow", "verify")
    return {path: round((large[path] - small[path]) / (LARGE - SMALL)) for path in names}


def total(bench, rows):
    """Instructions of whole processes."""
    server, name = bench.server(), f"counted{rows}"
    source, target = copied(data.prices(bench, rows, ticks=False), f"{name}.db"), server.uri(name)
    server.fresh(name)
    run_words = ["run", source, target, "--until", "caught-up", "--quiet"]
    found = {"copy": instructions(bench, name, *run_words)}
    data.with_sql(source, "UPDATE ohlcv_data SET close = close + 1, volume = volume + 1 WHERE id > 0")
    found["follow"] = instructions(bench, name, *run_words)
    found["verify"] = instructions(bench, name, "verify", source, target)
    bench.compare(source, server, name)
    return found


def instructions(bench, name, *words):
    out = bench.work / f"callgrind-{name}"
    bench.measured(["valgrind", "--tool=callgrind", "--fair-sched=yes", f"--callgrind-out-file={out}", bench.lockstep, *words])
    found = re.search(r"^(?:summary|totals): (\d+)", out.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise Failed("callgrind says no total")
    return int(found[1])
