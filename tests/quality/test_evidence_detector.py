"""A change at an unknown time: how late is it found, how long between alarms when nothing is worse, and when is it over?"""

import numpy as np
import pytest

from pipeline.operators.evidence import bets, recovery
from pipeline.operators.evidence.deviance import Data
from pipeline.operators.evidence.hypothesis import ENOUGH_A_STRATUM, Hypothesis, Kind
from tests.shifted import ALPHA, BATCHES, HYPOTHESES, LINE, SHIFTS, Shifted, shifted
from tests.strata import Strata

KINDS = ("rate 0.1 %", "rate 3 %", "latency p95", "score", "cost")
DAYS_BEFORE = (1, 7)
STREAMS, LOOKS_AN_HOUR, CHANGE, HOURS = 60, 10, 12.5, 40


def found_after(g: np.random.Generator, one: Shifted, days: int) -> tuple[float, float]:
    """Median calls from the change to the alarm, over those of a fixed test that knows when it was; and over what is allowed:
    2.5 times those, or, where that takes fewer than a stratum needs, what the next one needs after half a stratum.
    """
    fixed, needed = one.fixed(days), one.needed(ENOUGH_A_STRATUM)
    hourly = LOOKS_AN_HOUR * np.ceil(max(fixed / 8, 2.4 * needed) / LOOKS_AN_HOUR)
    part, allowed = hourly / LOOKS_AN_HOUR, 2.5 * fixed if fixed >= needed else hourly / 2 + max(2.5 * fixed, 1.1 * needed)
    told, usual = np.full(STREAMS, np.inf), np.full(STREAMS, hourly)
    known = np.full(STREAMS, one.dispersion), np.full(STREAMS, BATCHES)
    strata = Strata(np.full((days, STREAMS, 24), hourly), one.draw(g, hourly, (days, STREAMS, 24), one.base), one.asked, known[0])
    for look in range(HOURS * LOOKS_AN_HOUR):
        since = (look + 1) / LOOKS_AN_HOUR - CHANGE
        strata.add(np.full(STREAMS, part), one.draw(g, part, (STREAMS,), one.new if since > 0 else one.base))
        if since > 0:
            alarms = (strata.look(one.asked, known) >= LINE) & np.isinf(told)
            told[alarms] = since * hourly
            if np.isfinite(told).mean() > 0.6:
                break
        if (look + 1) % LOOKS_AN_HOUR == 0:
            strata.close_hour(one.asked, known, usual)
    return float(np.median(told)) / fixed, float(np.median(told)) / allowed


def test_a_change_is_found_nearly_as_soon_as_if_its_time_were_known() -> None:
    g, wrong = np.random.default_rng(4), []
    print(f"\nmedian calls to the alarm over those of a test that knows the time; {DAYS_BEFORE} days before\n{'':<12}", end="")
    print("".join(f"{f'+{shift:.0%}':>14}" for shift in SHIFTS))
    for kind in KINDS:
        row = [[found_after(g, shifted(kind, shift), days) for days in DAYS_BEFORE] for shift in SHIFTS]
        print(f"{kind:<12}" + "".join(f"{found:>6.2f}{'*' if found / of > 2.6 else ' '}" for pair in row for found, of in pair))
        wrong += [f"{kind}: {row}"] if np.array(row)[:, :, 1].max() > 1 else []
    print("* the fixed test takes fewer calls than a stratum needs")
    assert not wrong


@pytest.mark.parametrize("days", DAYS_BEFORE)
def test_alarms_at_the_limit_are_twenty_days_apart(days: int) -> None:
    """The baseline grows to a week, and moves on every hour. One stream, all of alpha."""
    g, streams, last = np.random.default_rng(9), 250, 40
    shares = np.repeat([0.01, 0.05, 0.2], streams)
    asked, hourly = Hypothesis(Kind.SHARE), np.full(len(shares), 12_000.0)
    known = np.ones(len(shares)), np.full(len(shares), np.inf)
    before = g.binomial(12_000, shares, (days, 24, len(shares))).astype(float).swapaxes(1, 2)
    strata, told = Strata(np.full(before.shape, 12_000.0), before, asked, known[0]), np.full(len(shares), np.inf)
    for day in range(last):
        for hour in range(24):
            for _ in range(3):
                strata.add(hourly / 3, g.binomial(4_000, shares).astype(float))
                alarms = (strata.look(asked, known) >= np.log(1 / ALPHA)) & np.isinf(told)
                told[alarms] = day + hour / 24
            strata.close_hour(asked, known, hourly)
    on_first, apart = (told < 1).mean(), np.minimum(told, last).mean()
    print(f"\n{days} days before: alarm on day 1 {on_first:.3f}, in {last} {np.isfinite(told).mean():.2f}, mean {apart:.1f} days")
    assert on_first <= ALPHA
    assert apart >= 20


def test_what_is_over_is_resolved_and_what_is_not_is_not() -> None:
    """A share of 10 % that is 10 % worse for three days, then as before: information 144 an hour, a look every five minutes."""
    g, streams, usual, part, day = np.random.default_rng(7), 200, 0.1, 108, 288
    asked, known = Hypothesis(Kind.SHARE, 0.02), (np.ones(streams), np.full(streams, np.inf))
    n, s, open_s = np.zeros((3, streams))
    bound = np.full(streams, np.inf), np.full(streams, usual), np.full(streams, usual)
    m, middle = np.full((streams, len(recovery.BETS)), -np.inf), np.zeros(streams)
    firing, changes, early = np.zeros(streams, bool), np.zeros(streams), np.zeros(streams, bool)
    back = np.full(streams, np.inf)
    for look in range(8 * day):
        worse = look < 3 * day
        came = g.binomial(part, usual * (1.1 if worse else 1.0), streams).astype(float)
        n, s, open_s = n + part, s + came, open_s + came
        evidence = asked.log_e(Data(n, s, *bound), *known)
        done = np.zeros(streams, bool)
        if look % 12 == 11:
            below = recovery.below(asked, Data(np.full(streams, 12.0 * part), open_s, *bound), middle, *known)
            m = np.where(firing[:, None], np.logaddexp(m, 0.0) + bets.growth(below, recovery.BETS), -np.inf)
            done, open_s = firing & (bets.log_mean(m) - np.log(24) >= np.log(1 / ALPHA)), np.zeros(streams)
        fires = ~firing & (evidence >= np.log(HYPOTHESES / ALPHA))
        middle = np.where(fires, recovery.halfway(s / n / usual - asked.r), middle)
        early |= done & worse
        back = np.where(done & ~worse & np.isinf(back), look / 12 - 72, back)
        n, s = np.where(done, 0.0, n), np.where(done, 0.0, s)
        changes += done | fires
        firing = (firing & ~done) | fires
    print(f"\nchanges of state {changes.mean():.2f}, resolved while worse {early.mean():.3f}, hours after {np.median(back):.0f}")
    assert changes.mean() <= 2.5
    assert early.mean() <= 0.05
    assert np.median(back) <= 24
    assert not firing.mean() > 0.02
