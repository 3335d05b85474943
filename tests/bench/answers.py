"""Answers to judge, all different, as several dialects write them: short, long, of a megabyte."""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

import orjson

from pipeline.operators.decode.behaviour import ANY_ROUTE, Expected, behaviour
from pipeline.operators.decode.resolve import Resolver
from tests.otlp import DECODER, Told, record, request_of

WORDS = (
    *("the", "warranty", "covers", "parts", "and", "labour", "for", "two", "years", "of", "use", "but", "not", "what", "was"),
    *("dropped", "in", "water", "or", "opened", "by", "others"),
)
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}

CITING = Expected(frozenset({ANY_ROUTE}))

Batch = tuple[Resolver, Mapping[str, Any]]


def text(random: Random, chars: int) -> str:
    """Sentences of at least so many characters."""
    said = ""
    while len(said) < chars:
        said += " ".join(random.choices(WORDS, k=12)).capitalize() + ". "
    return said


def _messages(said: str) -> dict[str, Any]:
    parts = [{"type": "text", "content": said}]
    return {"gen_ai.output.messages": orjson.dumps([{"role": "assistant", "parts": parts, "finish_reason": "stop"}]).decode()}


def _twice(said: str) -> dict[str, Any]:
    raw = {"id": "x", "choices": [{"message": {"role": "assistant", "content": said, "refusal": None}}], "usage": {"total": 1}}
    return {"llm.output_messages.0.message.content": said, "output.value": orjson.dumps(raw).decode()}


SHAPES: dict[str, Callable[[str], dict[str, Any]]] = {
    "a text": lambda said: {"gen_ai.completion.0.content": said},
    "messages": _messages,
    "a text and the raw answer": _twice,
}


def answer_batches() -> Iterator[tuple[str, Batch, int]]:
    """What it is, scanned and resolved but for its behaviour, and how many answers it holds."""
    random = Random(1)
    for chars, count in ((300, 2000), (3000, 1000), (1 << 20, 40)):
        for shape, told in SHAPES.items():
            calls = [Told(CALL | told(f"{i} {text(random, min(chars, 5000))}" + "x" * (chars - 5000))) for i in range(count)]
            records = [record(request_of(*calls[at : at + 7])) for at in range(0, count, 7)]
            resolver, _ = DECODER.open(records)
            assert len(resolver.rows) == count
            yield f"{shape} of {chars:,} characters", (resolver, DECODER.columns(resolver, records)[0]), count


def judged(batch: Batch, count: int) -> int:
    """The behaviour of a batch."""
    behaviour(batch[0], DECODER.fields, batch[1], CITING)
    return count
