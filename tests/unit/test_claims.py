"""What decode may claim, and when."""

from pipeline.model.stream import Source
from pipeline.operators.claims import MOST_ASKED, Claims

THICK, THIN = Source("otlp_spans", 0, "x"), Source("otlp_spans", 1, "x")


def test_a_claim_comes_true_when_everything_below_the_end_is_confirmed() -> None:
    claims = Claims()
    claims.asked(100, {THICK: 7, THIN: 0})
    assert dict(claims.come_true({THICK: 6, THIN: 0})) == {THIN: 100}
    assert dict(claims.come_true({THICK: 7, THIN: 0})) == {THICK: 100}
    assert dict(claims.come_true({THICK: 9, THIN: 0})) == {}


def test_under_steady_traffic_the_oldest_question_is_answered_first() -> None:
    """The source is never at its end when one looks; still every question is answered one after the other."""
    claims, told = Claims(), []
    for second in range(10):
        claims.asked(second, {THICK: 100 * second + 100})
        told += [at for _, at in claims.come_true({THICK: 100 * second})]
    assert told == list(range(9))


def test_questions_are_bounded_and_the_oldest_stay() -> None:
    claims = Claims()
    for second in range(3 * MOST_ASKED):
        claims.asked(second, {THICK: second})
    assert dict(claims.come_true({THICK: MOST_ASKED - 2})) == {THICK: MOST_ASKED - 2}
    assert dict(claims.come_true({THICK: 3 * MOST_ASKED})) == {THICK: 3 * MOST_ASKED - 1}


def test_what_is_lost_is_not_claimed() -> None:
    claims = Claims()
    claims.asked(5, {THICK: 0, THIN: 0})
    claims.keep(frozenset({THIN}))
    assert dict(claims.come_true({THICK: 9, THIN: 9})) == {THIN: 5}
