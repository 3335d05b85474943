"""Samples: which traces are chosen, and what of their content is found, in every dialect, and lets itself be hidden."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from pipeline.app.decode import sampling as sampling_of
from pipeline.errors import SettingsError
from pipeline.operators.decode.contents import ContentPolicy
from pipeline.operators.decode.sampled import Sampling
from pipeline.operators.redaction import redactor
from pipeline.operators.sampling import ALL, is_in, randomness, randomness_of, sampling_key
from pipeline.settings import Settings
from pipeline.stages.decode import Decode, Outputs
from tests.otlp import RECORDED, Told, decoder, record, request_of

DIALECTS = Path(RECORDED).parent / "dialects"
KEY = sampling_key("")
CAPITAL = "Paris is the capital of France."
TOWER = "The Eiffel Tower is 330 metres tall and stands in Paris [1]."


def everything(**changes: Any) -> Sampling:
    """All traces, texts as long as they come."""
    return Sampling(1.0, KEY, ContentPolicy(**{"text_bytes": 16384} | changes))


def samples(raw: bytes, sampling: Sampling | None = None) -> list[dict[str, Any]]:
    """The rows of samples of one record."""
    columns = decoder(sampling=sampling or everything()).decode([record(raw)]).samples
    values = {name: column.tolist() for name, column in columns.items()}
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


TALKS = {
    "aisdk4_basic": {"What is the capital of France?", "Name the capital of France."},
    "aisdk6_nested": {"Tell me about Paris.", "Summarise Paris", "What is the capital of France?"},
    "aisdk7_tools": {"How is the weather in Paris?"},
    "agents_oi": {"By responses?", "By responses, streamed?", "By chat?", "By chat, streamed?", "The weather in Paris?"},
    "haystack_oi": {"Capital of France?", "Streamed?"},
    "langfuse5": {"Capital of France?", "Told by hand?", "Capital of France through langchain?"},
    "langfuse_openai": {"What is the capital of France?"},
    "litellm_proxy_v1": {"Capital of France?", "Streamed?"},
    "mastra": {"What is the capital of France?", "How is the weather in Paris?"},
    "oinfjs_anthropic": {"What is the capital of France?"},
    "oinfjs_langchain": {"What is the capital of France?"},
    "olm_bedrock": {"Capital of France?"},
    "openlit_openai": {"Capital of France?", "By responses?"},
    "pydantic_openai_only": {"Capital of France?", "By responses?"},
    "pydantic_plain": {"Capital of France?", "The weather in Paris?", "Claude?"},
    "strands": {"Capital of France?", "The weather in Paris?", "Bedrock streamed?"},
    "tl_langchain_and_openai": {"What is the capital of France?"},
    "tl_openai": {"What is the capital of France?"},
    "traceai_agents": {"By responses?", "By chat?", "The weather in Paris?"},
    "traceai_anthropic": {"Capital of France?", "Streamed by create?"},
    "traceai_langchain": {"Capital of France?", "In a chain?"},
}
"""Recordings by name, and questions that were answered in them with CAPITAL."""


@pytest.mark.parametrize("name", TALKS)
def test_question_and_answer_are_found(name: str) -> None:
    rows = samples((DIALECTS / f"{name}.traces.001.pb").read_bytes())
    answered = {row["question"].strip() for row in rows if row["kind"] == "llm" and row["answer"].strip() == CAPITAL}
    assert answered >= TALKS[name]


@pytest.mark.parametrize(
    "name", ["oinf.traces.001", "otelgenai_content.traces.007", "traceai.traces.003", "traceloop.traces.004"]
)
def test_of_a_conversation_with_a_system_prompt_the_question_is_the_users(name: str) -> None:
    rows = samples((RECORDED / f"{name}.pb").read_bytes())
    answered = {row["question"] for row in rows if row["answer"].strip() == TOWER}
    assert "How tall is the Eiffel Tower?" in answered
    assert not any(question.startswith("Answer from context") for question in answered)


def test_documents_stand_on_the_span_of_the_retriever() -> None:
    rows = samples((RECORDED / "rag_oinf.traces.010.pb").read_bytes())
    found = [orjson.loads(row["documents"]) for row in rows if row["kind"] == "retriever"]
    assert found == [["The Eiffel Tower is 330 metres tall.", "It stands in Paris."]] * 2
    roots = [(row["question"], row["answer"].strip()) for row in rows if not row["parent_span_id"]]
    assert roots == [("How tall is the Eiffel Tower?", TOWER)] * 2


@pytest.mark.parametrize(
    ("name", "tool", "arguments", "result"),
    [
        ("aisdk6_tools", "weather", {"city": "Paris"}, '{"city":"Paris","sky":"clear","celsius":21}'),
        ("mastra", "weather", {"city": "Paris"}, '{"sky":"clear"}'),
        ("pydantic_plain", "get_weather", {"city": "Paris"}, "sunny"),
        ("traceai_agents", "get_weather", {"city": "Paris"}, "sunny"),
        ("agents_oi", "get_weather", {"city": "Paris"}, "sunny"),
    ],
)
def test_what_tools_were_given_and_gave(name: str, tool: str, arguments: Any, result: str) -> None:
    rows = [row for row in samples((DIALECTS / f"{name}.traces.001.pb").read_bytes()) if row["kind"] == "tool"]
    assert {(row["tool_name"], orjson.dumps(orjson.loads(row["tool_arguments"])), row["tool_result"]) for row in rows} == {
        (tool, orjson.dumps(arguments), result)
    }


LLM = {"openinference.span.kind": "LLM"}
FOUND = {"openinference.span.kind": "RETRIEVER"}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"output.value": '{"documents":[{"page_content":"a"},{"page_content":"b"}]}'}, ["a", "b"]),
        ({"gen_ai.retrieval.documents": '[{"id":"1","content":"a","score":0.5}]'}, ["a"]),
        ({"traceloop.entity.output": '{"matches":[{"id":"1","metadata":{"text":"a"}},{"metadata":{"text":"b"}}]}'}, ["a", "b"]),
        ({"output.value": '["a","b"]'}, ["a", "b"]),
        ({"output.value": "a"}, ["a"]),
        ({"output.value": '{"status":"ok"}'}, []),
        ({"retrieval.documents.0.document.content": "a", "retrieval.documents.1.document.content": "b"}, ["a", "b"]),
        ({}, []),
    ],
)
def test_documents_in_the_shapes_of_retrievers(given: dict[str, Any], found: list[str]) -> None:
    (row,) = samples(request_of(Told(FOUND | given)))
    assert row["documents"] == (orjson.dumps(found).decode() if found else "")


@pytest.mark.parametrize(
    ("given", "question"),
    [
        ({f"llm.input_messages.{i}.message.role": role for i, role in enumerate(("system", "user", "assistant", "user"))}
         | {f"llm.input_messages.{i}.message.content": f"said {i}" for i in range(4)}, "said 3"),
        ({"llm.input_messages.0.message.role": "user",
          "llm.input_messages.0.message.contents.0.message_content.text": "said"}, "said"),
        ({"gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"first"}]},{"role":"user","parts":'
                                   '[{"type":"tool_call_response","id":"1","response":"sunny"}]}]'}, "first"),
        ({"input.value": '{"messages":[[{"id":["langchain","schema","messages","HumanMessage"],"kwargs":{"content":"asked"}},'
                         '{"id":["langchain","schema","messages","AIMessage"],"kwargs":{"content":"called"}}]]}'}, "asked"),
        ({"input.value": '{"topic":"tides"}'}, '{"topic":"tides"}'),
        ({"input.value": ""}, ""),
    ],
)  # fmt: skip
def test_the_question_is_what_a_user_wrote_last(given: dict[str, Any], question: str) -> None:
    (row,) = samples(request_of(Told(LLM | given)))
    assert row["question"] == question


def test_of_more_messages_than_are_numbered_the_whole_is_asked() -> None:
    numbered = {f"llm.input_messages.{i}.message.role": "user" for i in range(12)}
    numbered |= {f"llm.input_messages.{i}.message.content": f"said {i}" for i in range(12)}
    (row,) = samples(request_of(Told(LLM | numbered | {"input.value": '{"messages":[{"role":"user","content":"said 40"}]}'})))
    assert row["question"] == "said 40"


def test_a_long_text_is_cut_and_says_so() -> None:
    (row,) = samples(request_of(Told(LLM | {"input.value": "é" * 200, "output.value": "short"})), everything(text_bytes=256))
    assert (row["question"], row["answer"], row["cut"]) == ("é" * 128, "short", True)


@pytest.mark.parametrize("text", ["\ud800".encode("utf-8", "surrogatepass"), b"\xff\xfe", b"[" * 200_000, b'{"role":' * 20_000])
def test_what_is_no_text_is_nothing_or_itself(text: bytes) -> None:
    marked = request_of(Told(LLM | {"input.value": "x" * len(text)})).replace(b"x" * len(text), text)
    for row in samples(marked):
        assert len(row["question"]) <= 16384


# Which traces.


def test_a_share_nests_in_every_larger_one_and_is_as_large_as_it_says() -> None:
    drawn = randomness(np.random.default_rng(7).integers(0, 256, (200_000, 16), np.uint8), KEY)
    shares = [np.asarray(is_in(drawn, rate)) for rate in (0.001, 0.02, 0.2, 1.0)]
    for rate, share in zip((0.001, 0.02, 0.2, 1.0), shares, strict=True):
        assert abs(share.mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / len(drawn))
    assert all((smaller <= larger).all() for smaller, larger in pairwise(shares))


def test_what_was_sampled_by_its_own_bits_before_is_sampled_evenly_again() -> None:
    ids = np.random.default_rng(7).integers(0, 256, (50_000, 16), np.uint8)
    ids[:, 9] |= 0xF0  # an upstream sampler kept the largest sixteenth
    assert abs(np.asarray(is_in(randomness(ids, KEY), 0.1)).mean() - 0.1) < 0.007


def test_one_id_and_many_agree_and_the_key_decides() -> None:
    ids = np.random.default_rng(1).integers(0, 256, (50, 16), np.uint8)
    assert [randomness_of(row.tobytes().hex(), KEY) for row in ids] == randomness(ids, KEY).tolist()
    assert randomness(ids, KEY).tolist() != randomness(ids, sampling_key("another")).tolist()
    assert not is_in(ALL - 1, 0.0)
    assert is_in(0, 1.0)


def test_every_span_of_a_chosen_trace_is_there_and_none_of_another() -> None:
    batch = [record((RECORDED / "oinf.traces.001.pb").read_bytes(), 1)]
    half = decoder(sampling=Sampling(0.5, KEY, ContentPolicy(1024))).decode(batch)
    by_trace = Counter(half.columns["trace_id"].tolist())
    chosen = Counter(half.samples["trace_id"].tolist())
    assert 0 < len(chosen) < len(by_trace)
    assert all(is_in(randomness_of(trace, KEY), 0.5) and by_trace[trace] == n for trace, n in chosen.items())
    assert all(trace in chosen for trace in by_trace if is_in(randomness_of(trace, KEY), 0.5))


def test_blocks_go_to_the_partition_of_their_spans() -> None:
    stage = Decode(decoder(sampling=everything()), Outputs("spans", "dead", "ledger", 3, 2, 7))
    messages = stage.step([record((RECORDED / "oinf.traces.001.pb").read_bytes())], 0).messages
    where: dict[str, dict[str, int]] = {"spans": {}, "samples": {}}
    for message in messages:
        if message.topic in where:
            where[message.topic] |= dict.fromkeys(orjson.loads(message.value)["trace_id"], message.partition)
    assert where["samples"] == where["spans"]
    assert len(set(where["spans"].values())) > 1


# Who hides what.


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("email", "write to ann.b+c@mail.example.org now", "write to [email] now"),
        ("card", "4111 1111 1111 1111 or 4111-1111-1111-1112", "[card] or 4111-1111-1111-1112"),
        ("iban", "to DE89 3704 0044 0532 0130 00 please", "to [iban] please"),
        ("ip", "from 192.168.17.4, 2001:db8:0:0:0:0:2:1.", "from [ip], [ip]."),
        ("phone", "call +49 (0)30 1234567 or 030 / 123 45 67", "call [phone] or [phone]"),
        ("key", "use sk-abcdefghijklmnop1234 and Bearer abcdefghijklmnop.qrst", "use [key] and [key]"),
        ("email", "nobody@ at home, 3.14159 and 2026-11-30T05:50:23", "nobody@ at home, 3.14159 and 2026-11-30T05:50:23"),
        ("email", f"{'a' * 100}+b@mail.example.org+c@mail.example.org", "[email]"),
        ("key", f"session-eyJ{'a' * 20}.{'b' * 30}.{'c' * 20}; eyJ-no, {'eyJ-' * 100}", f"[key]; eyJ-no, {'eyJ-' * 100}"),
        (
            "key",
            f"a.eyJ{'a' * 20}.{'b' * 30}..{'c' * 20}.eyJ{'d' * 20}.{'e' * 4000}.{'f' * 2000}",
            f"a.eyJ{'a' * 20}.{'b' * 30}..{'c' * 20}.[key]",
        ),
        ("phone", "the year 2026, 12345 and 3.14159265358979", "the year 2026, 12345 and 3.14159265358979"),
    ],
)
def test_patterns_hide_what_they_name(name: str, text: str, left: str) -> None:
    assert redactor([name])(text) == left


def shout(text: str) -> str:
    return text.upper()


def fail(text: str) -> str:
    raise ValueError(text)


def test_a_function_of_the_users_own_is_asked_first() -> None:
    chosen = sampling_of(Settings(redact="email", redact_with=f"{__name__}:shout"))
    assert chosen is not None
    (row,) = samples(
        request_of(Told(LLM | {"input.value": "ask a@b.de", "output.value": "ok"})), Sampling(1.0, KEY, chosen.content)
    )
    assert (row["question"], row["answer"]) == ("ASK [email]", "OK")


def test_where_it_fails_nothing_gets_through() -> None:
    chosen = sampling_of(Settings(redact_with=f"{__name__}:fail"))
    assert chosen is not None
    (row,) = samples(
        request_of(Told(LLM | {"input.value": "secret", "output.value": "secret"})), Sampling(1.0, KEY, chosen.content)
    )
    assert "secret" not in repr(row)
    assert row["cut"] is True


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"redact": "emial"}, "TAILRACE_REDACT: there is no pattern emial; there are email, "),
        ({"redact_with": "no.such.module:f"}, "TAILRACE_REDACT_WITH=no.such.module:f: No module named"),
        ({"redact_with": "pipeline.topics"}, "it must be package.module:function"),
    ],
)
def test_a_wrong_redaction_is_an_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        sampling_of(Settings(**settings))


def test_without_a_ceiling_nothing_is_sampled() -> None:
    assert sampling_of(Settings(sample_ceiling=0)) is None
    assert decoder(sampling=None).decode([record((RECORDED / "oinf.traces.001.pb").read_bytes())]).samples == {}


@pytest.mark.parametrize("bomb", ["[" * 300 + "]" * 300, '{"a":' * 1000 + "1" + "}" * 1000, "[" * 1_000_000], ids=len)
@pytest.mark.parametrize(
    "base", [LLM, FOUND, {"openinference.span.kind": "TOOL", "tool.name": "x"}], ids=lambda base: str(base)[-20:]
)
def test_json_nested_without_end_is_read_past(base: dict[str, Any], bomb: str) -> None:
    places = dict.fromkeys(("input.value", "output.value", "gen_ai.input.messages", "gen_ai.tool.call.arguments"), bomb)
    (row,) = samples(request_of(Told(base | places | {"retrieval.documents.0.document.content": bomb})))
    assert row["trace_id"]


def test_documents_that_fill_a_message_are_cut_to_the_first_that_fit() -> None:
    """A control character is seven bytes in a block; Kafka takes no message over 16 MiB, and who cannot write stands still."""
    texts = {f"retrieval.documents.{i}.document.content": f"{i:02}" + "\x01" * 262_142 for i in range(20)}
    (row,) = samples(request_of(Told(FOUND | texts)), everything(text_bytes=262_144))
    assert row["cut"]
    assert len(orjson.dumps(row)) < 2 << 20
    short = {f"retrieval.documents.{i}.document.content": f"{i:02}" + "\x01" * 20_000 for i in range(20)}
    (row,) = samples(request_of(Told(FOUND | short)), everything(text_bytes=262_144))
    assert [text[:2] for text in orjson.loads(row["documents"])] == [f"{i:02}" for i in range(8)]
    assert row["cut"]
