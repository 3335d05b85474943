"""Decode once more, slow and obvious: loops over protobuf's generated classes, one span and one field at a time.

It shares with the decoder under test the tables of paths and the rules for one value (`read_*`), nothing else. The
classes are OTLP's own but with every string a bytes field, because one string that is no UTF-8 must not cost its
record. Only protobuf records are read; OTLP/JSON is compared with protobuf's own mapping elsewhere.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import orjson
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from pipeline.model.columns import BILLED, REQUEST_KINDS, SCHEMA_VERSION, SPEND, TOKENS
from pipeline.model.reasons import Reason
from pipeline.model.stream import Record
from pipeline.operators.decode.billing import read_biller
from pipeline.operators.decode.likes import MOST_ALIKE
from pipeline.operators.decode.money import MAX_COST_USD, MINUTE_NS
from pipeline.operators.decode.series import read_label
from pipeline.operators.decode.spans import DecodePolicy, Decoder
from pipeline.operators.decode.timing import MOST_NS
from pipeline.operators.decode.values import (
    MAX_JSON_BYTES,
    Reader,
    read_count,
    read_error,
    read_flag,
    read_instant,
    read_number,
    read_text,
    read_utf8,
    read_word,
    reader_of,
)
from pipeline.operators.decode.verdicts import MAX_TIME_NS, MIN_TIME_NS
from pipeline.operators.dialects.alike import FORMS, NO_USAGE
from pipeline.operators.dialects.dialect import ANY
from pipeline.operators.dialects.paths import INSTANT, NS_PER, Path
from pipeline.operators.dialects.vocabulary import (
    AGENT,
    ANSWER,
    KIND_ORDER,
    NAME_ORDER,
    NOT_CALLS,
    STRING_FIELDS,
    WEAK_TTFT,
    WEAK_TTFT_SCOPES,
    beside,
    estimates,
    field_paths,
    own_sums,
    sure_paths,
)
from pipeline.operators.pricing.billing import host_of, who_bills
from pipeline.operators.pricing.price import RATES, Bill, NoPrice, Price, Tier
from pipeline.operators.pricing.services import service_of
from tests.laws.reference_behaviour import citation, refusal, schema_valid
from tests.laws.reference_records import together

Row = dict[str, Any]
Death = tuple[int, int, Reason, int]
"""(offset of the record, index of the span or -1, reason, how many spans it stands for)"""


def _parser(root: Any) -> Any:
    """The class of message `root` in a pool of its own, with bytes wherever OTLP has strings."""
    pool = DescriptorPool()

    def add(file: Any) -> None:
        for dependency in file.dependencies:
            add(dependency)
        copied = FileDescriptorProto()
        file.CopyToProto(copied)
        for message in _nested(copied.message_type):
            for field in message.field:
                if field.type == FieldDescriptorProto.TYPE_STRING:
                    field.type = FieldDescriptorProto.TYPE_BYTES
        pool.Add(copied)

    add(root.file)
    return GetMessageClass(pool.FindMessageTypeByName(root.full_name))


def _nested(messages: Any) -> Iterator[Any]:
    for message in messages:
        yield message
        yield from _nested(message.nested_type)


Request = _parser(trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR)


@dataclass(frozen=True)
class Context:
    """One span with what surrounds it. Of attributes of one name the last counts, of events the first with a time.

    details: per (event, attribute) what the first event of that name that has the attribute says.
    """

    span: Any
    scope: bytes
    attributes: dict[bytes, Any]
    resource: dict[bytes, Any]
    events: dict[bytes, int]
    details: dict[tuple[bytes, bytes], Any]


def reference_decode(
    policy: DecodePolicy, records: Sequence[Record]
) -> tuple[list[Row], list[Death], list[tuple[int, int, int]]]:
    """Rows in order of the log, the dead, and per record (spans in, rows out, dead)."""
    known = {name for name in Decoder(policy, bytes(16)).asked.attributes.slots if not name.startswith("like:")}
    rows: list[Row] = []
    dead: list[Death] = []
    ledger = []
    for record in records:
        try:
            request = Request.FromString(record.value or b"")
        except DecodeError:
            dead.append((record.offset, -1, Reason.MALFORMED_PROTOBUF, 1))
            ledger.append((1, 0, 1))
            continue
        spans = list(_contexts(request, known))
        if len(spans) > policy.max_spans:
            dead.append((record.offset, -1, Reason.TOO_MANY_SPANS, 1))
            ledger.append((1, 0, 1))
            continue
        if not spans and _is_strange(request):
            dead.append((record.offset, -1, Reason.MALFORMED_PROTOBUF, 1))
            ledger.append((1, 0, 1))
            continue
        reasons = [_reason(policy, context.span, record) for context in spans]
        alive = [(context, _Said(policy, context)) for context, reason in zip(spans, reasons, strict=True) if reason is None]
        mothers = {context.span.parent_span_id for context, said in alive if said.kind in REQUEST_KINDS or said.is_evident_call}
        for context, said in alive:
            said.means = _meant(said, context.span.span_id in mothers)
        together([said for _, said in alive])
        rows += [_row(policy, context, record, said) for context, said in alive]
        for reason in set(reasons) - {None}:
            of_it = [index for index, found in enumerate(reasons) if found == reason]
            dead += [(record.offset, index, reason, 1) for index in of_it[: policy.dead_letters]]
            others = of_it[policy.dead_letters :]
            dead += [(record.offset, others[0], reason, len(others))] if others else []
        ledger.append((len(spans), reasons.count(None), len(spans) - reasons.count(None)))
    return rows, dead, ledger


def _is_strange(request: Any) -> bool:
    """Something above the spans has a field that OTLP does not know."""
    scopes = [scope for resource in request.resource_spans for scope in resource.scope_spans]
    return any(len(UnknownFieldSet(message)) for message in (request, *request.resource_spans, *scopes))


def _contexts(request: Any, known: Collection[str]) -> Iterator[Context]:
    for resource_spans in request.resource_spans:
        resource = {a.key: a.value for a in resource_spans.resource.attributes}
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                attributes = {a.key: a.value for a in span.attributes}
                attributes |= {b"\xfflike:" + _alike(a.key, known).encode(): a.value for a in span.attributes}
                events = {e.name: e.time_unix_nano for e in reversed(span.events) if e.time_unix_nano}
                details = {(e.name, a.key): a.value for e in reversed(span.events) for a in e.attributes}
                yield Context(span, scope_spans.scope.name, attributes, resource, events, details)


def _alike(name: bytes, known: Collection[str]) -> str:
    """What a name nobody told us means by its letters, "" for nothing."""
    if len(name) > MOST_ALIKE or name.decode("latin-1") in known:
        return ""
    telling = name[name.rfind(b".") + 1 :]
    for dot in (i for i, sign in enumerate(name) if sign == ord(".")):
        if name[:dot].lower().endswith(b"usage"):
            if dot > 5 and name[dot - 6 : dot - 5] != b".":
                return ""
            telling = name[dot + 1 :]
            break
    letters = bytes(sign for sign in telling.lower() if chr(sign).isascii() and chr(sign).isalnum()).decode()
    if any(word in name.lower().decode("latin-1") for word in NO_USAGE):
        return ""
    return next((meaning for meaning, forms in FORMS.items() if letters in forms), "")


def _reason(policy: DecodePolicy, span: Any, record: Record) -> Reason | None:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if len(span.trace_id) != 16 or span.trace_id == bytes(16):
        return Reason.BAD_TRACE_ID
    if len(span.span_id) != 8 or span.span_id == bytes(8) or len(span.parent_span_id) not in (0, 8):
        return Reason.BAD_SPAN_ID
    if not 0 < start < MAX_TIME_NS or not 0 < end < MAX_TIME_NS:
        return Reason.MISSING_TIME
    if start < MIN_TIME_NS or end < MIN_TIME_NS:
        return Reason.IMPLAUSIBLE_TIME
    if end < start:
        return Reason.NEGATIVE_DURATION
    if end - start > policy.max_duration_ns:
        return Reason.TOO_LONG
    away = record.timestamp_ns > 0 and abs(end - record.timestamp_ns) > policy.horizon_ns
    return Reason.BEYOND_HORIZON if away else None


class _Said:
    """What one span says by itself, before its record is looked at."""

    def __init__(self, policy: DecodePolicy, context: Context) -> None:
        self.context, self.limit = context, policy.max_text_bytes
        self.text = {name: self.first(field_paths(name), reader_of(name), "") for name in STRING_FIELDS}
        self.tokens, self.rule = _usage(self)
        self.kind, self.dialect = self._declared()
        self.evident = self.means = ""
        self.start, self.streamed = context.span.start_time_unix_nano, None
        known = self.tokens["input_tokens"] is not None or self.tokens["output_tokens"] is not None
        if not self.kind and ((self.text["model"] and known) or ((self.text["model"] or known) and self._is_sure())):
            self.evident = _operation_kind(self.text["operation"].lower())
            agent = self.first(AGENT, read_text) is not None and self.first(ANSWER, read_text) is None
            self.evident = "agent" if agent and self.evident == "llm" else self.evident

    def _is_sure(self) -> bool:
        """Whether a model or usage is said in a name that is not bare."""
        model = self.first(sure_paths("model"), reader_of("model"))
        counts = [self.first(sure_paths(name), read_count) for name in ("input_tokens", "output_tokens")]
        return model is not None or any(counts)

    @property
    def is_evident_call(self) -> bool:
        return self.evident in REQUEST_KINDS

    def first(self, paths: Sequence[Path], read: Reader, missing: Any = None) -> Any:
        return next((v for path in paths if (v := _read(self.context, path, read, self.limit)) is not None), missing)

    def first_told(self, paths: Sequence[Path], read: Reader) -> tuple[Any, Path | None]:
        return next(((v, path) for path in paths if (v := _read(self.context, path, read, self.limit)) is not None), (None, None))

    def scope(self) -> str:
        return _name(self.context.scope, read_text, self.limit) or ""

    def _declared(self) -> tuple[str, str]:
        said = {}
        for dialect in KIND_ORDER:

            def means(value: Any, limit: int, dialect: Any = dialect) -> str | None:
                word = read_word(value, limit)
                return None if word is None else dialect.kinds.get(word, dialect.kinds.get(ANY, "")) or None

            kind = self.first(dialect.kind, means, "")
            if not kind and self.scope().startswith(dialect.scopes or ("\0",)):
                word = _name(self.context.span.name, read_word, self.limit) or ""
                kind = dialect.span_names.get(word) or dialect.span_names.get(word.split(" ")[0], "")
            said[dialect.name] = kind
        kind = next((said[dialect.name] for dialect in KIND_ORDER if said[dialect.name]), "")
        return kind, next((dialect.name for dialect in NAME_ORDER if said[dialect.name]), "")


def _operation_kind(word: str) -> str:
    if "embed" in word:
        return "embedding"
    if "rerank" in word:
        return "reranker"
    return "chain" if NOT_CALLS.search(word) else "llm"


def _meant(said: _Said, is_mother: bool) -> str:
    """What a span is before its record is looked at, but for its children."""
    kind = said.kind or said.evident
    if said.is_evident_call and not said.kind:
        return "chain" if is_mother else "embedding" if kind == "llm" and "embed" in said.text["model"].lower() else kind
    return kind


def _row(policy: DecodePolicy, context: Context, record: Record, said: _Said) -> Row:
    span = context.span
    start, latency = said.start, span.end_time_unix_nano - said.start
    text = dict(said.text)
    user = text.pop("user_id")
    kind = said.means
    biller = said.first(field_paths("provider"), read_biller, text["provider"])
    asked, server = (said.first(field_paths(name), reader_of(name), "") for name in ("model_requested", "server_address"))
    bill = who_bills(biller, (text["model"], asked), server, policy.prices.knows)
    streamed = said.first(field_paths("stream"), read_flag, said.streamed)
    ttft = _ttft(said, latency, streamed)
    happened = _status(said)
    labels = {name: said.first(column.paths, partial(read_label, column), "") for name, column in policy.series.items()}
    unanswered = happened == "error" and said.tokens["output_tokens"] is None and ttft is None
    row: dict[str, Any] = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": span.parent_span_id.hex() if any(span.parent_span_id) else "",
        "start_ns": start,
        "end_ns": span.end_time_unix_nano,
        "latency_ns": latency,
        "kind": kind or "other",
        "dialect": said.dialect or ("unnamed" if kind else ""),
        "status": happened,
        "user_hash": blake2b(user.encode(), key=policy.user_key, digest_size=8).hexdigest() if user else "",
        "scope_name": said.scope(),
        "source": str(record.source),
        "offset": record.offset,
        "recorded_ns": record.timestamp_ns,
        "schema_version": SCHEMA_VERSION,
        "refusal": refusal(said, kind, happened, labels["language"], text["finish_reason"]),
        **text,
        "model_said": text["model"],
        "model_requested": asked,
        "provider_said": biller,
        "server_host": host_of(server),
        "model": bill.model,
        "provider": bill.provider,
        **labels,
        "stream": None if unanswered else True if streamed is None and ttft is not None else streamed,
        "ttft_ns": None if streamed is False else ttft,
        "usage_rule": said.rule,
        **_money(policy, bill, start, kind, said, happened == "error"),
    }
    return row | {"citation": citation(said, row, policy.expected), "schema_valid": schema_valid(said, row, policy.expected)}


def _status(said: _Said) -> str:
    code = said.context.span.status.code
    failed = said.first(field_paths("failed"), read_flag, False)
    named = said.first([path for path in field_paths("error_type") if path.where != "event"], read_error) is not None
    raised = said.context.events.get(b"exception", 0) > 0 and code != 1
    happened = said.context.events.get(b"exception", 0) > 0
    copied = code == 2 and not happened and said.first(field_paths("answered"), read_flag, False)
    if failed or named or raised or (code == 2 and not copied):
        return "error"
    return "ok" if code == 1 or copied else "unset"


def _usage(said: _Said) -> tuple[dict[str, Any], str]:
    """Tokens with every part inside its whole, and what decided it."""
    ages = ("cache_write_1h_tokens", "cache_write_5m_tokens")
    told = {name: said.first_told(field_paths(name), read_count) for name in (*TOKENS, "total_tokens", *ages)}
    tokens = {name: value for name, (value, _) in told.items()}
    total = tokens.pop("total_tokens")
    by_age = sum(tokens.pop(name) or 0 for name in ages)
    if tokens["cache_write_tokens"] is None and by_age:
        tokens["cache_write_tokens"] = by_age
    guessed = tokens["output_tokens"] == 0 and said.scope().startswith(estimates())
    if guessed or not (tokens["input_tokens"] or tokens["output_tokens"]):
        return dict.fromkeys(tokens), ""
    prompt, answer = tokens["input_tokens"], tokens["output_tokens"]
    cached = (tokens["cache_read_tokens"] or 0) + (tokens["cache_write_tokens"] or 0)
    thought = tokens["reasoning_tokens"] or 0
    plain = (prompt or 0) + (answer or 0)
    asked = bool(total) and prompt is not None and bool(cached or thought)
    rules = []
    for part, whole, names, own, other in (
        ("cache", "input_tokens", ("input_tokens", "cache_read_tokens", "cache_write_tokens"), cached, thought),
        ("reasoning", "output_tokens", ("output_tokens", "reasoning_tokens"), thought, cached),
    ):
        if not own or tokens[whole] is None:
            continue
        paths, scopes = beside(part)
        sure = (bool(scopes) and said.scope().startswith(scopes)) or any(told[name][1] in own_sums() for name in names)
        inside, outside = total in (plain, plain + other), total in (plain + own, plain + own + other)
        if asked and inside != outside and not (inside and (own > tokens[whole] or sure)):
            why, is_beside = "total", outside
        elif own > tokens[whole]:
            why, is_beside = "larger", True
        else:
            why, is_beside = "custom", sure or any(told[name][1] in paths for name in names)
        rules.append(f"{part} {'beside' if is_beside else 'inside'}: {why}")
        tokens[whole] += own if is_beside else 0
    rule = "; ".join(rules)
    if asked and total not in (plain, plain + cached, plain + thought, plain + cached + thought):
        rule = "unexplained_total"
    for whole, part in (("input_tokens", "audio_input_tokens"), ("output_tokens", "audio_output_tokens")):
        if tokens[whole] is not None and (tokens[part] or 0) > tokens[whole]:
            rule = "contradiction"
    return tokens, rule


def _money(policy: DecodePolicy, bill: Bill, start_ns: int, kind: str, said: _Said, failed: bool) -> Row:
    counts = said.tokens | {name: said.first(field_paths(name), read_count) for name in BILLED}
    known = counts["input_tokens"] is not None or counts["output_tokens"] is not None or bool(counts["searches"])
    claimed = said.first(field_paths("span_cost"), read_number)
    claimed_nusd = None if claimed is None or claimed > MAX_COST_USD else round(claimed * 1e9)
    request = kind in REQUEST_KINDS
    booked, rule, spend = None, "", dict.fromkeys(SPEND, 0)
    if request and (known or not failed):
        price = policy.prices.price(bill, service_of(said.text["service_tier"]), start_ns // MINUTE_NS * MINUTE_NS)
        by_call = isinstance(price, Price) and all(t.call > 0 and all(getattr(t, n) <= 0 for n in RATES) for t in price.tiers)
        if known and said.rule == "contradiction":
            rule = "usage contradicts itself"
        elif known or by_call:
            booked, rule, spend = _priced(price, bill.rule, {name: count or 0 for name, count in counts.items()})
    cost, source = None, ""
    if request and _is_cached(said):
        cost, source, rule = 0, "cached", "a reply from the gateway's own cache"
    elif request and claimed_nusd is not None and (policy.claims_first or booked is None):
        cost, source, rule = claimed_nusd, "span", rule if booked is None else "as the span claims"
    elif request:
        cost, source = booked, "book" if booked is not None else "unpriced" if known else ""
    return {
        **counts,
        "cost_nusd": cost,
        **(spend if source == "book" else dict.fromkeys(SPEND, 0)),
        "span_cost_nusd": claimed_nusd,
        "cost_source": source,
        "price_version": policy.prices.version if source == "book" else "",
        "price_rule": rule[:120],
    }


def _is_cached(said: _Said) -> bool:
    """The gateway's own cache answered."""
    sure, bare = (said.first(field_paths(name), read_flag) for name in ("reply_cached", "cache_hit"))
    of_prompt = any(said.tokens[name] for name in ("cache_read_tokens", "cache_write_tokens"))
    return bool(sure) or (sure is None and bool(bare) and not of_prompt)


KINDS = (
    ("input", "audio_input", "image_input"),
    ("cache_read", "audio_cache_read"),
    ("cache_write", "cache_write_1h"),
    ("output", "audio_output", "image_output"),
    ("reasoning",),
)
"""What each column of SPEND is for."""


def _priced(price: Price | NoPrice, decided: str, counts: Mapping[str, int]) -> tuple[int | None, str, dict[str, int]]:
    """Cost by the book, None with the reason where there is none, and what of it which kind of token costs."""
    nothing = dict.fromkeys(SPEND, 0)
    if isinstance(price, NoPrice):
        return None, price.why, nothing
    tier = [t for t in price.tiers if counts["input_tokens"] > t.above][-1]
    where = price.entry + (f" >{tier.above // 1000}k" if tier.above >= 0 else "")
    found = _cost(tier, counts)
    if isinstance(found, str):
        return None, f"no {found} rate: {where}" if found else "usage contradicts itself", nothing
    nusd, spend = found
    return (None, "more than a call can cost", nothing) if nusd > MAX_COST_USD * 10**9 else (nusd, f"{where} ({decided})", spend)


def _cost(tier: Tier, counts: Mapping[str, int]) -> tuple[int, dict[str, int]] | str:
    """Each part at its rate, picos rounded half up, and what of it which kind costs; the first part without a rate, "" if parts
    exceed their whole.
    """
    inside = [counts[f"{name}_tokens"] for name in ("cache_read", "cache_write", "audio_input", "image_input")]
    shown = [counts[f"{name}_tokens"] for name in ("audio_output", "image_output")]
    cached_audio = max(sum(inside) - counts["input_tokens"], 0)
    hour, thought = counts["cache_write_1h_tokens"], counts["reasoning_tokens"]
    if (
        cached_audio > min(inside[0], inside[2])
        or hour > inside[1]
        or max(sum(shown), thought) > counts["output_tokens"]
        or counts["searches"] > 100_000
    ):
        return ""
    thought = min(thought, counts["output_tokens"] - sum(shown))
    parts = {
        "input": max(counts["input_tokens"] - sum(inside), 0),
        "output": counts["output_tokens"] - sum(shown) - thought,
        "cache_read": inside[0] - cached_audio,
        "cache_write": inside[1] - hour,
        "cache_write_1h": hour,
        "audio_cache_read": cached_audio,
        "audio_input": inside[2] - cached_audio,
        "audio_output": shown[0],
        "image_input": inside[3],
        "image_output": shown[1],
        "reasoning": thought,
        "call": 1,
        "search": counts["searches"],
    }
    lacking = [name for name, count in parts.items() if count and getattr(tier, name) < 0]
    if lacking:
        return lacking[0]
    picos = {name: count * getattr(tier, name) if count else 0 for name, count in parts.items()}
    up_to = [sum(picos[name] for kind in KINDS[: i + 1] for name in kind) for i in range(len(KINDS))]
    nano = [0, *((upto + 500) // 1000 for upto in up_to)]
    return (sum(picos.values()) + 500) // 1000, dict(zip(SPEND, (b - a for a, b in pairwise(nano)), strict=True))


def _ttft(said: _Said, latency_ns: int, streamed: bool | None) -> int | None:
    context = said.context
    for path in field_paths("ttft_ns"):
        if path.is_time_of_event:
            when = context.events.get(path.name.encode(), 0)
            ttft = when - said.start if when else None
        elif path.unit == INSTANT:
            instant = _read(context, path, read_instant, said.limit)
            ttft = instant - said.start if instant and instant > 0 else None
        else:
            value = _read(context, path, read_number, said.limit)
            ttft = None if value is None else round(min(value, MOST_NS / NS_PER[path.unit or "s"]) * NS_PER[path.unit or "s"])
        weak = path.name in WEAK_TTFT and streamed is not True
        if weak and ttft is not None and (ttft >= latency_ns or said.scope().startswith(WEAK_TTFT_SCOPES)):
            continue
        if path.name in WEAK_TTFT and path.unit == "ms" and ttft is not None and ttft < 1_000_000:
            continue
        if ttft is not None and 0 <= ttft <= latency_ns:
            return int(ttft)
    return None


def _read(context: Context, path: Path, read: Reader, limit: int) -> Any:
    """The usable value at `path`, None if there is none."""
    if path.scopes and not (_name(context.scope, read_text, limit) or "").startswith(path.scopes):
        return None
    if path.is_time_of_event:
        return None
    if path.where in ("name", "scope"):
        return _string(context.span.name if path.where == "name" else context.scope, path, read, limit)
    if path.where == "event":
        value = context.details.get((path.name.encode(), path.keys[0].encode()))
        path = replace(path, keys=())
    else:
        name = (b"\xff" if path.where == "like" else b"") + path.attribute.encode()
        value = (context.resource if path.where == "resource" else context.attributes).get(name)
    if value is None:
        return None
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return _string(value.string_value, path, read, limit)
    if kind == "kvlist_value" and path.keys:
        return _scalar(_mapped(value), path, read, limit)
    if kind == "array_value" and path.keys in ((), ("0",)):
        elements = value.array_value.values
        text = bool(elements) and elements[0].WhichOneof("value") == "string_value"
        found = _name(elements[0].string_value, lambda text, _: text, limit) if text else None
        if found is not None and path.pattern:
            found = _captured(found, path.pattern)
        return None if found is None else read(found, limit)
    if path.keys or kind not in {"bool_value", "int_value", "double_value"}:
        return None
    number = getattr(value, kind)
    if path.pattern:
        number = _captured(number, path.pattern)
    return None if number is None else read(number, limit)


def _string(raw: bytes, path: Path, read: Reader, limit: int) -> Any:
    """A text, what its pattern captures, or the scalar under the keys in the JSON it holds."""
    if path.keys:
        text = read_utf8(raw) if len(raw) <= MAX_JSON_BYTES else None
        try:
            return _scalar(orjson.loads(text or ""), path, read, limit)
        except orjson.JSONDecodeError:
            return None
    if not path.pattern:
        return _name(raw, read, limit)
    text = read_utf8(raw) if len(raw) <= MAX_JSON_BYTES else None
    found = None if text is None else _captured(text, path.pattern)
    return None if found is None else read(found, limit)


def _scalar(document: Any, path: Path, read: Reader, limit: int) -> Any:
    for key in path.keys:
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and key.isdecimal() and len(key) < 6 and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    if not isinstance(document, str | bool | int | float):
        return None
    if path.pattern:
        document = _captured(document, path.pattern)
    return None if document is None else read(document, limit)


def _captured(value: str | bool | int | float, pattern: str) -> str | None:
    if isinstance(value, float):
        return None
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    found = re.search(pattern, text)
    return None if found is None else found[1] if found.re.groups else "true"


def _mapped(value: Any) -> Any:
    """A map as JSON would have said it; an empty one if any text in it is not UTF-8, or if it is too long."""
    try:
        return _plain(value) if value.ByteSize() <= MAX_JSON_BYTES else {}
    except UnicodeDecodeError:
        return {}


def _plain(value: Any) -> Any:
    match value.WhichOneof("value"):
        case "kvlist_value":
            return {pair.key.decode(): _plain(pair.value) for pair in value.kvlist_value.values}
        case "array_value":
            return [_plain(element) for element in value.array_value.values]
        case "string_value":
            return value.string_value.decode()
        case "bool_value" | "int_value" | "double_value" as kind:
            return getattr(value, kind)
        case _:
            return None


def _name(raw: bytes, read: Reader, limit: int) -> Any:
    """Text is looked at as far as four times the limit of a name."""
    text = read_utf8(raw[: 4 * limit], len(raw) <= 4 * limit)
    return None if text is None else read(text, limit)
