"""A user's own redaction that hangs, fails or catches everything: decode goes on, and no text gets out."""

import re
import signal
from collections.abc import Callable
from itertools import count
from threading import Event

import pytest

from pipeline.connectors.redacting import BURST, FAILED, NOT_ASKED, OVER_TIME, REST, OwnRedaction

LIMIT = 0.05


def spins(text: str) -> str:
    while text:
        pass
    return text


def sleeps(text: str) -> str:
    Event().wait()
    return text


def runs_away(text: str) -> str:
    """A regular expression that would take years."""
    return re.sub(r"(a+)+$", "", "a" * 60 + "!") + text


def catches_once(text: str) -> str:
    try:
        return spins(text)
    except BaseException:  # noqa: BLE001 - as somebody's code does
        return spins(text)


def catches_exceptions(text: str) -> str:
    while True:
        try:
            spins(text)
        except Exception:  # noqa: BLE001 - as somebody's code does
            continue


@pytest.mark.parametrize("own", [spins, sleeps, runs_away, catches_once, catches_exceptions])
def test_a_function_that_hangs_is_broken_off_and_the_text_stays(own: Callable[[str], str]) -> None:
    redact = OwnRedaction(own, LIMIT)
    assert redact("secret") is None
    assert redact.withheld == {OVER_TIME: 1}
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_fails_is_withheld_and_counted_and_what_works_is_shown() -> None:
    redact = OwnRedaction(lambda text: text.upper() if text == "fine" else None if text == "none" else int(text), LIMIT)
    assert [redact(text) for text in ("fine", "none", "x", "fine")] == ["FINE", None, None, "FINE"]
    assert redact.withheld == {FAILED: 2}


def test_who_hangs_on_every_text_is_left_alone_for_a_while() -> None:
    now, asked = 0.0, 0

    def hangs(text: str) -> str:
        nonlocal asked
        asked += 1
        return spins(text)

    redact = OwnRedaction(hangs, LIMIT, steady=lambda: now)
    assert [redact("secret") for _ in range(10)] == [None] * 10
    assert redact.withheld == {OVER_TIME: BURST, NOT_ASKED: 10 - BURST}
    for _ in range(1000):
        now += LIMIT * REST / 100
        redact("secret")
    assert asked <= BURST + 10
    assert asked >= BURST + 9


def test_the_alarm_of_the_function_before_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGALRM)
    assert OwnRedaction(str.upper, LIMIT)("a") == "A"
    assert signal.getsignal(signal.SIGALRM) is before


def test_no_alarm_hits_what_comes_after() -> None:
    """Functions that end just when their time is over: whatever becomes of them, nothing is raised here."""

    def almost(text: str) -> str:
        while signal.getitimer(signal.ITIMER_REAL)[0] > 0.00002:
            pass
        return text

    redact = OwnRedaction(almost, 0.001, steady=count(0, 1000).__next__)
    assert {redact("x") for _ in range(300)} <= {"x", None}
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
