"""What runs in front of people until it is done: `tailrace up`, and the demo with its live view."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from math import exp, log
from pathlib import Path
from shutil import which
from threading import Event
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.app import demo as traffic
from pipeline.app.alerts import standing
from pipeline.app.boards import viewer
from pipeline.app.compose import stop_on_signal
from pipeline.app.show import duration, table
from pipeline.app.status import folded_lag, lag_of, look
from pipeline.app.up import Running, pipeline
from pipeline.connectors.clock import steady
from pipeline.connectors.local_setup import Say
from pipeline.errors import EngineError, SettingsError
from pipeline.operators.alerts.wording import MOST_ODDS
from pipeline.operators.estimates import Estimate
from pipeline.operators.traffic import RELEASES
from pipeline.settings import SECOND, Settings

_PATH_LINE = f'export PATH="{Path(sys.executable).parent}:$PATH"'
"""What makes the printed commands work in a shell that does not know us."""

LOOKS = {
    "tailrace boards": "all of it in a browser, on the Grafana boards",
    "tailrace alerts": "which promises are broken",
    "TAILRACE_WATCH_HOUR=5 tailrace check demo": "every promise and slice, held against what is stored",
    "TAILRACE_WATCH_HOUR=5 tailrace report --route search": "one page to hand around",
}
"""What there is to see when the demo is over, besides the numbers of its queries."""

WAIT_FOR_LAST = 60.0
"""Seconds the demo waits after its traffic while nothing more becomes visible: a slow machine takes longer, and gets there."""

LATENESS = float(Settings.model_fields["allowed_lateness"].default)
"""Seconds more: where other settings were used in this folder before, time moves on that much later after a pause."""


def keep_up(settings: Settings, say: Say) -> None:
    """Run everything until SIGINT or SIGTERM."""
    stop = stop_on_signal()
    with pipeline(settings, "up", say) as running, ExitStack() as beside:
        say(f"\nKafka        {running.settings.kafka_bootstrap}, topic {running.settings.topic('otlp_spans')}")
        say("ClickHouse   tailrace query 'SELECT * FROM performance LIMIT 5'")
        say("             tailrace status")
        say(f"boards       {_boards(running.settings, beside)}")
        if which("tailrace") is None:
            say(f"             first: {_PATH_LINE}")
        say(f"logs         {settings.local_dir / 'logs'}\nrunning; Ctrl-C stops")
        while not stop.wait(1.0):
            running.fleet.tend()
        say("stopping")


def _boards(settings: Settings, beside: ExitStack) -> str:
    """Where the boards are shown from now on, or why they are not."""
    try:
        return beside.enter_context(viewer(settings))
    except SettingsError as error:
        return str(error)


def demo(settings: Settings, seconds: float, live: Console, out: Console, say: Say) -> None:
    """Run everything with made-up traffic for `seconds`, then show what came of it."""
    stop = stop_on_signal()
    with pipeline(settings, "demo", say, traffic.SOON) as running:
        traffic.promise(running.settings)
        generator = traffic.Generator(running.settings, seconds)
        say(f"sending {traffic.TRACES_PER_SECOND} traces a second, 200 model calls in them, for {seconds:.0f} s\n")
        freshness = _watch(running, generator, seconds, live, stop, say)
        if stop.is_set():
            raise KeyboardInterrupt
        _results(running, generator, freshness, out)
    out.print("Everything is stopped; the data is kept. To look around:\n", highlight=False)
    if which("tailrace") is None:
        out.print(f"  {_PATH_LINE}", highlight=False, soft_wrap=True)
    out.print("  tailrace local up")
    for command, what in LOOKS.items():
        out.print(f"  {command:<50}[dim]# {what}[/]", highlight=False, soft_wrap=True)
    for what, sql in traffic.QUERIES.items():
        out.print(f'  [dim]# {what}[/]\n  tailrace query "{sql}"', highlight=False, soft_wrap=True)
    out.print("  tailrace local down")


def _watch(
    running: Running, generator: traffic.Generator, seconds: float, live: Console, stop: Event, say: Say
) -> traffic.Freshness:
    """Follow the traffic until all of it is visible. Raises EngineError once nothing more becomes visible."""
    freshness = traffic.Freshness(generator.sent)
    begin = moved = steady()
    before, told = 0, False
    generator.start()
    with _screen(live) as draw:
        while not stop.wait(1.0):
            running.fleet.tend()
            visible = traffic.visible_calls(running.settings, generator.since_s)
            at = steady()
            if visible != before or generator.is_alive():
                before, moved = visible, at
            freshness.saw(visible, at)
            draw(_progress(running, generator, freshness, visible, at - begin, seconds))
            whole = not generator.is_alive() and visible >= generator.sent.calls
            stuck = at - moved > WAIT_FOR_LAST
            if whole and (stuck or _is_told(running, generator)):
                break
            if stuck and not told:
                told = True
                say(f"the last calls wait: after a pause under other settings time stands still for up to {LATENESS:.0f} s")
            if at - moved > WAIT_FOR_LAST + LATENESS:
                raise EngineError(
                    f"{generator.sent.calls - visible:,} calls never became visible; see {running.settings.local_dir}/logs"
                )
    generator.stop.set()
    generator.join(10)
    return freshness


def _is_told(running: Running, generator: traffic.Generator) -> bool:
    """Whether all windows and traces are over, those of the sample judged, and watch has seen all of it."""
    settings, since_s, sent = running.settings, generator.since_s, generator.sent
    if traffic.open_panes(settings, since_s) or traffic.traces_over(settings, since_s) < sent.traces:
        return False
    return traffic.traces_judged(settings, since_s) >= sent.sampled and not any(x.lag for x in folded_lag(settings, "watch"))


def _progress(
    running: Running, generator: traffic.Generator, freshness: traffic.Freshness, visible: int, at: float, seconds: float
) -> list[list[str]]:
    """The live view: name and value per line."""
    lags = {stage: lag_of(running.settings, stage) for stage in ("decode", "sink")}
    phase = RELEASES[0] if at < 0.45 * seconds else f"{RELEASES[1]} rolling out"
    return [
        ["time", f"{min(at, seconds):.0f} of {seconds:.0f} s   ({phase})"],
        ["sent", f"{generator.sent.calls:,} calls, {generator.sent.spans:,} spans"],
        ["in panes", f"{visible:,} calls"],
        ["lag", "   ".join(f"{stage} {'?' if n is None else f'{n:,}'}" for stage, n in lags.items())],
        ["age when visible", "   ".join(f"p{q} {duration(freshness.quantile(q / 100) * 1e9)}" for q in (50, 95))],
    ]


@contextmanager
def _screen(console: Console) -> Iterator[Any]:
    """Draws in place on a terminal, a line every ten seconds elsewhere."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as screen:
            yield lambda rows: screen.update(table(["", ""], rows), refresh=True)
        return
    calls = count()

    def line(rows: list[list[str]]) -> None:
        if next(calls) % 10 == 0:
            console.print(" | ".join(f"{name} {value}" for name, value in rows), highlight=False, soft_wrap=True)

    yield line


def _results(running: Running, generator: traffic.Generator, freshness: traffic.Freshness, out: Console) -> None:
    """The table of the vector per route, model and cohort, with the releases side by side."""
    old, new = RELEASES
    drawn = Table(title="performance by route, model and cohort", header_style="bold", title_justify="left")
    for name in ("route", "model", "cohort"):
        drawn.add_column(name)
    for name in ("n", "p50", "p95", "p99", "TTFT p95", "errors", "in", "out", "cost", f"p99 {old}", f"p99 {new}", "change"):
        drawn.add_column(name, justify="right")
    for row in traffic.performance_table(running.settings, generator.since_s, RELEASES):
        before, after = row["p99_old"], row["p99_new"]
        change = after / before - 1 if before and after and row["n_new"] >= 30 else None
        shown = "" if change is None else f"{change:+z.0%}"
        tokens = (f"{int(row[name]) / 1e3:,.0f}k" for name in ("input_tokens", "output_tokens"))
        drawn.add_row(
            *(Text(row[name]) for name in ("route", "model", "cohort")),
            f"{int(row['n']):,}",
            *(duration(q) for q in (*row["latency"], row["ttft_p95"])),
            f"{row['error_ratio']:.1%}",
            *tokens,
            f"${row['cost_usd']:.2f}",
            *(duration(q) for q in (before, after)),
            Text(shown, "bold red" if (change or 0) > 0.4 else ""),
        )
    out.print(drawn, "", _traces(running, generator), "", _quality(running, generator), "", _alerts(running, generator), sep="\n")
    out.print(
        f"\n{generator.sent.calls:,} calls sent, {freshness.visible:,} counted. "
        f"95 % were in a visible pane within {freshness.quantile(0.95):.1f} s, half within {freshness.quantile(0.5):.1f} s.",
        highlight=False,
    )
    seen = look(running.settings)
    out.print(
        f"dead letters: {sum(seen.dead_letters.values())}; too late: {seen.not_counted.get('too_late', 0)}\n", highlight=False
    )


def _traces(running: Running, generator: traffic.Generator) -> Table:
    """What a trace costs, by route."""
    drawn = Table(title="dollars per trace, by route", header_style="bold", title_justify="left")
    drawn.add_column("route")
    for name in ("traces", "calls per trace", "mean", "p50", "p95", "latency p95", "cost unknown", "incomplete"):
        drawn.add_column(name, justify="right")
    over = 0
    for row in traffic.trace_table(running.settings, generator.since_s):
        over += int(row["traces"])
        drawn.add_row(
            Text(row["route"]),
            f"{int(row['traces']):,}",
            f"{row['calls_mean']:.2f}",
            *(f"${row[name]:.5f}" for name in ("mean", "p50", "p95")),
            duration(row["latency_p95_ns"]),
            f"{row['unknown']:.1%}",
            f"{int(row['incomplete']):,}",
        )
    drawn.caption = f"{over:,} of {generator.sent.traces:,} traces are over"
    return drawn


def _quality(running: Running, generator: traffic.Generator) -> Table:
    """How good the answers were, by route, evaluator and cohort, the releases side by side."""
    drawn = Table(
        title="quality by route and cohort, of a sample, with 95 % intervals", header_style="bold", title_justify="left"
    )
    old, new = RELEASES
    for name in ("route", "evaluator", "cohort"):
        drawn.add_column(name)
    for name in ("n", "mean", "fails", f"mean {old}", f"mean {new}", "change"):
        drawn.add_column(name, justify="right")
    for row in traffic.quality_table(running.settings, generator.since_s):
        before, after = (row.by_release.get(release) for release in RELEASES)
        apart = before is not None and after is not None and after.high < before.low
        drawn.add_row(
            *(Text(text) for text in (row.route, row.evaluator, row.cohort)),
            f"{row.all_of.effective:,.0f}",
            _estimate(row.all_of),
            "" if row.fails is None else _estimate(row.fails),
            *("" if one is None else _estimate(one) for one in (before, after)),
            Text("" if before is None or after is None else f"{after.mean - before.mean:+z.2f}", "bold red" if apart else ""),
        )
    judged = traffic.traces_judged(running.settings, generator.since_s)
    drawn.caption = f"{judged:,} of {generator.sent.sampled:,} sampled traces are judged; 1 is best; n: effective scores"
    return drawn


def _alerts(running: Running, generator: traffic.Generator) -> Table | str:
    """What watch alerted of, with its evidence."""
    begin_ns = generator.since_s * SECOND
    told = [
        one for one in standing(running.settings, True) if one["contract"] in traffic.CONTRACTS and one["fired_ns"] >= begin_ns
    ]
    if not told:
        return "no promise is broken beyond doubt"
    drawn = Table(title="broken promises", header_style="bold", title_justify="left")
    for name in ("", "what"):
        drawn.add_column(name)
    drawn.add_column("evidence", justify="right", no_wrap=True)
    for one in told:
        evidence = "" if one["log_e_value"] is None else f"{_odds(one['log_e_value'])}, needed {_odds(one['needed'])}"
        drawn.add_row(Text(one["state"], "bold red" if one["state"] == "firing" else ""), Text(one["text"]), evidence)
    drawn.caption = "odds that it is no chance, over all promises of the route; what evidence takes for an hour lasts 5 s here"
    return drawn


def _odds(log_e: float) -> str:
    """Evidence as odds against chance."""
    return f"{exp(log_e):,.0f} : 1" if log_e < log(MOST_ODDS) else f"> {MOST_ODDS:,} : 1"


def _estimate(one: Estimate) -> str:
    return f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]"
