"""`tailrace explain` says of each call which span counts it, and by which rule."""

from pathlib import Path

import pytest

from pipeline.app.explain import counted, stories
from pipeline.connectors.files import read_requests
from pipeline.errors import SettingsError
from pipeline.model.columns import REQUEST_KINDS
from pipeline.operators.counted import Counted
from pipeline.settings import Settings
from tests.otlp import DECODER
from tests.replayed import replayed
from tests.unit.test_dialect_recordings import NAMES, RECORDINGS

PROXY = sorted(RECORDINGS.glob("litellm_proxy_v1.traces.*.pb"))
TOLD, STANDS = "38bc044197c7d709", "3c16a4914797f701"


def files_of(name: str) -> list[Path]:
    return sorted(RECORDINGS.glob(f"{name}.traces.*.pb"))


@pytest.mark.parametrize("name", NAMES)
def test_explain_says_what_aggregate_does(name: str) -> None:
    made, found = replayed(files_of(name)), counted(DECODER, read_requests(files_of(name)))
    repeats = {(row["trace_id"], row["span_id"], row["counted_by"], row["rule"]) for row in made["repeats"]}
    assert {(*ids, told.by, told.rule) for ids, told in found.items() if told.by != ids[1]} == repeats
    assert len(found) == sum(row["kind"] in REQUEST_KINDS for row in made["spans"])


def test_the_story_of_a_call_told_twice() -> None:
    told = {story.span_id: story for story in stories(Settings(), PROXY, "", "") if story.is_call}
    assert (told[TOLD].counted_by, told[TOLD].counted_rule) == (STANDS, "beside")
    assert (
        told[TOLD].counted == f"by span {STANDS}: beside, tellers of two layers that say the same, one within the other in time"
    )
    assert (told[STANDS].counted_by, told[STANDS].counted_rule) == (STANDS, "")
    assert told[STANDS].counted == f"by itself, for {TOLD} (beside) too"


def test_of_one_span_it_is_said_too() -> None:
    (story,) = stories(Settings(), PROXY, "", TOLD)
    assert story.counted_by == STANDS
    with pytest.raises(SettingsError, match="no span"):
        list(stories(Settings(), PROXY, "", "ab" * 8))


def test_a_span_sent_twice_is_no_other_teller() -> None:
    """Nor is it a call that several tell."""
    found = counted(DECODER, read_requests([*PROXY, *PROXY]))
    assert found == counted(DECODER, read_requests(PROXY))
    alone = [told for ids, told in found.items() if told == Counted(ids[1], "", "by itself: nobody else tells of it")]
    assert len(found) == 18
    assert len(alone) == 0


def test_what_is_no_call_is_counted_by_nobody() -> None:
    others = [story for story in stories(Settings(), files_of("oi_both"), "", "") if not story.is_call]
    assert others
    assert {(story.counted_by, story.counted_rule, story.counted) for story in others} == {("", "", "")}
