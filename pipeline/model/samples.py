"""A sample: what one trace asked, was given, and answered, as an evaluator sees it. Frozen values, no I/O."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model called, or that ran in its trace. Arguments and result as text, JSON where they were that."""

    name: str
    arguments: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """The content of one trace, with what an evaluator may need beside it. "" and () where the trace does not say.

    input: what the user wrote last. output: the answer. context: the documents retrieved, in order, each as text.
    reference: what the answer should have been, where somebody said so (never from traces).
    schema: the JSON Schema the answer is to keep, as JSON; None if none was asked for. wants_json: it was asked to be JSON.
    language: as the series has it, e.g. `en`. finish_reason: as the span of the answer has it.
    refusal, citation, schema_valid: what decode found in the whole answer; None where nothing can be said.
    incomplete: spans of the trace are missing, or the content was cut to its limit.
    """

    input: str = ""
    output: str = ""
    context: tuple[str, ...] = ()
    tools: tuple[ToolCall, ...] = ()
    reference: str = ""
    schema: bytes | None = None
    wants_json: bool = False
    language: str = ""
    finish_reason: str = ""
    refusal: bool | None = None
    citation: bool | None = None
    schema_valid: bool | None = None
    incomplete: bool = False
