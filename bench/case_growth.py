"""Case 8: the same over databases of rising size: time and memory per row must stay flat."""
import math

import data
import case_lag
from harness import Result, copied, drop, number


def run(bench):
    result = Result("From small to large (price database)", ["rows", "copy s", "us/row", "peak MiB", "backlog of a tenth s", "us/change", "peak MiB", "verify s", "us/row", "peak MiB",
                                                               "lag p50 ms at 300 tx/s"])
    server, points = bench.server(), {"copy": [], "backlog": [], "verify": [], "lag": []}
    memory = {"copy": [], "backlog": [], "verify": []}
    for rows in bench.sizes["growth"]:
        source = copied(data.prices(bench, rows), "growth.db")
        server.fresh("bench")
        run_once = [bench.lockstep, "run", source, server.uri("bench"), "--until", "caught-up"]
        copy = bench.measured(run_once)
        data.with_sql(source, "UPDATE ohlcv_data SET close = close + 1, volume = volume + 1 WHERE id % 10 = 0")
        backlog = bench.measured(run_once)
        verify = bench.measured([bench.lockstep, "verify", source, server.uri("bench")])
        child = bench.follow(source, server.uri("bench"))
        lag = case_lag.once(bench, "sqlite", source, server.conninfo("bench"), bench.sizes["seconds"], {"rate": 300})["p50"]
        bench.caught_up(source, child)
        bench.stop_child(child)
        bench.compare(source, server, "bench")
        cells = [rows]
        for name, one, count in (("copy", copy, rows), ("backlog", backlog, rows // 10), ("verify", verify, rows)):
            points[name].append((rows, one.seconds))
            memory[name].append((rows, one.rss_mib))
            cells += [one.seconds, one.seconds / count * 1e6, one.rss_mib]
        points["lag"].append((rows, lag / 1000))
        result.add(*cells, lag)
        drop(source)
        if rows > bench.sizes["prices"]:
            drop(data.prices(bench, rows))
            drop(data.prices(bench, rows, ticks=False))
    slopes = {name: slope(one) for name, one in points.items()}
    marginal = {name: per_row(one) for name, one in points.items()}
    result.values = {"seconds": points, "rss_mib": memory, "slopes": slopes, "marginal_us": marginal}
    result.notes.append("Slope of log(time) against log(rows), from the second size on; 1 is flat per row, below 1 the start still counts: "
                        + ", ".join(f"{name} {number(one)}" for name, one in slopes.items())
                        + ". Between the last two sizes one more row costs, in us: " + ", ".join(f"{name} {number(one)}" for name, one in marginal.items() if name != "lag") + ".")
    result.lines("Seconds by rows", "rows", "s", **points)
    result.lines("Peak memory by rows", "rows", "MiB", **memory)
    return result


def slope(points):
    """Least squares on logarithms; from the second point on if three are there."""
    points = points[1:] if len(points) > 2 else points
    xs, ys = [math.log(x) for x, _ in points], [math.log(max(y, 1e-9)) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def per_row(points):
    (x0, y0), (x1, y1) = points[-2:]
    return (y1 - y0) / (x1 - x0) * 1e6
