"""The bench: runs its cases, one after the other, and says what they found. bench/run.sh starts it; bench/README.md explains it."""
import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
import time
import traceback
from pathlib import Path

import goals
import page
from harness import ROOT, Bench, Failed

CASES = ["migration", "shapes", "backlog", "lag", "writer", "verify", "cutover", "growth", "instructions"]
PRICES = 926_325
SIZES = {
    "tiny": {"judged": False, "budget": 0, "shape_pairs": 1, "pairs": 1, "prices": 3_000, "prices_large": 0, "large_peer": False, "shape": 0.01, "work": 2_000, "changes": 1_000,
             "seconds": 0.2, "idle": 0.5, "settle": 0.2, "switches": 2, "switch_rows": 1_000, "tables": 20, "growth": [1_000, 4_000]},
    "quick": {"judged": True, "budget": 45, "shape_pairs": 1, "pairs": 3, "prices": PRICES, "prices_large": 10 * PRICES, "large_peer": False, "shape": 0.3, "work": 200_000,
              "changes": 50_000, "seconds": 2, "idle": 20, "settle": 35, "switches": 15, "switch_rows": PRICES // 10, "tables": 100, "growth": [10_000, 100_000, 1_000_000]},
    "full": {"judged": True, "budget": 0, "shape_pairs": 5, "pairs": 5, "prices": PRICES, "prices_large": 10 * PRICES, "large_peer": True, "shape": 1, "work": PRICES,
             "changes": 1_000_000, "seconds": 10, "idle": 300, "settle": 35, "switches": 300, "switch_rows": PRICES, "tables": 500,
             "growth": [10_000, 100_000, 1_000_000, 10_000_000]},
}


def said(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return "-"


def about(bench, mode):
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
                if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]) / 2**20
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "mode": mode, "pairs": bench.pairs, "seed": bench.seed,
            "machine": f"{os.cpu_count()} x {cpu}, {memory:.0f} GiB", "load before": f"{os.getloadavg()[0]:.2f}",
            "system": next((line.split("=", 1)[1].strip('"') for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
                            if line.startswith("PRETTY_NAME")), "-") + ", Linux " + platform.release(),
            "lockstep": said(bench.lockstep, "--version") + " " + said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
            "postgres": said("postgres", "--version") if said("postgres", "--version") != "-" else said("pg_config", "--version"),
            "sqlite": said("sqlite3", "--version").split(" ")[0], "pgloader": said("pgloader", "--version")}


def markdown(facts, judged, results):
    lines = ["", ", ".join(f"{key} {value}" for key, value in facts.items()), "", "| case | goal | measured | |", "|---|---|---|---|"]
    lines += [f"| {one['case']} | {one['goal']} | {one['value']} | {one['verdict']}{': ' + one['why'] if one['why'] else ''} |" for one in judged]
    for name, result in results.items():
        lines += ["", f"### {name}: {result.title}", "", "| " + " | ".join(result.columns) + " |", "|" + "---|" * len(result.columns)]
        lines += ["| " + " | ".join(row) + " |" for row in result.rows]
        lines += [line for note in result.notes for line in ("", note)]
    return "\n".join(lines) + "\n"


def print_table(judged):
    print(f"\n{'case':<10} {'verdict':<13} {'measured':>18}  goal")
    for one in judged:
        print(f"{one['case']:<10} {one['verdict']:<13} {one['value']:>18}  {one['goal']}{'  [' + one['why'] + ']' if one['why'] else ''}")
    count = [sum(1 for one in judged if one["verdict"] == verdict) for verdict in ("met", "not met", "not run here")]
    print(f"\n{count[0]} met, {count[1]} not met, {count[2]} not run here")


def run_cases(bench, names):
    results, failures = {}, {}
    for name in names:
        print(f"== {name}", flush=True)
        start = time.monotonic()
        try:
            bench.cut = None
            results[name] = importlib.import_module(f"case_{name}").run(bench)
            if bench.cut:
                results[name].notes.append(f"{bench.cut} of {bench.pairs} rounds, for lack of time.")
            for row in [results[name].columns, *results[name].rows]:
                print("    " + " | ".join(f"{cell:>14}" for cell in row))
            for note in results[name].notes:
                bench.say(note)
        except Failed as why:
            failures[name] = str(why)
        except Exception:  # a mistake of a case does not take the others' results away
            failures[name] = traceback.format_exc()
        if name in failures:
            print(f"  FAILED: {failures[name]}", file=sys.stderr, flush=True)
        bench.say(f"{time.monotonic() - start:.0f} s")
        bench.end_children()
    return results, failures


def put_into_readme(text):
    path = ROOT / "bench/README.md"
    before, rest = path.read_text(encoding="utf-8").split("<!-- table -->\n", 1)
    after = rest.split("<!-- end of table -->", 1)[1]
    path.write_text(f"{before}<!-- table -->\n{text}\n<!-- end of table -->{after}", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(prog="bench/run.sh", description="lockstep beside its peers and the limit; bench/README.md")
    size = parser.add_mutually_exclusive_group()
    for name in SIZES:
        size.add_argument(f"--{name}", dest="mode", action="store_const", const=name)
    parser.set_defaults(mode="quick")
    parser.add_argument("--pairs", type=int, help="rounds of lockstep and its peers in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locale", default="C.UTF-8", help="of the servers: how long an index on text takes depends on it")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="another build folder; its counts are not the release's")
    parser.add_argument("--results", type=Path, default=ROOT / "bench/results")
    parser.add_argument("--readme", action="store_true", help="put the table into bench/README.md")
    parser.add_argument("--accept-counts", action="store_true", help="the instructions counted are the ones expected from now on")
    parser.add_argument("case", nargs="*", metavar="NAME", help=f"only these of: {' '.join(CASES)}")
    arguments = parser.parse_args()
    for name in arguments.case:
        if name not in CASES:
            parser.error(f"there is no case {name}; there are: {' '.join(CASES)}")
    sizes = SIZES[arguments.mode]
    bench = Bench(arguments.build.resolve(), sizes, arguments.pairs or sizes["pairs"], arguments.seed, arguments.locale, arguments.accept_counts)
    names, start = arguments.case or CASES, time.monotonic()
    facts = about(bench, arguments.mode)
    results, failures = run_cases(bench, names)
    facts["took"] = f"{time.monotonic() - start:.0f} s"
    judged = goals.judge(results, failures, names, sizes["judged"])
    print_table(judged)
    arguments.results.mkdir(parents=True, exist_ok=True)
    found = {"about": facts, "goals": judged, "failures": failures, "cases": {name: vars(result) for name, result in results.items()}}
    stem = arguments.results / f"{arguments.mode}-{facts['date'][:16].replace(' ', 'T').replace(':', '')}"
    stem.with_suffix(".json").write_text(json.dumps(found, indent=1, default=str), encoding="utf-8")
    stem.with_suffix(".html").write_text(page.page(facts, judged, results, failures), encoding="utf-8")
    if arguments.readme:
        put_into_readme(markdown(facts, judged, results))
    print(f"in {facts['took']}: {stem}.json and .html")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
