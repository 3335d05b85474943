"""What only the spans of one record tell together, once more: the rules of `decode/together.py`, span by span.

It shares the tables with it, nothing else. The spans of a record come as what each says by itself, and are changed in place.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.model.columns import REQUEST_KINDS
from pipeline.operators.decode.usage import DOUBTFUL
from pipeline.operators.decode.values import read_flag
from pipeline.operators.dialects.records import (
    CLIENT_STREAMS,
    CUMULATES,
    MAX_CLIENTS,
    MAX_DEPTH,
    STEPS,
    TOOLS_CALLED,
    WRAPPED_KINDS,
    WRAPPING_SCOPES,
)

Said = Any


def together(spans: Sequence[Said]) -> None:
    """Settle `means`, `tokens`, `rule`, `start` and `streamed` of the spans of a record."""
    by_id = {said.context.span.span_id: said for said in spans}
    flags = {paths: [said.first(paths, read_flag) for said in spans] for paths in (STEPS, CLIENT_STREAMS, CUMULATES)}
    marked = {paths: {id(said): value for said, value in zip(spans, found, strict=True)} for paths, found in flags.items()}

    def children(wanted: Callable[[Said], bool]) -> dict[bytes, list[Said]]:
        found: dict[bytes, list[Said]] = {}
        for said in spans:
            mother = said.context.span.parent_span_id
            if any(mother) and wanted(said):
                found.setdefault(mother, []).append(said)
        return {mother: sorted(group, key=lambda said: said.start) for mother, group in found.items()}

    for mother, steps in children(lambda said: marked[STEPS][id(said)] is True).items():
        _steps(by_id.get(mother), steps)
    embeds = {id(said) for said in spans if said.means in WRAPPED_KINDS and said.scope().startswith(WRAPPING_SCOPES)}
    kinds = {id(said): said.means for said in spans}
    for said in spans:
        mother = by_id.get(said.context.span.parent_span_id)
        if id(said) in embeds and mother is not None and id(mother) in embeds and not _used(mother):
            same = (kinds[id(mother)], mother.text["model"]) == (kinds[id(said)], said.text["model"])
            mother.means = "chain" if same else mother.means
    clients = marked[CLIENT_STREAMS]
    for said in spans:
        if said.means in REQUEST_KINDS:
            said.streamed = _streamed(said, by_id, clients, spans)
    cumulates = {key for key, value in marked[CUMULATES].items() if value is True}
    counted = [said for said in spans if said.means == "llm" and None not in _counts(said)]
    of_calls = children(lambda said: any(said is one for one in counted))
    for mother, calls in of_calls.items():
        if mother in by_id and id(by_id[mother]) in cumulates:
            _take_off(calls)


def _counts(said: Said) -> tuple[int | None, int | None]:
    return said.tokens["input_tokens"], said.tokens["output_tokens"]


def _used(said: Said) -> bool:
    return _counts(said) != (None, None)


def _steps(mother: Said | None, steps: list[Said]) -> None:
    if mother is None or len(steps) < 2 or mother.means != "llm" or any(mother is step for step in steps):
        return
    if mother.first(STEPS, read_flag) is True:
        return
    for side in (0, 1):
        if sum(_counts(step)[side] or 0 for step in steps) != (_counts(mother)[side] or 0):
            return
    began = mother.start
    for step in steps:
        step.means, step.start = "llm", min(began, step.start)
        began = step.context.span.end_time_unix_nano
    mother.means = "chain"


def _streamed(said: Said, by_id: dict[bytes, Said], clients: dict[int, Any], spans: Sequence[Said]) -> bool | None:
    above = said
    for _ in range(MAX_DEPTH):
        above = by_id.get(above.context.span.parent_span_id)
        if above is None:
            break
        if clients[id(above)] is not None:
            return bool(clients[id(above)])
    span = said.context.span
    beside = [other for other in spans if other.context.span.parent_span_id == span.parent_span_id and any(span.parent_span_id)]
    beside = [other for other in beside if clients[id(other)] is not None]
    found = {
        clients[id(other)]
        for other in beside
        if other.context.span.start_time_unix_nano <= span.start_time_unix_nano <= other.context.span.end_time_unix_nano
    }
    return found.pop() if len(found) == 1 and len(beside) <= MAX_CLIENTS else None


def _take_off(calls: list[Said]) -> None:
    told = [dict(said.tokens) for said in calls]
    added = told[0]["input_tokens"]
    for i in range(1, len(calls)):
        call, before = calls[i], calls[i - 1]
        more = told[i]["input_tokens"] - told[i - 1]["input_tokens"]
        if (
            before.text["finish_reason"].lower() in TOOLS_CALLED
            and before.context.span.end_time_unix_nano <= call.context.span.start_time_unix_nano
            and more >= added > 0
            and told[i]["output_tokens"] > told[i - 1]["output_tokens"]
            and call.rule not in DOUBTFUL
        ):
            added, call.rule = more, "cumulative"
            for name, count in told[i].items():
                if count is not None and told[i - 1][name] is not None and count >= told[i - 1][name]:
                    call.tokens[name] = count - told[i - 1][name]
        else:
            added = told[i]["input_tokens"]
