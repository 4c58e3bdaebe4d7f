"""The goals, and whether a run met them. A goal that was not measured says why; none is left out."""
from dataclasses import dataclass
from typing import Callable

from harness import number


@dataclass
class Goal:
    case: str
    what: str
    needs: tuple  # names of the case's values
    shown: Callable
    met: Callable


def ratio(case, what, name, least):
    return Goal(case, what, (name,), lambda v: number(v[name]), lambda v: v[name] >= least)


def most(case, what, name, limit, unit=""):
    return Goal(case, what, (name,), lambda v: f"{number(v[name])} {unit}".strip(), lambda v: v[name] <= limit)


GOALS = [
    ratio("migration", "price database: at least 5x pgloader with a census on record", "pgloader_ratio_record", 5),
    ratio("migration", "the same with the census: at least 4x", "pgloader_ratio", 4),
    ratio("migration", "copy + indexes: at least 0.75 of the \\copy + indexes limit", "limit_ratio", 0.75),
    Goal("migration", "peak RSS at most 64 MiB + 3x the largest row", ("rss_mib", "row_mib"),
         lambda v: f"{number(v['rss_mib'])} MiB", lambda v: v["rss_mib"] <= 64 + 3 * v["row_mib"]),
    Goal("migration", "the same for 10x the rows", ("rss_large_mib", "row_mib"),
         lambda v: f"{number(v['rss_large_mib'])} MiB", lambda v: v["rss_large_mib"] <= 64 + 3 * v["row_mib"]),
    most("writer", "the source's -wal at most 64 MiB, through copy and following", "wal_mib", 64, "MiB"),
    ratio("backlog", "bulk update: at least 4x native logical replication's rows/s", "bulk_ratio", 4),
    ratio("backlog", "single-row transactions: at least 2x", "single_ratio", 2),
    ratio("backlog", "single-row transactions: at least 80,000 rows/s, the start of the process included", "single_rate", 80_000),
    Goal("backlog", "hot keys: bounded by distinct keys (as many changes of few keys: at most 0.5 of the time of distinct ones)",
         ("hot_share",), lambda v: f"{v['hot_share']:.2f}", lambda v: v["hot_share"] <= 0.5),
    Goal("lag", "at 1,000 tx/s: p50 at most two syncs + 2 ms", ("lag_p50_ms", "sync_ms"),
         lambda v: f"{v['lag_p50_ms']:.2f} of {2 * v['sync_ms'] + 2:.2f} ms", lambda v: v["lag_p50_ms"] <= 2 * v["sync_ms"] + 2),
    most("lag", "at 1,000 tx/s: p99 at most 15 ms", "lag_p99_ms", 15, "ms"),
    most("lag", "idle: at most 0.5 % of a core", "idle_cpu_percent", 0.5, "%"),
    most("lag", "idle: 0 bytes written to the source", "idle_source_bytes", 0, "bytes"),
    ratio("lag", "sustained single-row transactions: what SQLite commits (NORMAL) with the pipeline on it (0.97 of it applied as fast)",
          "sustained_share", 0.97),
    ratio("writer", "with triggers, single-row transactions, NORMAL: at least 0.78 of bare", "single_normal", 0.78),
    ratio("writer", "the same, FULL: at least 0.97", "single_full", 0.97),
    ratio("writer", "the same, 1,000-row transactions, rows anywhere: at least 0.82", "bulk_normal", 0.82),
    ratio("writer", "the same, 1,000-row transactions, rows in a row: at least 0.82", "bulk_range", 0.82),
    ratio("writer", "JSON row images cost at least 1.8x ours in 1,000-row transactions (rows in a row)", "image_cost", 1.8),
    ratio("writer", "JSON row images: at least 5x in file growth", "image_growth", 5),
    most("writer", "the application's own commit: at most +25 us at p50", "commit_added_us", 25, "us"),
    most("writer", "stall p99.9 at most 10 ms through snapshot, verify and prune", "stall_p999_ms", 10, "ms"),
    most("writer", "our longest write-lock hold: p99 at most 2 ms", "hold_p99_ms", 2, "ms"),
    most("writer", "rollback journal (DELETE): added stall p99 at most 20 ms, and no error", "delete_added_p99_ms", 20, "ms"),
    ratio("verify", "at least 1,500,000 rows/s on the price table", "rows_per_second", 1_500_000),
    ratio("verify", "writer ratio at least 0.95 at the default rate", "writer_ratio", 0.95),
    most("cutover", "pause p50 at most 20 ms", "pause_p50_ms", 20, "ms"),
    most("cutover", "pause p99 at most 100 ms", "pause_p99_ms", 100, "ms"),
    Goal("cutover", "independent of database size (p50 at 10x at most 1.5x or 5 ms more)", ("pause_p50_ms", "pause_large_p50_ms"),
         lambda v: f"{number(v['pause_p50_ms'])} and {number(v['pause_large_p50_ms'])} ms",
         lambda v: v["pause_large_p50_ms"] <= max(1.5 * v["pause_p50_ms"], v["pause_p50_ms"] + 5)),
]


def judge(results, failures, asked, large_enough):
    """Per goal: what, case, shown, verdict (met, not met, not run here) and why it was not run."""
    judged = []
    for goal in GOALS:
        verdict, shown, why = "not run here", "-", ""
        values = results[goal.case].values if goal.case in results else {}
        if goal.case in failures:
            why = "the case failed: " + failures[goal.case].splitlines()[0]
        elif goal.case not in asked:
            why = "the case was not asked for"
        elif any(values.get(name) is None for name in goal.needs):
            why = values.get("why_not", {}).get(goal.needs[0], "not measured at these sizes")
        elif not large_enough:
            shown, why = goal.shown(values), "too small to judge"
        else:
            shown, verdict = goal.shown(values), "met" if goal.met(values) else "not met"
        judged.append({"case": goal.case, "goal": goal.what, "value": shown, "verdict": verdict, "why": why})
    return judged
