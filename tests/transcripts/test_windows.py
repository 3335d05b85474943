"""Runs `windows.yaml` on the stage; each transcript must also fail once one of its expectations is spoiled."""

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from pipeline.model.log_time import BEGINNING, WindowPolicy
from pipeline.model.stream import Record
from pipeline.operators.log_marks import SETTINGS_KEY, encode_settings
from pipeline.stages.aggregate import Aggregate, Outputs
from tests.spans import SOURCE, record, span, tick

TRANSCRIPTS = yaml.safe_load((Path(__file__).parent / "windows.yaml").read_text())
POLICY = WindowPolicy(10, 20, 3, 50, max_series=2, source_patience_ns=200, outage_ns=100)
SPAN = re.compile(r"(\d+)@(\d+)(?:/(\w+))?(?:~(\d+))?(?:#(\d+)(?::(\w+))?)?")
STAGE = Aggregate(POLICY, Outputs("panes", "ledger", "dead", "status", 1), early_every_ns=5, progress_every_ns=0, finest_ns=1)


def run(transcript: dict[str, Any]) -> None:
    state = STAGE.open(SOURCE, None)
    for offset, step in enumerate(transcript["steps"]):
        state, effects = STAGE.step(state, [read_step(offset, step)], step["clock"])
        fired, ledger = [], {}
        for message in effects.messages:
            columns = orjson.loads(message.value)
            for row in (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)):
                if message.topic == "panes" and message.key is None:
                    fired.append(f"{row['firing']} {row['window_start_ns']} {row['route'] or 'n'}={row['requests']}")
                    assert row["revision"] == offset + 1
                elif message.topic == "ledger":
                    ledger = {k: row[k] for k in ("counted", "duplicate", "too_late", "ahead_of_clock") if row[k]}
        assert fired == step.get("fires", []), (transcript["name"], offset)
        assert ledger == step.get("ledger", {}), (transcript["name"], offset)
        if "watermark" in step:
            expected = BEGINNING if step["watermark"] == "none" else step["watermark"]
            assert state.windows.watermark_ns == expected, (transcript["name"], offset)


def read_step(offset: int, step: dict[str, Any]) -> Record:
    if "settings" in step:
        policy = replace(POLICY, **step["settings"])
        return Record(SOURCE, offset, step["append"], encode_settings(policy), SETTINGS_KEY)
    if "sources" in step:
        return tick(offset, step["append"], step.get("read", {}), partitions=step["sources"], epoch=step.get("epoch", "test"))
    return record(offset, step["append"], [read_span(text) for text in step["spans"]])


def read_span(text: str) -> dict[str, Any]:
    number, end, route, recorded, source, epoch = SPAN.fullmatch(text).groups()  # type: ignore[union-attr]
    log = f"otlp_spans:{source or 0}:{epoch or 'test'}"
    return span(int(number), int(end), route=route or "", recorded_ns=int(recorded or 0), source=log)


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
