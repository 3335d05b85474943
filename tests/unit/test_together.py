"""What only the spans of one record tell together, and what they do not."""

from typing import Any

import pytest

from tests.otlp import Told, decoded_rows

CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
GENERATION = CHAT | {"mastra.span.type": "model_generation"}
STEP = {"mastra.span.type": "model_step", "modelId": "gpt-4o-mini"}
ADVISOR = {"gen_ai.operation.name": "framework", "spring.ai.kind": "advisor"}
TOOLS = {"gen_ai.response.finish_reasons": '["TOOL_CALLS"]'}
EMBEDDING = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "text-embedding-3-small"}


def used(prompt: int, answer: int) -> dict[str, Any]:
    return {"gen_ai.usage.input_tokens": prompt, "gen_ai.usage.output_tokens": answer}


def step(prompt: int, answer: int) -> dict[str, Any]:
    return STEP | {"body": f'{{"usage":{{"prompt_tokens":{prompt},"completion_tokens":{answer}}}}}'}


def columns(spans: list[Told], scope: str, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in decoded_rows(*spans, scope=scope)]


@pytest.mark.parametrize(
    ("spans", "kinds"),
    [
        ([Told(GENERATION | used(114, 38)), Told(step(57, 19), parent=1), Told(step(57, 19), parent=1)], ["chain", "llm", "llm"]),
        ([Told(GENERATION), Told(STEP, parent=1), Told(STEP, parent=1)], ["chain", "llm", "llm"]),
        # One step is the call itself, which says more.
        ([Told(GENERATION | used(57, 19)), Told(step(57, 19), parent=1)], ["llm", "chain"]),
        # What was used is told of the whole alone, or otherwise.
        ([Told(GENERATION | used(114, 38)), Told(STEP, parent=1), Told(STEP, parent=1)], ["llm", "chain", "chain"]),
        (
            [Told(GENERATION | used(114, 39)), Told(step(57, 19), parent=1), Told(step(57, 19), parent=1)],
            ["llm", "chain", "chain"],
        ),
        # The whole is in another record, or was none.
        ([Told(ADVISOR), Told(step(57, 19), parent=9), Told(step(57, 19), parent=9)], ["chain"] * 3),
        ([Told(ADVISOR), Told(step(57, 19), parent=1), Told(step(57, 19), parent=1)], ["chain"] * 3),
    ],
)
def test_steps_are_calls_where_they_tell_all(spans: list[Told], kinds: list[str]) -> None:
    assert columns(spans, "@mastra/otel", "kind") == [(kind,) for kind in kinds]


def test_a_step_begins_when_the_model_was_asked() -> None:
    spans = [
        Told(GENERATION | used(114, 38), lasting=900),
        Told(step(57, 19), parent=1, after=300, lasting=10),
        Told(step(57, 19), parent=1, after=700, lasting=20),
    ]
    assert columns(spans, "@mastra/otel", "latency_ns")[1:] == [(310_000_000,), (410_000_000,)]


@pytest.mark.parametrize(
    ("spans", "kinds"),
    [
        ([Told(EMBEDDING), Told(EMBEDDING | used(7, 0), parent=1)], ["chain", "embedding"]),
        ([Told(EMBEDDING, status=2), Told(EMBEDDING, parent=1, status=2)], ["chain", "embedding"]),
        ([Told(EMBEDDING | used(7, 0)), Told(EMBEDDING | used(7, 0), parent=1)], ["embedding", "embedding"]),
        ([Told(EMBEDDING), Told(EMBEDDING | {"gen_ai.request.model": "other"}, parent=1)], ["embedding", "embedding"]),
        ([Told(CHAT), Told(CHAT | used(7, 1), parent=1)], ["llm", "llm"]),
    ],
)
def test_an_embedding_is_not_told_twice(spans: list[Told], kinds: list[str]) -> None:
    assert columns(spans, "gen_ai", "kind") == [(kind,) for kind in kinds]


def test_other_scopes_do_not_wrap() -> None:
    spans = [Told(EMBEDDING), Told(EMBEDDING | used(7, 0), parent=1)]
    assert columns(spans, "acme", "kind") == [("embedding",), ("embedding",)]


def client(stream: str, **changes: Any) -> Told:
    return Told({"spring.ai.kind": "chat_client", "spring.ai.chat.client.stream": stream}, **changes)


@pytest.mark.parametrize(
    ("spans", "stream"),
    [
        ([client("true"), Told(ADVISOR, parent=1), Told(CHAT, parent=2)], True),
        ([client("false"), Told(ADVISOR, parent=1), Told(CHAT, parent=2)], False),
        ([client("true"), client("false", parent=1), Told(CHAT, parent=2)], False),
        # A stream loses its parent: the client is beside it.
        ([Told({}), client("true", parent=1), Told(CHAT, parent=1, after=5)], True),
        ([Told({}), client("true", parent=1), client("false", parent=1), Told(CHAT, parent=1, after=5)], None),
        ([Told({}), client("true", parent=1), Told(CHAT, parent=1, after=500)], None),
        ([client("true"), Told(CHAT, after=5)], None),
        # Its own word counts, and a call that got nothing was none.
        ([client("true"), Told(CHAT | {"gen_ai.request.stream": False}, parent=1)], False),
        ([client("true"), Told(CHAT, parent=1, status=2)], None),
    ],
)
def test_a_call_is_streamed_as_its_client_says(spans: list[Told], stream: bool | None) -> None:
    assert columns(spans, "org.springframework.boot", "stream")[-1] == (stream,)


@pytest.mark.parametrize(
    ("calls", "tokens", "rules"),
    [
        ([(57, 19, TOOLS), (114, 38, {})], [(57, 19), (57, 19)], ["", "cumulative"]),
        ([(57, 19, TOOLS), (130, 38, TOOLS), (230, 60, {})], [(57, 19), (73, 19), (100, 22)], ["", "cumulative", "cumulative"]),
        # A prompt that does not even hold the one before it again is no sum, nor is an answer that is shorter.
        ([(57, 19, TOOLS), (100, 38, {})], [(57, 19), (100, 38)], ["", ""]),
        ([(57, 19, TOOLS), (114, 19, {})], [(57, 19), (114, 19)], ["", ""]),
        # Nothing was called in between.
        ([(57, 19, {}), (114, 38, {})], [(57, 19), (114, 38)], ["", ""]),
    ],
)
def test_a_sum_is_taken_apart(calls: list[Any], tokens: list[Any], rules: list[str]) -> None:
    spans = [
        Told(ADVISOR),
        *(
            Told(CHAT | used(prompt, answer) | ends, parent=1, after=10 * i, lasting=5)
            for i, (prompt, answer, ends) in enumerate(calls)
        ),
    ]
    found = columns(spans, "org.springframework.boot", "input_tokens", "output_tokens", "usage_rule")[1:]
    assert found == [(*counts, rule) for counts, rule in zip(tokens, rules, strict=True)]


def test_calls_of_others_are_not_sums() -> None:
    """Without the advisor above them a loop of somebody's own asked twice: each says its own usage."""
    spans = [
        Told({"http.route": "/"}),
        Told(CHAT | used(57, 19) | TOOLS, parent=1, lasting=5),
        Told(CHAT | used(114, 38), parent=1, after=10),
    ]
    assert columns(spans, "org.springframework.boot", "input_tokens")[1:] == [(57,), (114,)]
