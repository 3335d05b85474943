"""What `tailrace check` says to people."""

from dataclasses import replace

from pipeline.app.checked import row, rows, why
from pipeline.model.standing_columns import FAR_MORE
from pipeline.operators.watch.standing import Finding, Verdict
from tests.alerts import OBJECTIVE

EMPTY = replace(OBJECTIVE, n=0, estimate=None, low=None, high=None)


def test_slices_in_which_nothing_was_counted_are_one_row_of_their_rule_and_route() -> None:
    silent = [Finding(Verdict.TOO_FEW, replace(EMPTY, slice=(("cohort", name),)), 30) for name in "abc"]
    elsewhere = Finding(Verdict.TOO_FEW, replace(EMPTY, route="elsewhere", slice=()), 30)
    few = Finding(Verdict.TOO_FEW, replace(OBJECTIVE, n=3), 27)
    told = rows([silent[0], few, silent[1], elsewhere, silent[2]])
    assert told[0] == row(few)
    assert [(one[4], one[5], one[-1]) for one in told[1:]] == [
        ("3 slices", "0", "nothing was counted"),
        ("the whole", "0", "nothing was counted"),
    ]


def test_a_number_nobody_waits_for_is_not_said() -> None:
    assert "far more needed" in why(Finding(Verdict.TOO_FEW, OBJECTIVE, FAR_MORE))
    assert f"{FAR_MORE - 1:,} more needed" in why(Finding(Verdict.TOO_FEW, OBJECTIVE, FAR_MORE - 1))
