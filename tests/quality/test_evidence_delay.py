"""How much later than a test that may look only once does an alarm come, which may be looked at all the time?

Both have the same error, of 500 hypotheses together, the same limit and baseline; the fixed one has a power of 80 %.
"""

import numpy as np
import pytest

from pipeline.operators.evidence import effect
from tests.shifted import ALPHA, BATCHES, HYPOTHESES, KINDS, LIMIT, LINE, SHIFTS, alarm, shifted

TIMES = 0.25, 1.0, 3.0, 10.0


def test_an_alarm_comes_nearly_as_soon_as_that_of_a_test_with_one_look() -> None:
    g, wrong, prices = np.random.default_rng(3), [], []
    print(f"\nmedian calls to the alarm over those of the fixed test; baseline of {TIMES} times those\n{'':<12}", end="")
    print("".join(f"{f'+{shift:.0%}':>28}" for shift in SHIFTS))
    for kind in KINDS:
        row = f"{kind:<12}"
        for shift in SHIFTS:
            for times in TIMES:
                one = shifted(kind, shift)
                fixed = one.fixed(times)
                base_n = max(round(times * fixed), 2)
                if base_n < one.needed():
                    row += "  start"
                    continue
                found = alarm(g, one, fixed, base_n)
                row += f"{found / fixed:>7.2f}" if np.isfinite(found) else "  never"
                most = 2.0 if times >= 3 else 3.0 if shift <= 0.2 else 4.0
                allowed = max(most * fixed, 1.1 * one.needed()) if one.needed() < fixed else max(3 * fixed, 1.1 * one.needed())
                wrong += [f"{kind} +{shift:.0%} x{times}: {found / fixed:.2f}"] if times >= 1 and found > allowed else []
                if np.isfinite(found) and found > 1.1 * one.needed() and kind != "cost":
                    prices.append((1 / fixed + 1 / base_n) / (1 / found + 1 / base_n))
        print(row)
    print(f"information at the alarm over the fixed test's: median {np.median(prices):.2f}, largest {max(prices):.2f}")
    assert not wrong
    assert max(prices) <= 1.6


@pytest.mark.parametrize("limit", [0.0, 0.1, 0.5, 0.9])
def test_a_wide_limit_costs_no_delay(limit: float) -> None:
    """A tenth beyond the limit, wherever that is."""
    g = np.random.default_rng(4)
    one = shifted("rate 3 %", (1 + limit) * 1.1 - 1, limit)
    fixed = one.fixed(3.0)
    found = alarm(g, one, fixed, round(3 * fixed)) / fixed
    print(f"\nlimit {limit:.0%}: {found:.2f}")
    assert found <= 2


EFFECTS = (
    ("rate 0.1 %", LIMIT, 4e6, 1e7),
    ("rate 3 %", LIMIT, 2e4, 6e4),
    ("rate 3 %", 0.5, 2e4, 6e4),
    ("rate 20 %", LIMIT, 8e3, 8e3),
    ("latency p95", LIMIT, 5e4, 1e5),
    ("score", LIMIT, 800, 3000),
    ("score", 0.3, 800, 3000),
    ("cost", LIMIT, 5e3, 5e3),
    ("cost", 0.5, 5e3, 5e3),
)
"""Kind, limit, calls, calls of the baseline."""


def test_the_smallest_effect_said_to_be_found_is_found() -> None:
    g, streams = np.random.default_rng(11), 1500
    print(f"\n{'':<12}{'limit':>8}{'said':>8}{'power':>8}  (promised 0.80)")
    for kind, limit, n, base_n in EFFECTS:
        one = shifted(kind, 0.0, limit)
        usual = one.data(*(np.array([x]) for x in (n, n * one.base[0], base_n, base_n * one.base[0])))
        information = one.asked.found(usual, np.array([one.dispersion]), np.array([BATCHES])).information
        batches, asked = np.array([BATCHES]), one.asked
        (said,) = effect.detectable(information, batches, asked.bets, asked.limit, HYPOTHESES, ALPHA, floor=asked.floor)
        mean = one.base[0] * (1 - said if asked.floor else 1 + said)
        spread = (mean / one.base[0]) ** 2 if kind == "cost" else mean * (1 - mean) / one.base[0] / (1 - one.base[0])
        s = one.draw(g, n, (streams,), (mean, one.base[1] * spread))
        told = one.data(np.full(streams, n), s, np.full(streams, base_n), one.draw(g, base_n, (streams,), one.base))
        power = float((one.log_e(told) >= LINE).mean())
        print(f"{kind:<12}{limit:>8.0%}{said:>8.1%}{power:>8.2f}")
        assert said > asked.limit
        assert 0.7 <= power <= 0.97
