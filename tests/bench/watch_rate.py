"""`python -m tests.bench.watch_rate`: what a minute of 10,000 slices and 20 objectives costs watch, in seconds of one core.

Of each slice 20 calls a minute in 20 bins of the ladder; half of the objectives are about shares, half about what the ladder
counts. Twenty comparisons with the release before: all quantiles and means of latency and of the first token, six of speed.
Reading is of the blocks as aggregate writes them.
The snapshot is of all that is known after the last minute; where something is left out, the next one knows how much fits.
"""

from collections.abc import Iterable
from dataclasses import replace
from time import process_time

import numpy as np

from pipeline.model.metrics import Family
from pipeline.operators.contracts.reading import read
from pipeline.operators.ladder import bins
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.frontiers import Frontiers
from pipeline.operators.watch.panes_read import Panes, read_panes
from pipeline.operators.watch.written import MOST_BYTES, Written, written
from tests.panes import MINUTE_NS, pane, panes

SLICES, OBJECTIVES, BLOCK_ROWS = 10_000, 20, 1_000
SUMS = (
    "error.ratio, at_most: 10%",
    "refusal.ratio, at_most: 10%",
    "citation.ratio, at_least: 50%",
    "schema_valid.ratio, at_least: 50%",
)
COUNTED = (
    "latency.mean, at_most: 2s",
    "cost_per_call.mean, at_most: $0.005",
    "latency.p95, at_most: 4s",
    "latency.p99, at_most: 8s",
    "ttft.p95, at_most: 900ms",
    "tokens_per_second.p50, at_least: 20",
)


HEAD = "name: many\nversion: 1\nowner: us\nenvironment: prod\nroutes: chat\nslices: [cohort]\nobjectives:\n"
STATISTICS = ("p50", "p75", "p90", "p95", "p99", "p99.9", "mean")
COMPARED = tuple(f"{of}.{one}" for of in ("latency", "ttft", "tokens_per_second") for one in STATISTICS)[:OBJECTIVES]


def contract(rules: tuple[str, ...]) -> str:
    """Twenty objectives, and slices by cohort."""
    said = [f"  - {{metric: {rules[i % len(rules)]}, window: {5 + i // len(rules)}m}}" for i in range(OBJECTIVES)]
    return HEAD + "\n".join(said)


def comparing(metrics: tuple[str, ...]) -> str:
    """One objective, and what a release is compared by."""
    return f"{HEAD}  - {{metric: {SUMS[0]}}}\nregression: {{metrics: [{', '.join(metrics)}]}}\n"


def usual(names: Iterable[str]) -> str:
    """One objective, and what is held against the same hours before."""
    return f"{HEAD}  - {{metric: {SUMS[0]}}}\nregression: {{metrics: [{', '.join(names)}], baseline: same_hours_before}}\n"


def mixed() -> str:
    """Ten objectives and ten comparisons."""
    head, *rules = contract((*SUMS, *COUNTED)).split("\n  - ")
    half = "\n  - ".join((head, *rules[: OBJECTIVES // 2]))
    return f"{half}\nregression: {{metrics: [{', '.join(COMPARED[: OBJECTIVES // 2])}]}}\n"


def blocks(minute: int, g: np.random.Generator) -> list[bytes]:
    """A window as it stands in the topic."""
    rows = []
    for i in range(SLICES):
        n = int(g.poisson(20))
        rows.append(
            pane(
                minute, cohort=f"cohort{i}", firing="on_time", requests=n, refusal_checked=n, citation_checked=n, schema_checked=n
            )
            | {"errors": n // 50, "citations": n - n // 10, "schema_valid": n}
            | {name: value for ladder, at in MEDIANS.items() for name, value in counted(ladder, at, n, g).items()}
        )
    return [panes(*rows[at : at + BLOCK_ROWS]) for at in range(0, SLICES, BLOCK_ROWS)]


MEDIANS = {"latency": 1e9, "ttft": 2e8, "tps": 5e4, "cost": 2e6}


def counted(ladder: str, median: float, n: int, g: np.random.Generator) -> dict[str, list[int]]:
    """Lognormal values."""
    found, counts = np.unique(bins(median * np.exp(0.8 * g.standard_normal(n))), return_counts=True)
    return {f"{ladder}_bins": found.tolist(), f"{ladder}_bin_counts": counts.tolist()}


def seconds(text: str, windows: list[Panes], every: int = 1) -> tuple[float, ContractWatch]:
    """Of one core, for one minute of all, and what is known then; the first minutes, in which slices are new, do not count.

    every: minutes from window to window.
    """
    found = read(text, "many").contract
    assert found is not None
    watch = ContractWatch.of(found, 60 * MINUTE_NS, 2 * SLICES)
    spent = []
    for minute, window in enumerate(windows):
        start_ns = minute * every * MINUTE_NS
        began = process_time()
        for _ in watch.fold(Family.CALLS, start_ns, start_ns + MINUTE_NS, window):
            pass
        spent.append(process_time() - began)
    return float(np.median(spent[2:])), watch


def tell(name: str, text: str, windows: list[Panes], every: int = 1) -> None:
    """A line of the table: a minute, the snapshot, and what is left out; then the one after it."""
    spent, watch = seconds(text, windows, every)
    print(f"{name}: {spent:.2f} s a minute; snapshot", end="")
    last = Written()
    for _ in range(2):
        began = process_time()
        last = written({"many": (text, watch)}, {}, Frontiers(0), 0, {}, last.next_room)
        took = process_time() - began
        assert last.text is not None
        assert len(last.text) <= MOST_BYTES
        without = ", ".join(f"{number:,} {part}" for part, number in last.left_out.items() if number)
        print(f" {len(last.text) / 1e6:.1f} MB in {took:.1f} s, {last.tries} tries, without {without or 'nothing'};", end="")
        if last.tries == 1 and not without:
            break
    print(flush=True)


def of_releases(windows: list[Panes], releases: str) -> list[Panes]:
    """A window for each letter, of the release it names. Windows come again with their calls shuffled over the slices: what is
    compressed finds no hour of the day in another one.
    """
    found, g = [], np.random.default_rng(2)
    for i, release in enumerate(releases):
        window = windows[i % len(windows)]
        series = tuple((*window.series[at][:3], release, *window.series[at][4:]) for at in g.permutation(len(window.series)))
        found.append(replace(window, series=series))
    return found


def reading(values: list[bytes]) -> tuple[float, Panes]:
    """Of one core, to read a window of blocks; and what is read."""
    began = process_time()
    parts = [one for value in values for one in read_panes(value, Family.CALLS).values()]
    took = process_time() - began
    return took, _together(parts)


def _together(parts: list[Panes]) -> Panes:
    from pipeline.operators.watch.panes_read import _once  # noqa: PLC0415

    return _once(parts)


if __name__ == "__main__":
    g = np.random.default_rng(1)
    read_in, windows = zip(*(reading(blocks(minute, g)) for minute in range(7)), strict=True)
    print(f"reading {SLICES} series with their ladders: {np.median(read_in):.2f} s a minute")
    print(f"{SLICES} slices x {OBJECTIVES} questions, of one core; a message holds {MOST_BYTES / 1e6:.1f} MB")
    for name, rules in (("objectives over sums", SUMS), ("over the ladder", COUNTED), ("over both", (*SUMS, *COUNTED))):
        tell(name, contract(rules), list(windows))
    cases = (
        ("comparisons while they choose", comparing(COMPARED), "1" * 60, 1),
        ("once they chose", comparing(COMPARED), "1" * 35 + "2" * 40, 1),
        ("in all hours of the day", comparing(COMPARED), "1" * 50 + "2" * 50, 30),
        ("ten, and ten objectives", mixed(), "1" * 50 + "2" * 50, 30),
        ("four shares with the same hours of a week", usual(rule.partition(",")[0] for rule in SUMS), "1" * 190, 60),
        ("quantiles and means with them while they choose", usual(COMPARED), "1" * 60, 1),
        ("with the same hours of a week", usual(COMPARED), "1" * 220, 60),
    )
    for name, text, releases, every in cases:
        tell(name, text, of_releases(list(windows), releases), every)
