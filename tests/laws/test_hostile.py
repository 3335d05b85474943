"""Whatever a sender writes: a null, a count or a dead letter with its reason, in time and memory that grow as the bytes do.

Time is compared with that of honest traffic of as many bytes and spans, in the same run; memory with the bytes.
The bounds are many times what was measured: what they catch is a square, or a tree that is held of every document.
"""

import gc
import re
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from itertools import product
from typing import Any

import pytest

from pipeline.operators.decode.language import TEXTS
from pipeline.operators.decode.values import CLASS, COUNT
from pipeline.operators.dialects.series import SERIES_COLUMNS
from pipeline.operators.dialects.vocabulary import KIND_ORDER, NOT_CALLS
from pipeline.operators.pricing import vendors
from tests.bench.traffic import otlp_records
from tests.otlp import DECODER, Told, keeps_law_a, record, request_of

MB = 1 << 20

USAGE = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 3,
}

PATHS = sorted({path for found in DECODER.fields.values() for path in found}, key=str)
SEARCHED = sorted({path.name for path in PATHS if path.keys and path.where != "event"})
"""Attributes that are searched for keys."""

SLOWER, OF_JSON, LARGER = 60, 500, 45
"""Times the honest batch's seconds (a byte or a span, whichever allows more; JSON goes through Python, object by object); times
the bytes, beside MARGIN_BYTES.
"""

MARGIN_BYTES = 24 * MB

JSON_SPAN = (
    b'{"traceId":"%032x","spanId":"%016x",' % (1, 1)
    + b'"startTimeUnixNano":1795405220000000000,"endTimeUnixNano":1795405220400000000,'
)


def each(count: int, told: Callable[[int], Told], per_record: int = 100) -> list[bytes]:
    """So many spans, in requests."""
    return [request_of(*map(told, range(at, min(count, at + per_record)))) for at in range(0, count, per_record)]


def flat(i: int) -> str:
    """60 kB of JSON that makes twenty thousand objects."""
    return f'{{"k{i}":[' + ",".join(["{}"] * 20_000) + "]}"


def wide(i: int) -> str:
    """60 kB of JSON with as many keys as fit."""
    return "{" + ",".join(f'"k{i}_{j}":1' for j in range(5000)) + "}"


def twice(i: int) -> str:
    """60 kB of JSON that says one key again and again."""
    return "{" + ",".join(['"input":[{}]'] * 4000) + f',"k":{i}}}'


def searched(text: Callable[[int], str], names: Sequence[str] = SEARCHED) -> list[bytes]:
    """Different documents, where documents are searched."""
    return each(40, lambda i: Told({names[i % len(names)]: text(i)}), 10)


def in_json(attributes: bytes = b"[]", more: bytes = b"") -> list[bytes]:
    """One span of OTLP/JSON."""
    return [b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + JSON_SPAN + b'"attributes":' + attributes + more + b"}]}]}]}"]


def many(item: bytes, size: int = MB // 4) -> bytes:
    """A JSON array of one item over and over."""
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


HOSTILE: dict[str, Callable[[], list[bytes]]] = {
    "documents of many objects": lambda: searched(flat),
    "documents of many keys": lambda: searched(wide),
    "documents of one key": lambda: searched(twice),
    "documents that are deep": lambda: searched(lambda i: "[" * 30_000 + str(i) + "]" * 30_000),
    "documents that never end": lambda: searched(lambda i: f'{{"k{i}":' + "[" * 60_000),
    "documents where most keys are looked for": lambda: searched(wide, ["langfuse.observation.usage_details"]),
    "a document of a megabyte in every place": lambda: [request_of(Told({name: "[" + "1," * MB + "1]"})) for name in SEARCHED],
    "maps of many keys": lambda: each(
        50, lambda i: Told({SEARCHED[i % len(SEARCHED)]: {f"k{i}_{j}": j for j in range(3000)}}), 10
    ),
    "maps that are deep": lambda: each(
        2000, lambda i: Told({SEARCHED[i % len(SEARCHED)]: reduce(lambda inner, _: {"a": inner}, range(15), i)})
    ),
    "maps around maps": lambda: each(20, lambda i: Told({SEARCHED[0]: [{"a": [{"b": j} for j in range(500)]}] * 4 + [i]}), 5),
    "every name with a document": lambda: each(
        300, lambda i: Told(dict.fromkeys(DECODER.asked.attributes.slots, f'{{"input":{i}}}')), 20
    ),
    "one span with every name": lambda: [
        request_of(Told(dict.fromkeys(DECODER.asked.attributes.slots, 1))),
        *each(2000, lambda _: Told(USAGE)),
    ],
    "models nobody else has": lambda: each(2000, lambda i: Told({**USAGE, "gen_ai.request.model": f"gpt-4o-{i}"})),
    "models of ten kilobytes": lambda: each(400, lambda i: Told({**USAGE, "gen_ai.request.model": f"{i}" + "m" * 10_000})),
    "models of many parts": lambda: each(2000, lambda i: Told({**USAGE, "gen_ai.request.model": "azure/" * 40 + f"a:b:{i}"})),
    "providers nobody else has": lambda: each(2000, lambda i: Told({**USAGE, "gen_ai.provider.name": f"p{i}"})),
    "servers nobody else has": lambda: each(2000, lambda i: Told({**USAGE, "server.address": ".bedrock-" * 20 + f"{i}"})),
    "operations nobody knows": lambda: each(2000, lambda i: Told({**USAGE, "gen_ai.operation.name": f"op{i}"})),
    "names nobody knows": lambda: each(2000, lambda i: Told({f"x{i}.{j}.tokens": 5 for j in range(20)})),
    "one such name a record": lambda: each(2000, lambda i: Told({f"x{i % 7}.tokens": 5}), 1),
    "a hundred thousand such names": lambda: each(2, lambda i: Told({f"x{i}.{j}.tokens": 5 for j in range(100_000)}), 1),
    "a name that is nearly one": lambda: each(2, lambda i: Told({"token_coun" * 100_000 + str(i): 5}), 1),
    "a hundred thousand attributes": lambda: each(2, lambda _: Told({**USAGE, **{f"a{j}": j for j in range(100_000)}}), 1),
    "a hundred thousand events": lambda: each(
        2, lambda i: Told(USAGE, events=[("exception", 1, {"exception.type": f"e{i}{j}"}) for j in range(100_000)]), 1
    ),
    "a prompt of a million messages": lambda: [
        request_of(Told({**USAGE, "gen_ai.input.messages": "[" + '{"role":"user"},' * 1_000_000 + "{}]"}))
    ],
    "a hundred thousand numbered messages": lambda: each(
        1, lambda _: Told({**USAGE, **{f"gen_ai.prompt.{j}.content": "hi" for j in range(100_000)}})
    ),
    "parents of parents": lambda: [
        request_of(*(Told({"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 1}, parent=j) for j in range(8000)))
    ],
    "scopes nobody else has": lambda: [request_of(Told(USAGE), scope=f"s{i}") for i in range(2000)],
    "JSON of empty resources": lambda: [b'{"resourceSpans":' + many(b"{}") + b"}"],
    "JSON of empty scopes": lambda: [b'{"resourceSpans":[{"scopeSpans":' + many(b"{}") + b"}]}"],
    "JSON of empty attributes": lambda: in_json(many(b"{}")),
    "JSON of plain attributes": lambda: in_json(b"{" + b",".join(b'"k%d":1' % i for i in range(20_000)) + b"}"),
    "JSON of a plain list": lambda: in_json(b'{"usage":' + many(b"1") + b"}"),
    "JSON of plain lists in lists": lambda: in_json(b'{"usage":' + many(b"[[]]") + b"}"),
    "JSON of what nobody reads": lambda: in_json(b"[]", b',"zz":' + many(b"[]")),
    "JSON of a key again and again": lambda: in_json(b"{" + b",".join([b'"usage":{}'] * 20_000) + b"}"),
    "JSON that is deep": lambda: in_json(b'{"usage":' + b"[" * 900 + b"]" * 900 + b"}"),
    "JSON that never ends": lambda: [b'{"resourceSpans":' + b"[" * MB],
    "an array of requests": lambda: [many(b'{"batches":[]}')],
}


def decoded(payloads: Sequence[bytes]) -> int:
    """How many rows come out, of a batch that is cut as the stage cuts it."""
    batch, rows = [record(payload, i) for i, payload in enumerate(payloads)], 0
    for part in DECODER.parts(batch):
        outcome = DECODER.decode(part)
        assert keeps_law_a(outcome)
        rows += len(outcome.columns["kind"])
    return rows


def seconds(work: Callable[[], Any]) -> float:
    """CPU of this process, without its garbage collector: a full collection costs what the whole test run has made."""
    gc.collect()
    gc.disable()
    try:
        begin = time.process_time()
        work()
        return time.process_time() - begin
    finally:
        gc.enable()


@pytest.fixture(scope="module")
def honest() -> tuple[float, float]:
    """Seconds a byte and a span of the demo's calls."""
    payloads = [found.value or b"" for found in otlp_records(4000, around=False)]
    decoded(payloads)
    best = min(seconds(lambda: decoded(payloads)) for _ in range(3))
    return best / sum(map(len, payloads)), best / 4000


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_time_and_memory_grow_as_the_bytes_do(name: str, honest: tuple[float, float]) -> None:
    payloads = HOSTILE[name]()
    size, a_byte, a_span = sum(map(len, payloads)), *honest
    rows = 0

    def work() -> None:
        nonlocal rows
        rows = decoded(payloads)

    taken = seconds(work)
    slower = OF_JSON if payloads[0][:1] in (b"{", b"[") else SLOWER
    assert taken < slower * max(a_byte * size, a_span * max(rows, 100))
    tracemalloc.start()
    decoded(payloads)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LARGER * size + MARGIN_BYTES


def test_of_many_large_documents_only_what_is_asked_for_is_held() -> None:
    payloads = searched(flat)
    tracemalloc.start()
    decoded(payloads)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * sum(map(len, payloads)), "a parsed document of this kind is twenty times its bytes"


def test_a_thousand_times_the_values_are_a_thousand_times_the_list() -> None:
    payload = in_json(b'{"usage":' + many(b"1") + b"}")
    tracemalloc.start()
    decoded(payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30 * len(payload[0]), "a tree of messages beside the values is a hundred and sixty times their bytes"


Look = Callable[[str], Any]


def looks() -> Iterator[tuple[str, Look, str]]:
    """Every pattern that a text of a span is compared with, how it is, and what may end such a text: a name holds no new line."""
    kinds = (path for dialect in KIND_ORDER for path in dialect.kind)
    series = (path for column in SERIES_COLUMNS.values() for path in column.paths)
    for pattern in sorted({path.pattern for path in (*PATHS, *kinds, *series, *TEXTS) if path.pattern}):
        yield pattern, re.compile(pattern).search, "!\n"
    for _, pattern in vendors.HOSTS:
        yield pattern, re.compile(pattern).search, "!"
    for _, pattern in vendors.ONE_VENDOR:
        yield pattern, re.compile(pattern).match, "!"
    for value in vars(vendors).values():
        if isinstance(value, re.Pattern):
            yield value.pattern, value.fullmatch, "!"
    yield NOT_CALLS.pattern, NOT_CALLS.search, "!"
    yield CLASS.pattern, CLASS.fullmatch, "!"
    yield COUNT.pattern, COUNT.fullmatch, "!"


def pieces_of(pattern: str) -> Iterator[str]:
    """What may make it look back: its own words and signs, and what its classes take."""
    yield from re.findall(r"[a-z]+", pattern)
    yield from sorted(set(re.findall(r"[^\w\\]", pattern)))
    yield from ("a", "1", " ", "-", ".", "/", ":", "a.", "a-", ".a", "'", '"')


@pytest.mark.parametrize(("pattern", "look", "tails"), list(looks()))
def test_no_pattern_looks_back_in_squares(pattern: str, look: Look, tails: str) -> None:
    for piece, tail in product(pieces_of(pattern), ("", *tails)):
        short, long = (piece * (n // len(piece)) + tail for n in (1 << 10, 1 << 14))
        if looked(look, long) > 0.001:
            once = max(min(looked(look, short) for _ in range(3)), 5e-5)
            assert min(looked(look, long) for _ in range(3)) < 16 * 6 * once, piece


def looked(look: Look, text: str) -> float:
    """Seconds of CPU."""
    begin = time.process_time()
    look(text)
    return time.process_time() - begin


def test_a_pattern_that_looks_back_is_told() -> None:
    pattern = r"\w+c\d"
    with pytest.raises(AssertionError):
        test_no_pattern_looks_back_in_squares(pattern, re.compile(pattern).search, "!")
