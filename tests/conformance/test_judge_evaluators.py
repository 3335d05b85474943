"""Evaluators that ask a judge, end to end over HTTP: awaited, called directly, configured by the environment, calibrated."""

import asyncio
import json as stdlib_json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from aiohttp import web

from pipeline.app.calibrate import calibrate
from pipeline.app.judging import judge_of
from pipeline.errors import SettingsError
from pipeline.evaluators import Groundedness, Sample, Score, ScoreStatus, TaskCompletion
from pipeline.evaluators.judge_evaluator import environment
from pipeline.settings import Settings
from tests.judge_server import Asked, JudgeServer, Reply, always, completion, json, one_after_another, parts, said

SUPPORTED = always(completion(said("It stands there.", label="supported"), model="gpt-4o-mini-2024-07-18"))
SAMPLE = Sample(input="How long?", output="For 24 months.", context=("It covers 24 months.",))


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """No judge from the environment, now and after; nor the last one, remembered."""
    monkeypatch.chdir(tmp_path)
    environment.cache_clear()
    yield monkeypatch
    environment.cache_clear()


def beside_a_server(reply: Reply, work: Callable[[JudgeServer], Any]) -> Any:
    """Run `work` in a thread beside a server."""

    async def run() -> Any:
        async with JudgeServer(reply) as server:
            return await asyncio.wait_for(asyncio.to_thread(work, server), 60)

    return asyncio.run(run())


def settings_of(server: JudgeServer, **more: Any) -> Settings:
    return Settings(judge_url=server.url, judge_model="gpt-4o-mini", **more)


def judged(server: JudgeServer, folds: int = 1) -> Score:
    """A score of a judge that the settings make."""

    async def run() -> Score:
        judge = judge_of(settings_of(server, judge_key="sk-x", price_file=None))
        assert judge is not None
        try:
            return await Groundedness(asks=judge, folds=folds).judged(SAMPLE)
        finally:
            await judge.close()

    return asyncio.run(run())


def test_a_score_has_what_the_judge_used_and_cost() -> None:
    score = beside_a_server(SUPPORTED, judged)
    assert (score.status, score.value, score.passed, score.label) == (ScoreStatus.OK, 1.0, True, "supported")
    assert (score.judge_model, score.judge_input_tokens, score.judge_output_tokens) == ("gpt-4o-mini-2024-07-18", 100, 20)
    # The server is on loopback, so nobody bills: who runs a model alone pays no tokens.
    assert score.judge_cost_nusd is None
    assert score.explanation == ""


def test_tokens_cost_what_the_users_price_file_says(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text('- {provider: "*", model: "gpt-4o-mini*", input: 1, cache_read: 0.5, output: 10}\n')

    def work(server: JudgeServer) -> Score:
        async def run() -> Score:
            judge = judge_of(settings_of(server, price_file=prices))
            assert judge is not None
            try:
                return await Groundedness(asks=judge).judged(SAMPLE)
            finally:
                await judge.close()

        return asyncio.run(run())

    assert beside_a_server(SUPPORTED, work).judge_cost_nusd == 60 * 1000 + 40 * 500 + 20 * 10_000


def test_folds_are_asked_apart_and_warmer() -> None:
    replies = one_after_another(*[always(completion(said(label=label))) for label in ("supported", "unsupported", "supported")])
    seen: list[Asked] = []

    def work(server: JudgeServer) -> Score:
        score = judged(server, folds=3)
        seen.extend(server.asked)
        return score

    score = beside_a_server(replies, work)
    assert (score.label, score.value) == ("supported", pytest.approx(2 / 3))
    assert score.judge_input_tokens == 300
    assert [asked["temperature"] for asked in seen] == [0.7] * 3
    assert len({asked["messages"][1]["content"].partition(" ")[0] for asked in seen}) == 3, "a boundary each"


def test_as_people_call_it(no_environment: pytest.MonkeyPatch) -> None:
    def work(server: JudgeServer) -> tuple[Score, Score, dict[str, str]]:
        no_environment.setenv("TAILRACE_JUDGE_URL", server.url + "/")
        no_environment.setenv("TAILRACE_JUDGE_MODEL", "gpt-4o-mini")
        fields = {"input": "How long?", "output": "For 24 months.", "context": ["It covers 24 months."]}

        async def inside() -> Score:
            return Groundedness().evaluate(**fields)

        return Groundedness().evaluate(**fields), asyncio.run(inside()), parts(server.asked[0])

    outside, inside, shown = beside_a_server(SUPPORTED, work)
    assert outside.score == inside.score == 1.0
    assert shown == {"question": "How long?", "documents": "It covers 24 months.", "answer": "For 24 months."}


def test_a_script_that_calls_one_ends_quietly() -> None:
    script = "from pipeline.evaluators import Groundedness; print(Groundedness().evaluate(output='a', context='b').score)"

    def work(server: JudgeServer) -> subprocess.CompletedProcess[str]:
        env = {"TAILRACE_JUDGE_URL": server.url, "TAILRACE_JUDGE_MODEL": "gpt-4o", "PATH": "/usr/bin", "PYTHONASYNCIODEBUG": "1"}
        command = [sys.executable, "-W", "error", "-c", script]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=50, check=False)

    done = beside_a_server(SUPPORTED, work)
    said_ = [line for line in done.stderr.splitlines() if "no price" not in line and "Executing" not in line]
    assert (done.stdout, said_, done.returncode) == ("1.0\n", [], 0)


def test_without_a_judge_it_says_so(no_environment: pytest.MonkeyPatch) -> None:
    no_environment.delenv("TAILRACE_JUDGE_URL", raising=False)
    score = TaskCompletion().evaluate(input="How long?", output="For 24 months.")
    assert (score.status, score.score, score.reason) == (ScoreStatus.SKIPPED, None, "no judge is configured")


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({"judge_url": "http://127.0.0.1:1"}, "TAILRACE_JUDGE_MODEL is not"), ({"judge_model": "m"}, "TAILRACE_JUDGE_URL is not")],
)
def test_half_a_judge_is_refused(settings: dict[str, str], missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        judge_of(Settings(**settings))


def labelled_file(path: Path) -> Path:
    """A hundred answers; people find 60 supported and 20 not, 20 in part."""
    lines = [
        {"input": "?", "output": f"n{n}", "context": "docs", "label": label}
        for n, label in enumerate(["supported"] * 60 + ["partly_supported"] * 20 + ["unsupported"] * 20)
    ]
    file = path / "labels.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n\n")
    return file


async def lenient(_request: web.Request, asked: Asked) -> web.StreamResponse:
    """Finds what people found, but takes half of what is supported in part for supported; drops a connection now and then."""
    n = int(parts(asked)["answer"][1:])
    label = "supported" if n < 70 else "partly_supported" if n < 80 else "unsupported"
    return json({}, 503) if Random(n).random() < 0.05 else json(completion(said(label=label)))


def test_calibration_tells_how_judge_and_people_agree(tmp_path: Path) -> None:
    seen: list[int] = []

    def work(server: JudgeServer) -> Any:
        settings = settings_of(server, judge_retries=0)
        return calibrate(settings, labelled_file(tmp_path), "Groundedness", 0.8, 5000, lambda done, _: seen.append(done))

    done = beside_a_server(lenient, work)
    lost = done.statuses["failed"]
    assert (done.lines, done.statuses["ok"], done.compared, done.on) == (100, 100 - lost, 100 - lost, "labels")
    assert 0 < lost < 15
    assert seen == list(range(1, 101))
    assert done.accuracy == pytest.approx(0.9, abs=0.02)
    assert done.kappa == pytest.approx(0.81, abs=0.04)
    assert done.bias == pytest.approx(0.05, abs=0.01)
    assert done.auroc > 0.9
    assert done.judge_tokens == (100 - lost) * 120
    assert done.corrected is not None
    assert done.corrected.low < done.corrected.mean < done.corrected.high
    assert done.corrected.mean == pytest.approx(0.75, abs=0.03)
    assert done.corrected.high - done.corrected.low < done.corrected.people_high - done.corrected.people_low


def test_the_command_prints_it(tmp_path: Path) -> None:
    file = labelled_file(tmp_path)

    def work(server: JudgeServer) -> tuple[str, dict[str, Any]]:
        env = {"TAILRACE_JUDGE_URL": server.url, "TAILRACE_JUDGE_MODEL": "m", "PATH": "/usr/bin"}
        command = [sys.executable, "-m", "pipeline", "judge", "calibrate", str(file), "--mean", "0.8"]
        table, as_json = (
            subprocess.run([*command, *more], env=env, capture_output=True, text=True, timeout=50, check=True).stdout
            for more in ([], ["--json"])
        )
        return table, stdlib_json.loads(as_json)

    table, told = beside_a_server(lenient, work)
    assert "kappa" in table
    assert "mean corrected" in table
    assert "no price" in table
    assert told["compared"] > 80
    assert told["corrected"]["mean"] == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"output": "x"}', "line 2 is to be an object with `label` or `score`"),
        ('{"output": "x", "label": "fine"}', "line 2: label is to be one of supported, partly_supported"),
        ('{"output": "x", "score": 7}', "line 2: score is to be a number from 0 to 1"),
        ('{"answer": "x", "label": true}', "line 2: unknown field 'answer': did you mean 'output'?"),
        ("{", "line 2 is no JSON"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    file.write_text('{"output": "x", "context": "y", "label": "supported"}\n' + line + "\n")
    settings = Settings(judge_url="http://127.0.0.1:1/v1", judge_model="m")
    with pytest.raises(SettingsError) as raised:
        calibrate(settings, file, "Groundedness", None, 1, lambda _done, _all: None)
    assert message in str(raised.value)


def test_an_evaluator_without_a_model_is_calibrated_too(tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    lines = [{"output": "It covers 24 months.", "context": "It covers 24 months.", "label": True}] * 3
    lines += [{"output": "Bananas are blue.", "context": "It covers 24 months.", "score": 0.0}]
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    done = calibrate(Settings(), file, "groundedness_lexical", None, 1, lambda _done, _all: None)
    assert (done.accuracy, done.auroc, done.on, done.cost_nusd) == (1.0, 1.0, "passed", 0)
    with pytest.raises(SettingsError, match="no judge is configured"):
        calibrate(Settings(), file, "Groundedness", None, 1, lambda _done, _all: None)
