"""Requests nobody would send, built on the wire: known fields, wrong types, twice, in any order, and unknown ones.

`built` makes one from nothing, `mutated` from what was recorded. Both draw from a `Random`, which Hypothesis can play
(and shrink) or a seed can.
"""

import struct
from collections.abc import Callable, Sequence
from random import Random

from pipeline.operators.decode.wire import FIXED32, FIXED64, LENGTH, VARINT
from tests.otlp import DECODER

Draw = Callable[[Random, int], bytes]
"""Makes one field, tag included, given how deep messages may still nest."""

START_NS = 1_795_405_220_000_000_000

NAMES = [name.encode() for name in (*DECODER.asked.attributes.slots, *DECODER.asked.details.slots)]
LIKE = [
    *(b"acme.usage.cacheReadInputTokens", b"llm.Input_Tokens", b"x.usage.prompt_tokens", b"my_usage.input_tokens", b"TTFT_MS"),
    *(b"a.b.c.reasoning-tokens", b"usage.output.tokens", b"session.input_tokens", b"y.usage.input_tokens_details"),
    *(
        b".ttft",
        b"a.usage.",
        b"x" * 95 + b".ttft",
        b"x" * 96 + b".ttft",
        b"caf\xc3\xa9.total_tokens",
        b"usage.usage.cached_tokens",
    ),
    *(b"a.usage.b.usage.total_tokens", b"z.ttf_t.", b"z.ttf_t"),
]
NAMES += LIKE * 3
"""Names that are read by their letters, or nearly; so often that they meet."""

EVENTS = [*(name.encode() for name in DECODER.asked.events.slots), b"exception"]

TEXTS = [
    *(b"", b"LLM", b"chat", b"EMBEDDING", b"TOOL", b"gpt-4o-mini", b"claude-sonnet-4-5", b"openai", b"anthropic"),
    *(b"true", b"False", b"0.25", b"57", b"1e400", b"nan", b"-1", b" 19", b"99999999999999"),
    *(b"\xff", b"gpt\x80", b"\xed\xa0\x80", b"caf\xc3\xa9", b"a\x00b", b"\x1b[31m", b"x" * 300, "é".encode() * 600),
    *(b"{}", b"[1]", b'"route"', b"{", b'{"route": "rag", "cohort": 7}', b'  {"route": null, "stream": true}'),
    *(b"responses", b"invoke_agent", b"ERROR", b"none", b"<class 'a.B'>", b'["stop"]', b'"2026-11-23T10:00:20.480Z"', b"57.0"),
    *(b'{"input": 25, "output": 14, "total": 76, "anthropic": {"cacheReadInputTokens": 32}}', b'{"a": [{"b": 1}]}'),
    *(b'{"stream": "TRUE", "model": "gpt-4o"}', b'{"route": {"a": 1}, "release": 1.5}', b'{"a": "\xff"}', b"[" * 2000),
    *(b"{" + b" " * 70_000 + b"}", b'\xe2\x80\x83{"route": "x"}', b"x" * 1023 + b"\xc3\xa9", b"y" * 1023 + b"\xff\xff"),
]
ANSWERS = [
    *(b"I'm sorry, but I cannot help with that.", b"Paris is the capital of France.", b"Das kann ich Ihnen leider nicht sagen."),
    *(
        b'[{"role":"assistant","parts":[{"type":"text","content":"I can\'t help with that."}]}]',
        b'[{"role":"assistant","parts":[]}]',
    ),
    *(
        b'{"choices":[{"message":{"content":null,"refusal":"No."}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"Paris"}]}}]}',
    ),
    *(
        b'{"content":[{"type":"tool_use","name":"x"}],"role":"assistant"}',
        b'{"prompt_feedback":{"block_reason":"SAFETY"},"lc":1}',
    ),
    *(
        b'"It is the capital of France [1]."',
        b"\xe3\x81\x99\xe3\x81\xbf\xe3\x81\xbe\xe3\x81\x9b\xe3\x82\x93",
        b"I cannot provide " + b"x" * 20_000,
    ),
    *(
        b'{"response_format":{"type":"json_object"},"tools":[{"type":"web_search"}]}',
        b'{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","required":["city"]}}}}',
        b'{"type":"object","required":["country"]}',
        b'{"$ref":"https://schemas.test/x"}',
        b'{"city": "Paris"}',
        b'[{"role":"assistant","parts":[{"type":"text","content":"{\\"city\\": 1, \\"country\\": 2}"}]}]',
        b"json",
        b"object",
        b"perplexity",
    ),
    *(b"content_filter", b"tool_calls", b"SAFETY", b'[{"role":"user","content":"I cannot help"}]', b'[["a"]]'),
]
TEXTS += ANSWERS
INTS = [0, 1, 2, 3, 19, 57, -1, 1 << 31, 10**9, 10**9 + 1, 1 << 62, (1 << 63) - 1, -(1 << 63)]
DOUBLES = [0.0, 0.15, 57.0, -1.0, 1e300, float("nan"), float("inf"), 5e-324]
TIMES = [
    0,
    1,
    START_NS // 10**6,
    946_684_800 * 10**9 - 1,
    946_684_800 * 10**9,
    START_NS,
    START_NS + 1,
    START_NS + 400_000_000,
    START_NS + 8 * 86400 * 10**9,
    1 << 63,
]
IDS = [b"", bytes(8), bytes(16), b"\x01" * 7, b"\x01" * 8, b"\x01" * 16, b"\x01" * 17]

BROKEN = [
    *(b"\x00", b"\x07", b"\x0e", b"\x0c", b"\x0b", b"\x0b\x14", b"\x0a", b"\x0a\x05abc", b"\x08\x80", b"\x09\x01\x02"),
    *(b"\x0a\x80\x80\x80\x80\x10", b"\x08" + b"\xff" * 10 + b"\x01", b"\xf8\xff\xff\xff\x1f\x01", b"\x0a\xff\xff\xff\xff\x07"),
    *(b"\x88\x80\x80\x80\x80\x00\x01", b"\x0b\x0b\x0c"),
]
"""Fields that protobuf refuses, most of them."""

ODD = [
    *(b"\x0b\x0c", b"\x0b\x13\x08\x01\x14\x0c", b"\x93\x01\x0a\x02hi\x94\x01", b"\x8b\x80\x01\x8c\x80\x01"),  # groups
    *(b"\x88\x80\x00\x01", b"\x48\x81\x00", b"\x50\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),  # longer than need be
]


def varint(value: int) -> bytes:
    """A number modulo 2^64, seven bits a byte."""
    value, out = value % (1 << 64), bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def lengthy(field: int, content: bytes) -> bytes:
    """A field with a length: text, bytes or a message."""
    return varint(field << 3 | LENGTH) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    """A varint field."""
    return varint(field << 3 | VARINT) + varint(value)


def fixed(field: int, value: int) -> bytes:
    """A fixed64 field."""
    return varint(field << 3 | FIXED64) + struct.pack("<Q", value)


def _one(field: int, choices: Sequence[bytes]) -> Draw:
    return lambda random, depth: lengthy(field, random.choice(choices))


def _number(field: int, choices: Sequence[int]) -> Draw:
    return lambda random, depth: number(field, random.choice(choices))


def _time(field: int) -> Draw:
    return lambda random, depth: fixed(field, random.choice(TIMES))


def _double(random: Random, depth: int) -> bytes:
    return b"\x21" + struct.pack("<d", random.choice(DOUBLES))


def _inner(field: int, name: str) -> Draw:
    return lambda random, depth: lengthy(field, built(random, name, depth - 1)) if depth > 0 else b""


MESSAGES: dict[str, tuple[Draw, ...]] = {
    "request": (_inner(1, "resource_spans"),),
    "resource_spans": (_inner(2, "scope_spans"), _inner(2, "scope_spans"), _inner(1, "resource"), _one(3, TEXTS)),
    "resource": (_inner(1, "attribute"), _inner(1, "attribute"), _inner(3, "noise")),
    "scope_spans": (_inner(2, "span"), *(_inner(2, "good_span") for _ in range(4)), _inner(1, "scope")),
    "scope": (_one(1, TEXTS), _inner(3, "attribute")),
    "span": (
        *(_inner(9, "attribute") for _ in range(8)),
        *(_inner(11, "event"), _inner(13, "link"), _inner(15, "status"), _one(4, IDS), _one(1, IDS), _one(2, IDS)),
        *(_time(7), _time(8)),
    ),
    "event": (_time(1), _one(2, EVENTS), _one(2, EVENTS), _inner(3, "attribute")),
    "status": (_number(3, INTS), _one(2, TEXTS)),
    "link": (_one(1, IDS), _inner(4, "attribute")),
    "attribute": (_one(1, NAMES), _inner(2, "value"), _inner(2, "value"), _number(3, INTS)),
    "value": (
        *(_one(1, TEXTS), _one(1, TEXTS), _number(2, INTS), _number(3, INTS), _double),
        *(_inner(5, "array"), _inner(6, "list"), _one(7, TEXTS), _number(8, INTS)),
    ),
    "array": (_inner(1, "value"), _inner(1, "value")),
    "list": (_inner(1, "attribute"),),
    "noise": (),
}
"""Fields of each message; a field named twice is drawn twice as often."""

GOOD = {
    "good_span": lengthy(1, bytes(range(16)))
    + lengthy(2, bytes(range(8)))
    + lengthy(4, b"parentid")
    + fixed(7, START_NS)
    + fixed(8, START_NS + 400_000_000),
    "attribute": b"",
}
USUAL = [
    *(
        lengthy(1, name) + lengthy(2, lengthy(1, text))
        for name, text in ((b"gen_ai.operation.name", b"chat"), (b"route", b"rag"))
    ),
    *(lengthy(1, b"openinference.span.kind") + lengthy(2, lengthy(1, b"LLM")) for _ in range(3)),
    *(lengthy(1, b"gen_ai.request.model") + lengthy(2, lengthy(1, model)) for model in (b"gpt-4o-mini", b"gpt-4o", b"mine")),
    *(lengthy(1, name) + lengthy(2, number(3, 1000)) for name in NAMES if b"token" in name),
    *(
        lengthy(1, name) + lengthy(2, lengthy(1, text))
        for name in (b"output.value", b"gen_ai.output.messages", b"llm.output_messages.0.message.content")
        for text in ANSWERS
    ),
]
"""Attributes without which a span has neither usage nor cost, and no answer."""

MESSAGES["good_span"] = (*MESSAGES["span"][:9], *(_one(9, USUAL) for _ in range(6)))


def built(random: Random, name: str = "request", depth: int = 12) -> bytes:
    """A message of that name."""
    if name == "attribute" and random.random() < 0.6:
        return lengthy(1, random.choice(NAMES)) + _inner(2, "value")(random, depth)
    if name == "value" and random.random() < 0.6:
        return random.choice(MESSAGES["value"][:5])(random, depth)
    fields = (*MESSAGES[name], *((_noise,) if random.random() < 0.1 else ()))
    count = random.randrange(12 if "span" in name else 4)
    return GOOD.get(name, b"") + b"".join(random.choice(fields)(random, depth) for _ in range(count) if fields)


def _noise(random: Random, depth: int) -> bytes:
    """A field of another number or type than its message has, rarely one that protobuf refuses."""
    field = random.choice([*range(1, 20), 1 << 16, (1 << 29) - 1])
    return random.choice(
        [
            number(field, random.choice(INTS)),
            fixed(field, random.choice(TIMES)),
            varint(field << 3 | FIXED32) + b"four",
            lengthy(max(field, 14), random.choice(TEXTS)),
            random.choice(ODD),
            random.choice(BROKEN) if random.random() < 0.3 else b"",
        ]
    )


def mutated(random: Random, corpus: Sequence[bytes]) -> bytes:
    """One of the corpus after one to four edits: a flipped byte, a cut, a splice, something put in, a stretch repeated."""
    raw = bytearray(random.choice(corpus))
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        at = random.randrange(len(raw) + 1)
        width = min(random.randrange(1, 24), len(raw) - at)
        edit = random.randrange(10)
        if edit <= 3 and at < len(raw):
            raw[at] ^= 1 << random.randrange(8)
        elif edit <= 5 and at < len(raw):
            raw[at] = random.randrange(256)
        elif edit == 6:
            del raw[at : at + width]
        elif edit == 7:
            raw[at:at] = random.randbytes(random.randrange(1, 8))
        elif edit == 8:
            raw[at:at] = raw[at : at + width]
        else:
            other = random.choice(corpus)
            start = random.randrange(len(other) + 1)
            raw[at : at + width] = other[start : start + random.randrange(64)]
    return bytes(raw[: random.randrange(len(raw) + 1)]) if random.random() < 0.05 else bytes(raw)


def with_true_lengths(random: Random, corpus: Sequence[bytes]) -> bytes:
    """A request of one span with a few of the attributes in `corpus`, one of them mutated; the frame around them is whole."""
    attributes = [*random.choices(corpus, k=4), mutated(random, corpus)]
    return lengthy(1, lengthy(2, lengthy(2, GOOD["good_span"] + b"".join(lengthy(9, a) for a in attributes))))
