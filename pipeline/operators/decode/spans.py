"""OTLP records to rows of span blocks and dead letters.

Law (a): per record, spans in = rows out + dead. A record or span that cannot be understood is a row of the dead
letters with its reason; the others of its record go on.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import REQUEST_KINDS, SCHEMA_VERSION
from pipeline.model.reasons import Reason
from pipeline.model.stream import Record
from pipeline.operators.decode.billing import Biller
from pipeline.operators.decode.kinds import UNNAMED, evident_kinds, have_unknown_words, said_kinds, status
from pipeline.operators.decode.language import TEXTS, Detect
from pipeline.operators.decode.money import Said, billed_parts, cached_replies, claimed_nusd, money
from pipeline.operators.decode.otlp_json import TooManySpansError, to_protobuf
from pipeline.operators.decode.resolve import Column, Resolver, nullable
from pipeline.operators.decode.scan import MALFORMED, TOO_MANY, Asked, Scan, count_spans, scan
from pipeline.operators.decode.series import series
from pipeline.operators.decode.strange import is_strange
from pipeline.operators.decode.timing import timing
from pipeline.operators.decode.unread import unread
from pipeline.operators.decode.usage import DOUBTFUL, Usage, usage
from pipeline.operators.decode.values import OTHER, read_class, reader_of
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.series import SeriesColumn
from pipeline.operators.dialects.vocabulary import AGENT, ANSWER, KIND_ORDER, STRING_FIELDS, field_paths, fields
from pipeline.operators.pricing.price import PriceBook
from pipeline.operators.siphash import key_from

ALIVE = 0
OF_SPAN = (
    Reason.BAD_TRACE_ID,
    Reason.BAD_SPAN_ID,
    Reason.MISSING_TIME,
    Reason.IMPLAUSIBLE_TIME,
    Reason.NEGATIVE_DURATION,
    Reason.TOO_LONG,
    Reason.BEYOND_HORIZON,
    Reason.MALFORMED_JSON,
)
"""Why a span alone dies, the first that holds. Verdict 0, ALIVE: it becomes a row; verdict n: it dies of the nth of these."""

MIN_TIME_NS = 946_684_800 * 10**9
"""The year 2000: nobody traced a model call before. What lies before it is mostly another unit in the field of nanoseconds."""

UNITS = {10**3: "microseconds", 10**6: "milliseconds", 10**9: "seconds"}
"""Other units of time by how many nanoseconds they are."""

MAX_TIME_NS = 1 << 62
"""The first time there is not: aggregate reads no block with one (`Nanoseconds` in `span_columns.py`)."""

RAW_BYTES = 2 << 20
"""A larger record is not kept in its dead letter: it must fit into a message; it is still in its topic."""

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


@dataclass(frozen=True, slots=True)
class DeadSpan:
    """One span, or with index -1 one record, that ends here; or `count` spans of one record and reason, the first at `index`."""

    record: Record
    index: int
    reason: Reason
    detail: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a record's spans. spans = rows + dead; of the rows some look like calls in words nobody knows
    (`not_understood`, with the `names` of the attributes of the most frequent kind of them), some say usage that does not add up.
    """

    record: Record
    spans: int
    rows: int
    dead: int
    not_understood: int = 0
    names: str = ""
    contradictions: int = 0


@dataclass(frozen=True, slots=True)
class Decoded:
    """The outcome of a batch: columns of all rows, the dead, and an account of every record."""

    columns: dict[str, Column]
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
        )

    def decode(self, records: Sequence[Record]) -> Decoded:
        """Decode a batch. Never raises for what a record holds."""
        resolver, dead = self.open(records)
        columns, names = self.columns(resolver, records)
        return Decoded(columns, dead, _ledger(records, resolver, dead, names, np.isin(columns["usage_rule"], DOUBTFUL)))

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
        verdicts = self._verdicts(scanned, _recorded(records), emptied)
        rows = np.flatnonzero(verdicts == ALIVE)
        for i, count in _told(scanned.spans["record"], verdicts, self.policy.dead_letters):
            record, index = int(scanned.spans["record"][i]), int(scanned.spans["index"][i])
            reason = OF_SPAN[verdicts[i] - 1]
            detail = emptied.get((record, index), "")
            if reason is Reason.IMPLAUSIBLE_TIME:
                detail = _implausible(int(scanned.spans["start_ns"][i]), int(scanned.spans["end_ns"][i]))
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

    def _verdicts(self, scanned: Scan, recorded: NDArray[np.int64], emptied: Iterable[tuple[int, int]]) -> NDArray[np.int8]:
        """A verdict per span, as OF_SPAN says. `emptied`: the (record, index) that were written as empty spans."""
        s = scanned.spans
        start, end = s["start_ns"], s["end_ns"]
        parent_fits = np.isin(s["parent_span_id_len"], (0, 8))
        conditions = [
            (s["trace_id_len"] != 16) | ~s["trace_id"].any(axis=1),
            (s["span_id_len"] != 8) | ~s["span_id"].any(axis=1) | ~parent_fits,
            (start == 0) | (end == 0) | (start >= MAX_TIME_NS) | (end >= MAX_TIME_NS),
            (start < MIN_TIME_NS) | (end < MIN_TIME_NS),
            end < start,
            end - start > np.uint64(self.policy.max_duration_ns),
            self._beyond_horizon(end, recorded[s["record"]]),
        ]
        verdicts = np.select(conditions, range(1, len(conditions) + 1), ALIVE).astype(np.int8)
        for record, index in emptied:
            verdicts[np.searchsorted(s["record"], record) + index] = 1 + OF_SPAN.index(Reason.MALFORMED_JSON)
        return verdicts

    def _beyond_horizon(self, end: NDArray[np.uint64], recorded: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Ends too far from when their record was appended: days nobody lives in. Means nothing from MAX_TIME_NS on."""
        away: NDArray[np.bool_] = np.abs(end.astype(np.int64) - recorded) > self.policy.horizon_ns
        return away & (recorded > 0)

    def columns(self, resolver: Resolver, records: Sequence[Record]) -> tuple[dict[str, Column], Column]:
        """All columns of a span block, and per row the names of its attributes if it is not understood."""
        s = resolver.scanned.spans[resolver.rows]
        start, end = s["start_ns"].astype(np.int64), s["end_ns"].astype(np.int64)
        text = {name: resolver.resolve(self.fields[name], reader_of(name), "") for name in STRING_FIELDS}
        used = usage(resolver, self.fields)
        happened = status(resolver, self.fields)
        bills = self.biller.bills(resolver, self.fields, text)
        counts = used.tokens | billed_parts(resolver, self.fields)
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
            **{name: np.full(len(s), None, object) for name in ("refusal", "citation", "schema_valid")},
            **text,
            **timing(resolver, self.fields, start, end - start, (happened == "error") & (used.tokens["output_tokens"] < 0)),
            **bills.columns(),
            **{name: nullable(found) for name, found in counts.items()},
            "usage_rule": used.rule,
        }
        columns["kind"], columns["dialect"], names = self._kinds(resolver, text, used)
        columns |= series(resolver, self.policy.series, self.policy.detect, np.isin(columns["kind"], REQUEST_KINDS))
        said = Said(counts, claimed_nusd(resolver, self.fields["span_cost"]), cached_replies(resolver, self.fields, used.tokens))
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
        [path.name for path in paths if path.where in ("span", "resource")],
        ["exception", *(path.name for path in paths if path.is_time_of_event)],
        [(path.name, path.keys[0]) for path in paths if path.where == "event" and path.keys],
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


def dead_letter(dead: DeadSpan, keep_raw: bool) -> dict[str, Any]:
    """The dead letter's row. User text stays out unless the operator asked for the raw record."""
    value = dead.record.value or b""
    return {
        "source": str(dead.record.source),
        "offset": dead.record.offset,
        "index": dead.index,
        "count": dead.count,
        "reason": dead.reason.value,
        "detail": dead.detail,
        "time_ns": dead.record.timestamp_ns,
        "size_bytes": len(value),
        "head_hash": blake2b(value[:256], digest_size=8).hexdigest(),
        "raw": base64.b64encode(value).decode() if keep_raw and len(value) <= RAW_BYTES else "",
    }


def _implausible(start: int, end: int) -> str:
    """Which time of a span is before 2000, and the unit it would have to be in to be of our days."""
    what, time = ("the start", start) if start < MIN_TIME_NS else ("the end", end)
    unit = next((name for scale, name in UNITS.items() if MIN_TIME_NS <= time * scale < MAX_TIME_NS), "")
    return f"{what} is in {unit}, not nanoseconds" if unit else f"{what} is before the year 2000"


def _strange(payloads: Sequence[bytes], scanned: Scan) -> Iterator[int]:
    """Records that are well-formed and hold no span, but something that no request has."""
    held = np.bincount(scanned.spans["record"], minlength=len(payloads))
    for i in np.flatnonzero((held == 0) & (scanned.failed == 0)).tolist():
        if is_strange(payloads[i]):
            yield i


def _told(record: NDArray[np.int32], verdicts: NDArray[np.int8], most: int) -> Iterator[tuple[int, int]]:
    """Which dead spans get a letter and how many spans it stands for, in log order.

    Of each record and reason the first `most` stand for themselves, the next for itself and all behind it.
    """
    dead = np.flatnonzero(verdicts != ALIVE)
    group = record[dead].astype(np.int64) * (len(OF_SPAN) + 1) + verdicts[dead]
    order = np.argsort(group, kind="stable")
    _, first, size = np.unique(group[order], return_index=True, return_counts=True)
    rank, sizes = np.empty(len(dead), np.int64), np.empty(len(dead), np.int64)
    rank[order] = np.arange(len(dead)) - np.repeat(first, size)
    sizes[order] = np.repeat(size, size)
    told = rank <= most
    counts = np.where(rank == most, sizes - most, 1)
    yield from zip(dead[told].tolist(), counts[told].tolist(), strict=True)


def _ledger(
    records: Sequence[Record], resolver: Resolver, dead: Sequence[DeadSpan], names: Column, contradicts: NDArray[np.bool_]
) -> list[Account]:
    """An account per record. A record that could not be read is one in, one dead. names, contradicts: per row."""
    of_span = resolver.scanned.spans["record"]
    of_row, n = of_span[resolver.rows], len(records)
    spans = np.bincount(of_span, minlength=n)
    out = np.bincount(of_row, minlength=n)
    unread_rows = np.bincount(of_row[names != ""], minlength=n)
    doubtful = np.bincount(of_row[contradicts], minlength=n)
    unread_records = {id(letter.record) for letter in dead if letter.index < 0}
    spans[np.array([id(record) in unread_records for record in records], bool)] = 1
    commonest = {
        i: Counter(names[(of_row == i) & (names != "")].tolist()).most_common(1)[0][0]
        for i in np.flatnonzero(unread_rows).tolist()
    }
    counts = zip(records, spans.tolist(), out.tolist(), unread_rows.tolist(), doubtful.tolist(), strict=True)
    return [Account(r, n, kept, n - kept, u, commonest.get(i, ""), d) for i, (r, n, kept, u, d) in enumerate(counts)]


def _of_record(spans: NDArray[Any], values: Sequence[Any] | NDArray[Any], dtype: Any) -> Column:
    """Per span what its record has."""
    return np.array(values, dtype)[spans["record"]] if len(spans) else np.empty(0, dtype)


def _recorded(records: Sequence[Record]) -> NDArray[np.int64]:
    """Time of each record, 0 if nobody knows it."""
    return np.array([max(0, record.timestamp_ns) for record in records], np.int64)


def _hex(ids: NDArray[np.uint8]) -> Column:
    """Lower-case hex per row."""
    width, text = 2 * ids.shape[1], np.ascontiguousarray(ids).tobytes().hex()
    return np.array([text[i : i + width] for i in range(0, len(text), width)], object)


def _hashed(users: Column, key: bytes) -> Column:
    """Keyed BLAKE2b per user id: without the key nobody can try names. "" for no user or no key."""
    if not key:
        return np.full(len(users), "", object)
    known = {user: blake2b(user.encode(), key=key, digest_size=8).hexdigest() for user in set(users.tolist()) if user}
    return np.array([known.get(user, "") for user in users.tolist()], object)
