"""What people see: tables in the units people read. Light: every command loads it."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pipeline.model.printable import LINES, printable

if TYPE_CHECKING:
    from pipeline.app.status import Status
    from pipeline.operators.decode.explain import SpanStory

PERFORMANCE = {
    "window_start": "window", "route": "route", "model": "model", "cohort": "cohort", "requests": "n", "errors": "err",
    "latency_p50_ns": "p50", "latency_p99_ns": "p99", "ttft_p95_ns": "TTFT", "input_tokens": "in", "output_tokens": "out",
    "cost_nusd": "cost",
}  # fmt: skip
"""Columns of the `performance` view that a terminal has room for, with their short names."""

WIDEST = 100_000
"""Characters: wider than any terminal, to ask how wide a table would like to be."""


def table(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Rows as they are; numbers to the right."""
    drawn = Table(header_style="bold", box=None, pad_edge=False)
    for i, name in enumerate(names):
        numeric = any(isinstance(row[i], int | float) and not isinstance(row[i], bool) for row in rows)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text("" if cell is None else printable(str(cell), LINES)) for cell in row))
    return drawn


def answer(names: Sequence[str], rows: Sequence[Sequence[Any]], out: Console) -> None:
    """Rows as a table; where that is wider than `out`, one value a line: forty columns folded into 180 characters say nothing."""
    drawn = table(names, rows)
    if not rows or _fits(drawn, out):
        out.print(drawn)
        return
    for number, row in enumerate(rows, 1):
        cells = ["" if cell is None else str(cell) for cell in row]
        out.print(table([f"row {number}", ""], list(zip(names, cells, strict=True))))


def under_headings(names: Sequence[str], rows: Sequence[Sequence[str]], heading: Sequence[int], out: Console) -> None:
    """Rows as a table; where that is wider than `out`, under a heading of the cells they share, each with its last cell below it.

    heading: places of the cells a heading is made of.
    """
    drawn = table(names, rows)
    if not rows or _fits(drawn, out):
        out.print(drawn)
        return
    kept = [i for i in range(len(names) - 1) if i not in heading]
    widths = [max(cell_len(printable(row[i])) for row in (names, *rows)) for i in kept]
    groups: dict[str, list[Sequence[str]]] = {}
    for row in rows:
        groups.setdefault(", ".join(printable(row[i]) for i in heading), []).append(row)
    _line(names, kept, widths, out)
    for shared, those in groups.items():
        out.print(Text(f"\n{shared}", "bold"), soft_wrap=True)
        for row in those:
            _line(row, kept, widths, out)
            if row[-1]:
                out.print(Padding(Text(printable(row[-1]), "dim"), (0, 0, 0, 6), expand=False))


def _line(row: Sequence[str], kept: Sequence[int], widths: Sequence[int], out: Console) -> None:
    cells = [set_cell_size(printable(row[i]), width) for i, width in zip(kept, widths, strict=True)]
    out.print(Text("  " + "  ".join(cells).rstrip()), soft_wrap=True)


def _fits(drawn: Table, out: Console) -> bool:
    return Measurement.get(out, out.options.update_width(WIDEST), drawn).maximum <= out.width


def calibration(told: Mapping[str, Any], out: Console) -> None:
    """What `tailrace judge calibrate` found."""
    compared, statuses = told["compared"], ", ".join(f"{name} {count}" for name, count in told["statuses"].items())
    rows = [
        ["lines", f"{told['lines']:,}", statuses],
        ["compared", f"{compared:,}", "both have a value"],
        ["accuracy", _share(told["accuracy"]), f"on {told['on']}"],
        ["kappa", _share(told["kappa"]), "agreement beyond chance"],
        ["mean of people", _share(told["people_mean"]), ""],
        ["mean of the evaluator", _share(told["evaluator_mean"]), f"bias {_share(told['bias'])}"],
        ["AUROC", _share(told["auroc"]), "how its values rank what people passed"],
    ]
    if told["judge_tokens"]:
        cost = "no price" if told["cost_nusd"] is None else f"{told['cost_nusd'] / 1e9:.4f} USD"
        rows.append(["tokens", f"{told['judge_tokens']:,}", cost])
    if found := told["corrected"]:
        rows.append(["mean corrected", _share(found["mean"]), f"95 %: {found['low']:.3f} to {found['high']:.3f}"])
        rows.append(
            ["by people alone", _share(found["people_mean"]), f"95 %: {found['people_low']:.3f} to {found['people_high']:.3f}"]
        )
        rows.append(["weight of the evaluator", _share(found["weight"]), "0: it tells nothing; 1: all that people do not"])
    out.print(table([told["evaluator"], "", told["version"]], rows))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def performance(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """The `performance` view in human units."""
    chosen = [names.index(name) for name in PERFORMANCE]
    return table(list(PERFORMANCE.values()), [[human(names[i], row[i]) for i in chosen] for row in rows])


def human(name: str, value: Any) -> Any:
    """A value with the unit its column's name says."""
    if value is None:
        return None
    if name.endswith("_ns"):
        return duration(value)
    if name == "cost_nusd":
        return f"${int(value) / 1e9:.4f}"
    return value


def duration(ns: float | None) -> str:
    """Nanoseconds in the unit people read."""
    if ns is None or math.isnan(ns):
        return "–"
    for size, unit in ((60e9, "min"), (1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(ns) >= size:
            return f"{ns / size:.2f} {unit}" if ns < 10 * size else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def status(seen: "Status", out: Console) -> None:
    """`tailrace status` as tables."""
    rows = [
        [stage, part.topic, part.partition, 0 if part.committed is None else part.committed, part.end, part.lag]
        for stage, parts in seen.lag.items()
        for part in parts
    ]
    if seen.members:
        out.print(table(["stage", "processes"], [[stage, n] for stage, n in seen.members.items()]))
        out.print()
    if rows:
        out.print(table(["stage", "topic", "partition", "done", "end", "lag"], rows))
    if seen.partitions:
        out.print()
        names = ["partition of spans", "watermark behind", "open windows", "series", "in __other__", "held", "reported"]
        out.print(
            table(
                names,
                [
                    [
                        p["source"],
                        "nothing seen" if p["delay_ns"] is None else duration(p["delay_ns"]),
                        *(f"{p[name]:.0f}" for name in ("open_windows", "series", "overflow", "held_offsets")),
                        f"{p['reported_s_ago']:.0f} s ago",
                    ]
                    for p in seen.partitions
                ],
            )
        )
        if unending := sum(p["unending"] + p["unending_held"] for p in seen.partitions):
            held = sum(p["unending_held"] for p in seen.partitions)
            beyond = f"; {held:.0f} of them hold the committed offset" if held else ""
            out.print(f"\ntraces that are over and never fall silent: {unending:.0f}{beyond}", highlight=False)
    if seen.span_rows is not None:
        newest = "none in the last hour" if seen.freshness_ns is None else f"the newest ended {duration(seen.freshness_ns)} ago"
        counted = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in seen.not_counted.items())
        dead = ", ".join(f"{reason} {n:,}" for reason, n in seen.dead_letters.items()) or "none"
        out.print(f"\nrows of spans {seen.span_rows:,}; {newest}", highlight=False)
        out.print(f"in the last hour: not counted: {counted}; dead letters: {dead}", highlight=False)
        values = ", ".join(f"{row['column']} {row['values']:,}" for row in seen.series_values)
        out.print(f"in the last hour: values of the series: {values}", highlight=False)
        for row in filter(lambda row: row["like_ids"], seen.series_values):
            told = f"{row['column']} looks like ids: {row['values']:,} values of the shapes {', '.join(row['examples'])}"
            out.print(f"in the last hour: {told}; each is a series of its own", highlight=False, markup=False)
        if seen.late_for_trace:
            cost = f"their calls cost ${seen.outside_nusd / 1e9:,.4f}, which is in no trace"
            out.print(
                f"in the last hour: spans that came when their trace was over: {seen.late_for_trace:,}; {cost}", highlight=False
            )
        if seen.contradictions:
            out.print(f"in the last hour: calls whose tokens do not add up: {seen.contradictions:,}", highlight=False)
        for attributes, spans in seen.not_understood.items():
            told = f"in the last hour: {spans:,} spans look like calls in words nobody knows; their attributes: {attributes}"
            out.print(told, highlight=False, markup=False)


REPRICED = {
    "provider": "provider", "model": "model", "calls": "calls", "changed": "changed", "before_nusd": "cost before",
    "after_nusd": "cost after", "unpriced_before": "unpriced before", "unpriced_after": "unpriced after",
}  # fmt: skip
MOST_LEFT_ALONE = 20


def repriced(told: Mapping[str, Any], out: Console) -> None:
    """`tailrace reprice`, as its JSON says it, as tables."""
    rows = [[f"${row[k] / 1e9:,.6f}" if k.endswith("_nusd") else row[k] for k in REPRICED] for row in told["changes"]]
    out.print(table(list(REPRICED.values()), rows))
    would = "would be written" if told["dry_run"] else "written"
    counts = f"{told['spans']:,} spans, {told['panes']:,} panes and {told['roll_ups']:,} roll-ups whose panes have expired"
    out.print(f"{counts} {would}, {told['price_version']}", highlight=False)
    if told["left_alone"]:
        shown = told["left_alone"][:MOST_LEFT_ALONE]
        cells = [[row["hour"], *row["series"].values(), row["requests"], row["spans"], row["why"]] for row in shown]
        out.print(table(["left alone", *shown[0]["series"], "counted", "stored", "because"], cells))


def story(told: "SpanStory", out: Console) -> None:
    """`tailrace explain` of one span."""
    if told.dead:
        out.print(f"{told.name}: a dead letter, {told.dead}\n", highlight=False, markup=False, soft_wrap=True)
        return
    ids = f"trace {told.trace_id} span {told.span_id}"
    out.print(Text.assemble((told.name or "(no name)", "bold"), f"  {told.scope or 'no scope'}  {ids}"), soft_wrap=True)
    for title, text in (
        ("kind", told.why),
        ("status", told.status),
        ("usage", told.usage),
        ("cost", told.cost),
        *([("counted", told.counted)] if told.counted else []),
        *told.behaviour.items(),
    ):
        out.print(f"  {title:<6} {text}", highlight=False, markup=False, soft_wrap=True)
    rows = [
        [field.field if i == 0 else "", source.path, source.value, source.outcome]
        for field in told.fields
        for i, source in enumerate(field.sources)
    ]
    out.print(table(["field", "path", "value", "outcome"], rows))
    out.print()
