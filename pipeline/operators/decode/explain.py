"""Why a span decodes to what it does: per field the path that gave it, and why the others that hold something lost.

Only asked by people; nothing here runs while a pipeline does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.model.columns import REQUEST_KINDS, TOKENS
from pipeline.model.stream import Record
from pipeline.operators.decode.accounts import DeadSpan
from pipeline.operators.decode.behaviour import told_behaviour
from pipeline.operators.decode.explain_usage import Fields, usage_story
from pipeline.operators.decode.key_values import ARRAY, BOOL, BYTES, DOUBLE, INT, KVLIST, STRING
from pipeline.operators.decode.kinds import ERROR, EXCEPTION, OK, SPAN_NAME, STATUS, UNNAMED, kind_of, named_kind, said_kinds
from pipeline.operators.decode.resolve import Resolver
from pipeline.operators.decode.spans import Decoder
from pipeline.operators.decode.timing import since_start
from pipeline.operators.decode.values import Reader, read_count, read_flag, read_number, read_text, reader_of
from pipeline.operators.dialects.paths import Path
from pipeline.operators.dialects.vocabulary import ANSWER_FIELDS, KIND_ORDER, REQUEST_FIELDS, STRING_FIELDS, WEAK_TTFT

TYPES = {
    STRING: "a text",
    BOOL: "a truth value",
    INT: "an integer",
    DOUBLE: "a number",
    ARRAY: "a list",
    KVLIST: "a map",
    BYTES: "bytes",
}

TAKEN = "taken"

FLAGS = ("stream", "failed", "answered", "reply_cached", "cache_hit", "refused", "called_tools", "asks_json")
NUMBERS = ("span_cost",)
SECRET = ("user_id", *ANSWER_FIELDS, *REQUEST_FIELDS)
"""Fields whose value is not shown: their column holds a hash, or what was found out about an answer or what was asked."""

COLUMN_OF = {
    "user_id": "user_hash",
    "span_cost": "span_cost_nusd",
    "failed": "status",
    "answered": "status",
    **dict.fromkeys(ANSWER_FIELDS, "refusal"),
    **dict.fromkeys(REQUEST_FIELDS, "schema_valid"),
}
"""Columns of fields that are called otherwise."""


@dataclass(frozen=True, slots=True)
class Source:
    """A place that holds something. outcome: TAKEN, or why it was not."""

    path: str
    value: str
    outcome: str


@dataclass(frozen=True, slots=True)
class FieldStory:
    """How a field of the row came about; `value` is the column's, None for none. Sources in the order they are asked."""

    field: str
    value: Any
    sources: list[Source]


@dataclass(frozen=True, slots=True)
class SpanStory:
    """One span of a record. dead: the reason why it is no row, "" if it is one; then the rest says why the row is as it is.

    counted_by, counted_rule, counted: of a call the span that stands for it, why that is another ("" if it is not), and both in
    words. That is for its whole trace to say, so it is "" here, and whoever has all of it fills it in.
    """

    trace_id: str
    span_id: str
    name: str
    scope: str
    dead: str
    is_call: bool
    not_understood: bool
    why: str
    status: str
    usage: str
    cost: str
    behaviour: Mapping[str, str]
    fields: list[FieldStory]
    row: dict[str, Any]
    counted_by: str = ""
    counted_rule: str = ""
    counted: str = ""


def explain(decoder: Decoder, record: Record) -> list[SpanStory]:
    """The story of every span of a record, rows first. A record that cannot be read is one story, with its reason."""
    resolver, dead = decoder.open([record])
    columns, names = decoder.columns(resolver, [record])
    rows = [{name: column[i] for name, column in columns.items()} for i in range(len(resolver.rows))]
    stories = [
        _story(decoder, replace_rows(resolver, i), {k: _plain(v) for k, v in row.items()}, names[i]) for i, row in enumerate(rows)
    ]
    return stories + [_dead(letter) for letter in dead]


def _dead(letter: DeadSpan) -> SpanStory:
    what = "the whole record" if letter.index < 0 else f"span {letter.index} of the record"
    return SpanStory(
        "", "", what, "", f"{letter.reason.value}: {letter.detail}".rstrip(": "), False, False, "", "", "", "", {}, [], {}
    )


def replace_rows(resolver: Resolver, i: int) -> Resolver:
    """A resolver for its `i`th row alone."""
    return Resolver(resolver.scanned, resolver.asked, resolver.rows[i : i + 1], resolver.text_limit, resolver.key)


def _story(decoder: Decoder, resolver: Resolver, row: dict[str, Any], names: str) -> SpanStory:
    fields = [
        FieldStory(field, row.get(COLUMN_OF.get(field, field)), list(_sources(resolver, field, paths, row)))
        for field, paths in (decoder.fields | {name: column.paths for name, column in decoder.policy.series.items()}).items()
    ]
    return SpanStory(
        trace_id=row["trace_id"],
        span_id=row["span_id"],
        name=resolver.resolve([SPAN_NAME], read_text, "")[0],
        scope=row["scope_name"],
        dead="",
        is_call=row["kind"] in REQUEST_KINDS,
        not_understood=bool(names),
        why=_why(resolver, row, names),
        status=_status(resolver, decoder.fields, row),
        usage=usage_story(resolver, decoder.fields, row),
        cost=_cost(row),
        behaviour=told_behaviour(resolver, decoder.fields, row, decoder.policy.expected),
        fields=[story for story in map(_from_record, fields) if story.sources],
        row=row,
    )


def _from_record(story: FieldStory) -> FieldStory:
    """With where its value is from, if no place on the span holds it."""
    if story.field != "stream" or story.value is None or any(source.outcome == TAKEN for source in story.sources):
        return story
    return replace(story, sources=[Source("the client around it in its record", str(story.value), TAKEN), *story.sources])


def _status(resolver: Resolver, fields: Fields, row: Mapping[str, Any]) -> str:
    """Why the span is said to have failed, or not."""
    code = int(resolver.scanned.spans["status"][resolver.rows[0]])
    raised = bool(resolver.first_event(EXCEPTION)[0] > 0)
    said = [f"the span's status is {STATUS[code] if 0 <= code < len(STATUS) else code}"]
    if raised:
        said.append("an exception event is there" + (", which the span got over" if code == OK else ""))
    if row["error_type"]:
        said.append(f"error {row['error_type']}")
    if failed := _telling(resolver, fields["failed"]):
        said.append(f"{failed} says that it failed")
    if code == ERROR and row["status"] != "error":
        said.append(
            f"{_telling(resolver, fields['answered'])} says how its answer ended, so that is the error of an attempt before"
        )
    return f"{row['status']}: {', '.join(said)}"


def _telling(resolver: Resolver, candidates: Sequence[Path]) -> str:
    """The first path that holds a flag, if it is true; else ""."""
    value, told = resolver.resolve_told(candidates, read_flag, False)
    return str(candidates[told[0]]).partition("~")[0] if value[0] else ""


def _why(resolver: Resolver, row: Mapping[str, Any], names: str) -> str:
    """Why the span is what it is."""
    said = list(_said(resolver))
    kind = row["kind"]
    verdict = f"{kind}: " + ("a call of a model" if kind in REQUEST_KINDS else "no call of a model")
    silent = "".join(f"; {text}" for text, means in said if not means)
    if meant := [text for text, means in said if means]:
        return f"{verdict}, for {'; then '.join(meant)}{_in_record(resolver, row)}{silent}"
    if row["dialect"] == UNNAMED and kind in REQUEST_KINDS:
        return f"{verdict}, for no vocabulary calls it anything, and it holds a model or usage{silent}"
    if row["dialect"] == UNNAMED:
        return f"{verdict}, for no vocabulary calls it anything, and its name or its children say what it is{silent}"
    bare = "its model or its usage stands alone in a bare name, which may be anybody's"
    if names and (row["model"] or row["input_tokens"] is not None or row["output_tokens"] is not None):
        return f"{verdict}, but it looks like one: {bare}: not understood. Its attributes: {names}{silent}"
    if names:
        return f"{verdict}, but it looks like one: not understood. Its attributes: {names}{silent}"
    return f"{verdict}: nothing on it looks like one{silent}"


def _in_record(resolver: Resolver, row: Mapping[str, Any]) -> str:
    """What the other spans of the record make of it, "" if nothing."""
    said = said_kinds(resolver)[0][0]
    if said in ("", row["kind"]):
        return ""
    if row["kind"] in REQUEST_KINDS:
        return "; but it is one of several steps of a call that only sums them up, so each is a call"
    return "; but spans under it in its record are the calls it tells of"


def _said(resolver: Resolver) -> Iterator[tuple[str, bool]]:
    """What each vocabulary says, in the order in which they are believed, and whether it means anything."""
    for dialect in KIND_ORDER:
        for path in dialect.kind:
            if resolver.is_seen(path) and (found := resolver.values(path, read_text, _all(resolver))) is not None:
                means = kind_of(dialect, found[1][0], resolver.text_limit)
                yield f"{path} = {found[1][0]} {f'means {means}' if means else 'says nothing'} ({dialect.name})", bool(means)
        if dialect.span_names and resolver.within(dialect.scopes)[0]:
            means = named_kind(dialect, resolver.resolve([SPAN_NAME], read_text, "")[0], resolver.text_limit)
            if means:
                yield f"its name in this scope means {means} ({dialect.name})", True


def _cost(row: Mapping[str, Any]) -> str:
    if row["kind"] not in REQUEST_KINDS:
        return "none: only calls cost something"
    if row["cost_nusd"] is None:
        return f"none ({row['cost_source'] or 'unknown usage'}) {row.get('price_rule', '')}".strip()
    details = ", ".join(filter(None, (row["cost_source"], row.get("price_rule", ""), row["price_version"])))
    return f"{row['cost_nusd']:,} nano-USD ({details})"


def _sources(resolver: Resolver, field: str, paths: Sequence[Path], row: Mapping[str, Any]) -> Iterator[Source]:
    """Every place of `paths` that holds something in the one row of `resolver`, and what came of it."""
    taken: str | None = None
    told: set[tuple[str, str]] = set()
    for path in paths:
        found = _first_token(resolver, path, row) if field == "ttft_ns" else _held(resolver, path, _reader(field))
        if found is None:
            continue
        value, trouble = found
        if (path.name, value) in told:  # the same attribute, read in another way
            continue
        told.add((path.name, value))
        shown = "(not shown)" if field in SECRET and value else value
        if trouble:
            yield Source(str(path), shown, trouble)
        elif taken is not None:
            yield Source(str(path), shown, f"{taken} is asked first")
        else:
            taken = str(path)
            yield Source(taken, shown, TAKEN)


def _held(resolver: Resolver, path: Path, read: Reader) -> tuple[str, str] | None:
    """What stands at `path` as it is read, and why it is not usable; None if nothing stands there."""
    if path.scopes and not resolver.within(path.scopes)[0]:
        return None
    if path.where not in ("name", "scope") and (not resolver.is_seen(path) or resolver.attribute(path)[0] < 0):
        return None
    found = resolver.values(path, read, _all(resolver))
    if found is not None:
        return str(found[1][0]), ""
    if path.where in ("name", "scope") or path.keys or path.pattern:
        return None
    kind = int(resolver.scanned.attributes["type"][resolver.attribute(path)[0]])
    return "", f"{TYPES.get(kind, 'nothing')} that is not usable here"


def _first_token(resolver: Resolver, path: Path, row: Mapping[str, Any]) -> tuple[str, str] | None:
    if not path.is_time_of_event and _held(resolver, path, read_text) is None and _held(resolver, path, read_number) is None:
        return None
    value = int(since_start(resolver, path, np.array([row["start_ns"]]))[0])
    if value < 0:
        return None if path.is_time_of_event else ("", "not usable here, or before the start of the span")
    shown = f"{value / 1e6:.3f} ms"
    if value > row["latency_ns"]:
        return shown, "later than the end of the span"
    if row["stream"] is False:
        return shown, "the span says that it was not streamed"
    if row["ttft_ns"] is None and path.name in WEAK_TTFT:
        return shown, "written on answers that were not streamed too, and nothing says that this one was"
    return shown, ""


def _reader(field: str) -> Reader:
    if field in STRING_FIELDS:
        return reader_of(field)
    if field in (*TOKENS, "total_tokens"):
        return read_count
    return read_flag if field in FLAGS else read_number if field in NUMBERS else read_text


def _all(resolver: Resolver) -> Any:
    return np.ones(len(resolver.rows), bool)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
