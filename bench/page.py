"""One HTML page with everything in it: goals, tables, plots as SVG. Nothing from elsewhere."""
import html
import math

from harness import median, number

COLOURS = ["#2563eb", "#93c5fd", "#d97706", "#6b7280", "#059669", "#9333ea", "#dc2626", "#0891b2"]
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#111;background:#fff}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
td+td{font-variant-numeric:tabular-nums}.met{color:#047857}.not{color:#b91c1c;font-weight:600}.none{color:#6b7280}svg{max-width:100%}"""


def text(x, y, what, anchor="start", size=12):
    return f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="#111">{html.escape(str(what))}</text>'


def bars(plot):
    """The median of each contender as a bar, its rounds as dots."""
    series = {name: values for name, values in plot["series"].items() if values}
    width, left, row = 720, 230, 26
    top = max(max(values) for values in series.values()) or 1
    parts = []
    for place, (name, values) in enumerate(series.items()):
        y, middle = 6 + place * row, median(values)
        length = (width - left - 90) * middle / top
        parts.append(text(left - 8, y + 15, name, "end"))
        parts.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="18" fill="{COLOURS[place % len(COLOURS)]}" opacity=".8"/>')
        parts += [f'<circle cx="{left + (width - left - 90) * one / top:.1f}" cy="{y + 9}" r="2.5" fill="#111"/>' for one in values]
        parts.append(text(left + (width - left - 90) * max(values) / top + 8, y + 14, f"{number(middle)} {plot['unit']}"))
    return svg(width, 12 + row * len(series), parts)


def lines(plot):
    """Points over sizes, both axes logarithmic."""
    series = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in plot["series"].items()}
    points = [point for one in series.values() for point in one]
    if not points:
        return ""
    width, height, left, bottom = 720, 300, 70, 40
    logs = [[math.log10(point[axis]) for point in points] for axis in (0, 1)]
    low = [math.floor(min(one)) for one in logs]
    high = [max(math.ceil(max(one)), low[axis] + 1) for axis, one in enumerate(logs)]

    def at(x, y):
        return (left + (math.log10(x) - low[0]) / (high[0] - low[0]) * (width - left - 190),
                height - bottom - (math.log10(y) - low[1]) / (high[1] - low[1]) * (height - bottom - 20))
    parts = []
    for power in range(low[0], high[0] + 1):
        x, y = at(10**power, 10**low[1])
        parts.append(text(x, y + 16, number(10.0**power), "middle", 11))
    for power in range(low[1], high[1] + 1):
        x, y = at(10**low[0], 10**power)
        parts.append(f'<line x1="{x:.0f}" x2="{width - 190}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>' + text(x - 6, y + 4, number(10.0**power), "end", 11))
    for place, (name, one) in enumerate(series.items()):
        colour = COLOURS[place % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in one))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (at(*point) for point in one)]
        parts.append(f'<rect x="{width - 178}" y="{14 + place * 20}" width="10" height="10" fill="{colour}"/>' + text(width - 162, 23 + place * 20, name))
    parts.append(text((width - 190 + left) / 2, height - 4, plot["x"], "middle") + text(4, 12, plot["y"]))
    return svg(width, height, parts)


def histogram(plot):
    """How often, in classes that double."""
    series = {name: values for name, values in plot["series"].items() if values}
    if not series:
        return ""
    width, height, bottom = 720, 220, 36
    powers = [math.floor(math.log2(max(one, 0.125))) for values in series.values() for one in values]
    classes = list(range(min(powers), max(powers) + 1))
    counts = {name: [sum(1 for one in values if math.floor(math.log2(max(one, 0.125))) == low) for low in classes] for name, values in series.items()}
    top = max(max(one) for one in counts.values())
    step = (width - 200) / len(classes)
    parts = []
    for place, (name, one) in enumerate(counts.items()):
        colour, share = COLOURS[2 * place % len(COLOURS)], step * 0.8 / len(counts)
        for i, count in enumerate(one):
            tall = (height - bottom - 24) * count / top
            x = 20 + i * step + place * share
            parts.append(f'<rect x="{x:.1f}" y="{height - bottom - tall:.1f}" width="{share:.1f}" height="{tall:.1f}" fill="{colour}"/>')
            parts.append(text(x + share / 2, height - bottom - tall - 3, count, "middle", 10) if count else "")
        parts.append(f'<rect x="{width - 170}" y="{14 + place * 20}" width="10" height="10" fill="{colour}"/>' + text(width - 154, 23 + place * 20, name))
    for i, low in enumerate(classes):
        parts.append(text(20 + (i + 0.4) * step, height - bottom + 16, f"{number(2.0**low)}-{number(2.0 ** (low + 1))}", "middle", 11))
    parts.append(text(20, height - 4, plot["unit"]))
    return svg(width, height, parts)


def svg(width, height, parts):
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">{"".join(parts)}</svg>'


PLOTS = {"bars": bars, "lines": lines, "histogram": histogram}


def table(columns, rows):
    head = "".join(f"<th>{html.escape(one)}</th>" for one in columns)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def page(about, goals, results, failures):
    colour = {"met": "met", "not met": "not", "not run here": "none"}
    rows = "".join(f"<tr><td>{one['case']}</td><td>{html.escape(one['goal'])}</td><td>{html.escape(one['value'])}</td>"
                   f"<td class=\"{colour[one['verdict']]}\">{one['verdict']}{html.escape(': ' + one['why'] if one['why'] else '')}</td></tr>" for one in goals)
    parts = ["<!doctype html><html lang=en><meta charset=utf-8><title>lockstep: bench</title>", f"<style>{STYLE}</style>", "<h1>lockstep: bench</h1>",
             table(["", ""], [[key, str(value)] for key, value in about.items()]),
             f"<h2>Goals</h2><table><tr><th>case</th><th>goal</th><th>measured</th><th></th></tr>{rows}</table>"]
    for name, result in results.items():
        parts.append(f"<h2>{html.escape(name)}: {html.escape(result.title)}</h2>" + table(result.columns, result.rows))
        parts += [f"<p>{html.escape(note)}</p>" for note in result.notes]
        parts += [f"<h3>{html.escape(plot['title'])}</h3>{PLOTS[plot['kind']](plot)}" for plot in result.plots]
    parts += [f"<h2 class=not>{html.escape(name)} failed</h2><pre>{html.escape(why)}</pre>" for name, why in failures.items()]
    return "\n".join(parts) + "</html>\n"
