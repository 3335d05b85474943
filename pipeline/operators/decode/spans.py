"""OTLP records to rows of span blocks and dead letters.

Law (a): per record, spans in = rows out + dead. A record or span that cannot be understood is a row of the dead
letters with its reason; the others of its record go on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import REQUEST_KINDS, SCHEMA_VERSION
from pipeline.model.reasons import Reason
from pipeline.model.stream import Record
from pipeline.operators.decode.accounts import Account, DeadSpan, ledger
from pipeline.operators.decode.behaviour import NOTHING_MORE, Expected, behaviour
from pipeline.operators.decode.billing import Biller
from pipeline.operators.decode.documents import keys_of
from pipeline.operators.decode.kinds import UNNAMED, evident_kinds, have_unknown_words, said_kinds, status
from pipeline.operators.decode.language import TEXTS, Detect
from pipeline.operators.decode.money import Said, billed_parts, cached_replies, claimed_nusd, money
from pipeline.operators.decode.otlp_json import TooManySpansError, to_protobuf
from pipeline.operators.decode.resolve import Column, Resolver, nullable, one_of
from pipeline.operators.decode.sampled import NUMBERED_PATHS, Sampling, sampled
from pipeline.operators.decode.scan import MALFORMED, TOO_MANY, Asked, Scan, count_spans, scan
from pipeline.operators.decode.series import series
from pipeline.operators.decode.sought import Sought
from pipeline.operators.decode.strange import is_strange
from pipeline.operators.decode.timing import timing
from pipeline.operators.decode.together import together
from pipeline.operators.decode.unread import unread
from pipeline.operators.decode.usage import DOUBTFUL, Usage, usage
from pipeline.operators.decode.values import OTHER, read_class, reader_of
from pipeline.operators.decode.verdicts import ALIVE, OF_SPAN, implausible, told, verdicts
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.series import SeriesColumn
from pipeline.operators.dialects.vocabulary import AGENT, ANSWER, KIND_ORDER, STRING_FIELDS, field_paths, fields
from pipeline.operators.pricing.price import PriceBook
from pipeline.operators.siphash import key_from

MEDIA_CHARS = 80
"""Of what a record claims to be; a header is no more to be trusted than a span."""

STRANGE = "no spans, and fields that an ExportTraceServiceRequest has not"

JSON_TYPES = ("application/json",)
PROTOBUF_TYPES = ("application/x-protobuf", "application/protobuf", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class DecodePolicy:
    """What decode goes by. Sizes in bytes, durations in nanoseconds.

    max_spans: of a record that is decoded at all. batch_spans: decoded at once, passed by at most one record.
    dead_letters: of one record and reason; one more stands for all the others.
    claims_first: what a span says that it cost counts before the price book.
    user_key: of the users' hashes, at most 64 bytes, secret; without one users leave no trace.
    detect: reads a text as its language, for calls that tell none; None: they have none.
    expected: what is expected of answers beside what their requests say.
    sampling: of which traces the content is kept too; None: of none.
    horizon_ns: how far the end of a span may be from the time of its record, before or after; a record without a time has none.
    """

    series: Mapping[str, SeriesColumn]
    prices: PriceBook
    claims_first: bool
    encoding: str
    max_record_bytes: int
    max_spans: int
    batch_spans: int
    dead_letters: int
    max_text_bytes: int
    max_duration_ns: int
    horizon_ns: int
    keep_raw: bool
    user_key: bytes = field(repr=False)
    detect: Detect | None = None
    expected: Expected = NOTHING_MORE
    sampling: Sampling | None = None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The outcome of a batch: columns of all rows, those of the samples among them, the dead, and an account of every record."""

    columns: dict[str, Column]
    samples: dict[str, Column]
    dead: list[DeadSpan]
    ledger: list[Account]


class Decoder:
    """Decodes batches under one policy; the name tables are built once.

    secret: 16 random bytes, so that no sender can aim at the tables of strings. What comes out does not depend on it.
    """

    def __init__(self, policy: DecodePolicy, secret: bytes) -> None:
        self.key = key_from(secret)
        self.policy = policy
        self.biller = Biller(policy.prices)
        self.fields = {name: field_paths(name) for name in fields()}
        self.asked = asked(
            *(path for found in self.fields.values() for path in found),
            *(path for column in policy.series.values() for path in column.paths),
            *(TEXTS if policy.detect else ()),
            *(path for dialect in KIND_ORDER for path in dialect.kind),
            *(*AGENT, *ANSWER),
            *(NUMBERED_PATHS if policy.sampling else ()),
        )
        self.sought = Sought.of(self.fields, self.asked)

    def decode(self, records: Sequence[Record]) -> Decoded:
        """Decode a batch. Never raises for what a record holds."""
        resolver, dead = self.open(records)
        columns, names = self.columns(resolver, records)
        samples = (
            {} if self.policy.sampling is None else sampled(resolver, self.sought.seen(resolver), columns, self.policy.sampling)
        )
        return Decoded(columns, samples, dead, ledger(records, resolver, dead, names, one_of(columns["usage_rule"], DOUBTFUL)))

    def open(self, records: Sequence[Record]) -> tuple[Resolver, list[DeadSpan]]:
        """What can be read of a batch, as a resolver over the spans that become rows, and the dead."""
        dead: list[DeadSpan] = []
        emptied: dict[tuple[int, int], str] = {}
        payloads = [self._payload(i, record, dead, emptied) for i, record in enumerate(records)]
        scanned = scan(payloads, self.asked, self.policy.max_spans)
        dead += [
            DeadSpan(record, -1, *self._failure(int(failed)))
            for record, failed in zip(records, scanned.failed, strict=True)
            if failed
        ]
        dead += [DeadSpan(records[i], -1, Reason.MALFORMED_PROTOBUF, STRANGE) for i in _strange(payloads, scanned)]
        fates = verdicts(scanned, _recorded(records), emptied, self.policy.max_duration_ns, self.policy.horizon_ns)
        rows = np.flatnonzero(fates == ALIVE)
        for i, count in told(scanned.spans["record"], fates, self.policy.dead_letters):
            record, index = int(scanned.spans["record"][i]), int(scanned.spans["index"][i])
            reason = OF_SPAN[fates[i] - 1]
            detail = emptied.get((record, index), "")
            if reason is Reason.IMPLAUSIBLE_TIME:
                detail = implausible(int(scanned.spans["start_ns"][i]), int(scanned.spans["end_ns"][i]))
            dead.append(DeadSpan(records[record], index, reason, detail, count))
        return Resolver(scanned, self.asked, rows, self.policy.max_text_bytes, self.key), dead

    def parts(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """The batch in pieces that are small enough to be decoded at once, whatever the records hold; a piece is one piece."""
        begin = held = 0
        for i, record in enumerate(records):
            spans = self._spans_in(record)
            if i > begin and held + spans > self.policy.batch_spans:
                yield records[begin:i]
                begin, held = i, 0
            held += spans
        if records:
            yield records[begin:]

    def _spans_in(self, record: Record) -> int:
        """At least as many as come out of the record, and 1 for one without. JSON has at most one between two commas."""
        value = record.value or b""
        if len(value) > self.policy.max_record_bytes:
            return 1
        json = encoding_of(record, self.policy.encoding) == "json"
        return max(1, min(value.count(b",") + 1 if json else count_spans(value), self.policy.max_spans))

    def _payload(self, i: int, record: Record, dead: list[DeadSpan], emptied: dict[tuple[int, int], str]) -> bytes:
        """The record as protobuf; empty, with a dead letter, if it cannot be had."""
        value = record.value or b""
        if len(value) > self.policy.max_record_bytes:
            dead.append(DeadSpan(record, -1, Reason.TOO_LARGE, f"{len(value)} bytes"))
            return b""
        encoding = encoding_of(record, self.policy.encoding)
        if encoding == "protobuf":
            return value
        if encoding == "json":
            try:
                payload, wrong = to_protobuf(value, self.policy.max_spans)
            except TooManySpansError:
                dead.append(DeadSpan(record, -1, *self._failure(TOO_MANY)))
                return b""
            except ValueError as error:
                dead.append(DeadSpan(record, -1, Reason.MALFORMED_JSON, str(error)))
                return b""
            emptied.update({(i, index): detail for index, detail in wrong.items()})
            return payload
        dead.append(DeadSpan(record, -1, Reason.UNKNOWN_ENCODING, encoding))
        return b""

    def _failure(self, failed: int) -> tuple[Reason, str]:
        if failed == MALFORMED:
            return Reason.MALFORMED_PROTOBUF, "not an ExportTraceServiceRequest"
        return Reason.TOO_MANY_SPANS, f"more than {self.policy.max_spans} spans"

    def columns(self, resolver: Resolver, records: Sequence[Record]) -> tuple[dict[str, Column], Column]:
        """All columns of a span block, and per row the names of its attributes if it is not understood."""
        s = resolver.scanned.spans[resolver.rows]
        seen = self.sought.seen(resolver)
        text = {name: resolver.resolve(seen[name], reader_of(name), "") for name in STRING_FIELDS}
        used = usage(resolver, seen)
        kind, dialect, names = self._kinds(resolver, text, used)
        told_together = together(resolver, kind, used, text["model"], text["finish_reason"])
        used, start, end = told_together.used, told_together.start, s["end_ns"].astype(np.int64)
        happened = status(resolver, seen)
        unanswered = (happened == "error") & (used.tokens["output_tokens"] < 0)
        bills = self.biller.bills(resolver, seen, text)
        counts = used.tokens | billed_parts(resolver, seen)
        columns: dict[str, Any] = {
            "trace_id": _hex(s["trace_id"]),
            "span_id": _hex(s["span_id"]),
            "parent_span_id": np.where(s["parent_span_id"].any(axis=1), _hex(s["parent_span_id"]), ""),
            "start_ns": start,
            "end_ns": end,
            "latency_ns": end - start,
            "status": happened,
            "user_hash": _hashed(text.pop("user_id"), self.policy.user_key),
            "scope_name": resolver.scopes(),
            "source": _of_record(s, [str(record.source) for record in records], object),
            "offset": _of_record(s, [record.offset for record in records], np.int64),
            "recorded_ns": _of_record(s, _recorded(records), np.int64),
            "schema_version": np.full(len(s), SCHEMA_VERSION),
            **text,
            **timing(resolver, seen, start, end - start, unanswered, told_together.streamed),
            **bills.columns(),
            **{name: nullable(found) for name, found in counts.items()},
            "usage_rule": used.rule,
            "kind": told_together.kind,
            "dialect": dialect,
        }
        columns |= series(resolver, self.policy.series, self.policy.detect, one_of(columns["kind"], REQUEST_KINDS))
        said = Said(counts, claimed_nusd(resolver, seen["span_cost"]), cached_replies(resolver, seen, used.tokens))
        columns |= behaviour(resolver, seen, columns, self.policy.expected)
        columns |= money(self.policy.prices, bills, columns, said, self.policy.claims_first)
        return columns, names

    def _kinds(self, resolver: Resolver, text: Mapping[str, Column], used: Usage) -> tuple[Column, Column, Column]:
        """Kind, dialect, and the names of the attributes of what is not understood, per row."""
        kind, dialect = said_kinds(resolver)
        known = (used.tokens["input_tokens"] >= 0) | (used.tokens["output_tokens"] >= 0)
        found = evident_kinds(resolver, kind, text["operation"], text["model"], known)
        kind = np.where(kind == "", found, kind)
        dialect = np.where((dialect == "") & (kind != ""), UNNAMED, dialect)
        unsaid = kind == ""
        return np.where(unsaid, "other", kind), dialect, unread(resolver, unsaid, have_unknown_words(resolver, unsaid))


def asked(*paths: Path) -> Asked:
    """The names that `paths` look for."""
    return Asked.of(
        [path.attribute for path in paths if path.where in ("span", "resource", "like")],
        ["exception", *(path.name for path in paths if path.is_time_of_event)],
        [(path.name, path.keys[0]) for path in paths if path.where == "event" and path.keys],
        keys_of(paths),
    )


def encoding_of(record: Record, configured: str) -> str:
    """`protobuf`, `json`, or what else the record claims to be: its content-type, the configuration, its first byte.

    A newline is no blank before JSON here: it is the first tag of a protobuf request, and `{` may be the length behind it.
    """
    said = next((v.decode("latin-1") for k, v in record.headers if k.lower() == "content-type"), "")
    media = said.partition(";")[0].strip().lower()
    if media:
        return (
            "json" if media in JSON_TYPES else "protobuf" if media in PROTOBUF_TYPES else read_class(media, MEDIA_CHARS) or OTHER
        )
    if configured != "auto":
        return configured
    head = (record.value or b"").lstrip(b" \t\r")[:1]
    if head in (b"{", b"["):
        return "json"
    return "gzip" if (record.value or b"").startswith(b"\x1f\x8b") else "protobuf"


def _strange(payloads: Sequence[bytes], scanned: Scan) -> Iterator[int]:
    """Records that are well-formed and hold no span, but something that no request has."""
    held = np.bincount(scanned.spans["record"], minlength=len(payloads))
    for i in np.flatnonzero((held == 0) & (scanned.failed == 0)).tolist():
        if is_strange(payloads[i]):
            yield i


def _of_record(spans: NDArray[Any], values: Sequence[Any] | NDArray[Any], dtype: Any) -> Column:
    """Per span what its record has."""
    return np.array(values, dtype)[spans["record"]] if len(spans) else np.empty(0, dtype)


def _recorded(records: Sequence[Record]) -> NDArray[np.int64]:
    """Time of each record, 0 if nobody knows it."""
    return np.array([max(0, record.timestamp_ns) for record in records], np.int64)


def _hex(ids: NDArray[np.uint8]) -> Column:
    """Lower-case hex per row."""
    return np.array(np.ascontiguousarray(ids).tobytes().hex(" ", ids.shape[1]).split(), object)


def _hashed(users: Column, key: bytes) -> Column:
    """Keyed BLAKE2b per user id: without the key nobody can try names. "" for no user or no key."""
    if not key:
        return np.full(len(users), "", object)
    known = {user: blake2b(user.encode(), key=key, digest_size=8).hexdigest() for user in set(users.tolist()) if user}
    return np.array([known.get(user, "") for user in users.tolist()], object)
