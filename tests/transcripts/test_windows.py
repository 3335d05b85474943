"""Runs `windows.yaml` on the stage; each transcript must also fail once one of its expectations is spoiled."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from pipeline.operators.panes import BEGINNING, WindowPolicy
from pipeline.stages.aggregate import Aggregate, Outputs
from tests.spans import SOURCE, record, span

TRANSCRIPTS = yaml.safe_load((Path(__file__).parent / "windows.yaml").read_text())
POLICY = WindowPolicy(10, 20, 3, 50, max_series=2)
STAGE = Aggregate(POLICY, Outputs("panes", "ledger", "dead", "status", 1), early_every_ns=5, progress_every_ns=0)


def run(transcript: dict[str, Any]) -> None:
    state = STAGE.open(SOURCE, None)
    for offset, step in enumerate(transcript["steps"]):
        rows = [read_span(text) for text in step["spans"]]
        state, effects = STAGE.step(state, [record(offset, step["append"], rows)], step["clock"])
        fired, ledger = [], {}
        for message in effects.messages:
            columns = orjson.loads(message.value)
            for row in (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)):
                if message.topic == "panes":
                    fired.append(f"{row['firing']} {row['window_start_ns']} {row['route'] or 'n'}={row['requests']}")
                    assert row["revision"] == offset + 1
                elif message.topic == "ledger":
                    ledger = {k: row[k] for k in ("counted", "duplicate", "too_late", "ahead_of_clock") if row[k]}
        assert fired == step.get("fires", []), (transcript["name"], offset)
        assert ledger == step.get("ledger", {}), (transcript["name"], offset)
        if "watermark" in step:
            expected = BEGINNING if step["watermark"] == "none" else step["watermark"]
            assert state.windows.watermark_ns == expected, (transcript["name"], offset)


def read_span(text: str) -> dict[str, Any]:
    number, _, rest = text.partition("@")
    end, _, route = rest.partition("/")
    return span(int(number), int(end), route=route)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda t: t["name"])
def test_transcript(transcript: dict[str, Any]) -> None:
    run(transcript)


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda t: t["name"])
def test_a_spoiled_transcript_fails(transcript: dict[str, Any]) -> None:
    for i, step in enumerate(transcript["steps"]):
        for spoiled in ({"fires": [*step.get("fires", []), "early 0 n=1"]}, {"ledger": {"counted": 77}}):
            wrong = copy.deepcopy(transcript)
            wrong["steps"][i] |= spoiled
            with pytest.raises(AssertionError):
                run(wrong)
