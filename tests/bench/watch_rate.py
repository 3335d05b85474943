"""`python -m tests.bench.watch_rate`: what a minute of 10,000 slices and 20 objectives costs watch, in seconds of one core."""

from time import process_time

import numpy as np

from pipeline.model.metrics import Family
from pipeline.operators.contracts.reading import read
from pipeline.operators.watch.contract_watch import ContractWatch
from pipeline.operators.watch.panes_read import NUMBERS, Panes

SLICES, OBJECTIVES, MINUTE_NS = 10_000, 20, 60 * 10**9
METRICS = ("error.ratio", "refusal.ratio", "citation.ratio", "schema_valid.ratio")


def contract() -> str:
    """Twenty objectives over four ratios, and slices by cohort."""
    rules = []
    for i in range(OBJECTIVES):
        metric, window = METRICS[i % 4], 5 + i // 4
        bound = "at_most: 10%" if i % 4 < 2 else "at_least: 50%"
        rules.append(f"  - {{metric: {metric}, {bound}, window: {window}m}}")
    return "name: many\nversion: 1\nowner: us\nenvironment: prod\nroutes: chat\nslices: [cohort]\nobjectives:\n" + "\n".join(
        rules
    )


def seconds(minutes: int = 8) -> float:
    """Of one core, for one minute of all; the first ones, in which slices are new, do not count."""
    found = read(contract(), "many").contract
    assert found is not None
    watch, g = ContractWatch.of(found, 60 * MINUTE_NS, 2 * SLICES), np.random.default_rng(1)
    series = tuple(("prod", "chat", "m", "1", f"cohort{i}", "en") for i in range(SLICES))
    spent = []
    for minute in range(minutes):
        requests = g.poisson(20, SLICES).astype(float)
        numbers = {name: np.zeros(SLICES) for name in NUMBERS[Family.CALLS]}
        numbers |= dict.fromkeys(("requests", "refusal_checked", "citation_checked", "schema_checked"), requests)
        numbers |= {name: requests * share for name, share in (("errors", 0.02), ("citations", 0.9), ("schema_valid", 0.97))}
        panes = Panes(series, ("spans:0:e",) * SLICES, numbers)
        began = process_time()
        for _ in watch.fold(Family.CALLS, minute * MINUTE_NS, (minute + 1) * MINUTE_NS, panes):
            pass
        spent.append(process_time() - began)
    return float(np.median(spent[2:]))


if __name__ == "__main__":
    print(f"{SLICES} slices x {OBJECTIVES} objectives: {seconds():.2f} s a minute")
