"""The money of judges: what crashes, failing calls and wrong clocks do to it."""

from pipeline.model.stream import Progress, joined
from pipeline.operators.budget import HOUR_NS, MOST_SLICES, Budget

DAY = 24


def test_what_is_set_aside_is_spent_for_who_comes_after() -> None:
    budget = Budget(1000, 5000)
    assert budget.reserve("a", 300, 0)
    after = Budget.of(budget.snapshot(), 1000, 5000)
    assert after.today == 300
    assert [after.reserve("a", 100, 0) for _ in range(8)] == [True] * 7 + [False]
    budget.settle("a", 300, 10)
    assert budget.snapshot().of_day == 10
    assert Budget.of(budget.snapshot(), 1000, 5000).reserve("a", 990, 0)


def test_a_slice_cannot_set_aside_the_part_of_another() -> None:
    budget = Budget(1000, None)
    assert budget.reserve("a", 1, 0)
    assert budget.reserve("b", 1, 0)
    assert not budget.reserve("a", 500, 0), "its half is not spent, but one is set aside"
    assert budget.reserve("a", 499, 0)
    assert budget.reserve("b", 499, 0)


def test_a_clock_that_was_ahead_stops_no_money_for_ever_and_gives_none_twice() -> None:
    ahead, now = 10_000 * DAY * HOUR_NS, 500_000 * HOUR_NS
    for wrong in (ahead, now + 5 * HOUR_NS):
        budget = Budget(1000, 1000)
        assert budget.reserve("a", 1000, now + wrong)
        budget.settle("a", 1000, 1000)
        found = Budget.of(budget.snapshot(), 1000, 1000)
        assert not found.reserve("a", 1, now), "what was spent is spent"
        assert found.reserve("a", 1, now + DAY * HOUR_NS)
    budget = Budget(1000, 1000)
    assert budget.reserve("a", 1000, now)
    assert not budget.reserve("a", 1, now - HOUR_NS // 2), "a step back begins no hour"


def test_hosts_whose_clocks_differ_spend_no_hour_and_no_day_twice() -> None:
    for now in (100 * DAY * HOUR_NS + HOUR_NS // 2, (100 * DAY + 12) * HOUR_NS):
        budget, spent = Budget(1000, 5000), 0
        for _ in range(10):
            for at in (now, now - 3 * HOUR_NS):
                while budget.reserve("a", 100, at):
                    budget.settle("a", 100, 100)
                    spent += 100
                budget = Budget.of(budget.snapshot(), 1000, 5000)
        assert (spent, budget.today) == (1000, 1000)
        assert budget.reserve("a", 100, now + HOUR_NS), "the next hour begins"
        budget.settle("a", 100, 100)
        assert budget.today == 1100
        assert budget.reserve("a", 1000, now + DAY * HOUR_NS), "and the next day"
        assert budget.today == 0


def test_slices_without_end_are_counted_together_and_fit_into_a_record() -> None:
    budget = Budget(10**9, None)
    for i in range(10_000):
        assert budget.reserve(f"{i:016x}", 10, HOUR_NS - 1)
        budget.settle(f"{i:016x}", 10, 10)
    found = budget.snapshot()
    assert len(found.slices) == MOST_SLICES + 1
    assert sum(nusd for _, nusd in found.slices) == found.of_day == 100_000


def test_of_two_who_folded_equally_far_the_last_knows_what_was_spent() -> None:
    """A partition that waits for its judge gets no further while it pays; the record of an owner before it stays in the topic."""
    first, then = (Progress(0, 10, 5, beside=said) for said in ("first", "then"))
    known = joined([first, then])
    assert known is not None
    assert known.beside == "then"
