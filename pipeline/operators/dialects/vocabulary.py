"""All dialects as one: per field the paths in the order in which they are believed.

Real spans mix dialects, so a field is resolved across all of them: the first path that holds a usable value wins, in
the order of `DIALECTS` and, inside a dialect, of its table. What a span is, is resolved the same way in the order of
`KIND_ORDER`: the first vocabulary with a word that means something. Who has no such word leaves it to the next.
"""

import re
from dataclasses import replace
from functools import cache

from pipeline.model.columns import BILLED
from pipeline.operators.dialects.adk import ADK
from pipeline.operators.dialects.alike import ALIKE
from pipeline.operators.dialects.claude_code import CLAUDE_CODE
from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.genkit import GENKIT
from pipeline.operators.dialects.haystack import HAYSTACK
from pipeline.operators.dialects.langfuse import LANGFUSE
from pipeline.operators.dialects.langsmith import LANGSMITH
from pipeline.operators.dialects.litellm import LITELLM
from pipeline.operators.dialects.mastra import MASTRA
from pipeline.operators.dialects.mlflow import MLFLOW
from pipeline.operators.dialects.openai_agents import OPENAI_AGENTS
from pipeline.operators.dialects.openinference import OPENINFERENCE
from pipeline.operators.dialects.openlit import OPENLIT
from pipeline.operators.dialects.openllmetry import OPENLLMETRY
from pipeline.operators.dialects.otel_genai import OTEL_GENAI
from pipeline.operators.dialects.paths import Path, paths
from pipeline.operators.dialects.plain import PLAIN
from pipeline.operators.dialects.platforms import BRAINTRUST, LAMINAR, LANGTRACE, LANGWATCH
from pipeline.operators.dialects.pydantic import PYDANTIC
from pipeline.operators.dialects.semantic_kernel import SEMANTIC_KERNEL
from pipeline.operators.dialects.sentry import SENTRY
from pipeline.operators.dialects.spring_ai import SPRING_AI
from pipeline.operators.dialects.strands import STRANDS
from pipeline.operators.dialects.traceai import TRACEAI
from pipeline.operators.dialects.trulens import TRULENS
from pipeline.operators.dialects.vercel import VERCEL

DIALECTS: tuple[Dialect, ...] = (
    LITELLM,
    OTEL_GENAI,
    LANGFUSE,
    VERCEL,
    OPENINFERENCE,
    OPENLLMETRY,
    PYDANTIC,
    ADK,
    STRANDS,
    SENTRY,
    LANGSMITH,
    TRULENS,
    SEMANTIC_KERNEL,
    SPRING_AI,
    MASTRA,
    OPENAI_AGENTS,
    GENKIT,
    MLFLOW,
    HAYSTACK,
    LAMINAR,
    LANGWATCH,
    BRAINTRUST,
    LANGTRACE,
    TRACEAI,
    OPENLIT,
    CLAUDE_CODE,
    PLAIN,
    ALIKE,
)
"""LiteLLM first, for its proxy writes an alias where the conventions have the model. Then the conventions, then vocabularies of
their own, then additions to the conventions; a time to first token that may be none comes late, names without a namespace last.
"""

KIND_ORDER: tuple[Dialect, ...] = (
    VERCEL,
    LITELLM,
    OTEL_GENAI,
    SEMANTIC_KERNEL,
    OPENINFERENCE,
    TRACEAI,
    LANGFUSE,
    OPENLLMETRY,
    LANGSMITH,
    TRULENS,
    PYDANTIC,
    SPRING_AI,
    MASTRA,
    OPENAI_AGENTS,
    GENKIT,
    MLFLOW,
    HAYSTACK,
    LAMINAR,
    LANGWATCH,
    BRAINTRUST,
    LANGTRACE,
    CLAUDE_CODE,
    SENTRY,
    ADK,
    STRANDS,
    OPENLIT,
)
"""Who tells the call from what wraps it before who does not: Vercel's operation, LiteLLM's type of call. Then an operation's name
before an instrumentor's kind: on one span of a framework the kind may be that of its caller. Then kinds that are written of each
span for itself; the names of spans last.
"""

NAME_ORDER: tuple[Dialect, ...] = (
    *(dialect for dialect in KIND_ORDER if dialect not in (OPENINFERENCE, TRACEAI, OTEL_GENAI)),
    OPENINFERENCE,
    TRACEAI,
    OTEL_GENAI,
)
"""Which of the dialects that say what a span is gives the column `dialect`: the rarer one says more."""

STRING_FIELDS = (
    "provider",
    "operation",
    "model",
    "session_id",
    "user_id",
    "error_type",
    "finish_reason",
    "response_id",
    "service_tier",
)

BILLING_FIELDS = ("model_requested", "server_address")
"""What says who bills beside them."""

CACHED_REPLY = ("reply_cached", "cache_hit")
"""Did a gateway answer from its own cache; the second in names that some use of the provider's cache of prompts."""

ANSWER_FIELDS = ("answer", "called_tools", "refused")
"""What the model answered, beside how it ended: users' text, which is looked at and never shown."""

REQUEST_FIELDS = ("request", "output_schema", "asks_json")
"""What it was asked for: documents that hold a request or part of one, a schema itself, and flags."""

CONTENT_FIELDS = ("question", "documents", "tool_name", "tool_arguments", "tool_result")
"""What was asked, retrieved and done: users' text, which leaves decode only in samples."""

MOST_MESSAGES = 12
"""Of a conversation whose messages are numbered attributes, so many are looked at; of longer ones the whole is asked first."""

NUMBERED = tuple(
    tuple((paths(f"{at}.{i}.{role}"), paths(*(f"{at}.{i}.{text}" for text in texts))) for i in range(MOST_MESSAGES))
    for at, role, texts in (
        ("llm.input_messages", "message.role", ("message.content", "message.contents.0.message_content.text")),
        ("gen_ai.input.messages", "message.role", ("message.content", "message.contents.0.message_content.text")),
        ("gen_ai.prompt", "role", ("content",)),
    )
)
"""Conversations in numbered attributes: of each message where its role stands, and where its text may."""

MOST_DOCUMENTS = 20

NUMBERED_DOCUMENTS = tuple(
    paths(*(f"{at}.{i}.document.content" for i in range(MOST_DOCUMENTS)))
    for at in ("retrieval.documents", "reranker.output_documents", "gen_ai.retrieval.documents")
)
"""Documents in numbered attributes, in order."""

ANSWER_TEXTS = frozenset(
    paths(
        "gen_ai.completion.0.content",
        "llm.completions.0.content",
        "llm.output_messages.0.message.content",
        "llm.output_messages.0.message.contents.0.message_content.text",
        "llm.choices.0.completion.text",
        "gen_ai.output.messages.0.message.content",
        "gen_ai.output.messages.0.message.contents.0.message_content.text",
        "ai.response.object",
        "ai.response.text",
        "ai.result.object",
        "ai.result.text",
    )
)
"""Places of an answer where what was said stands as it is: JSON there is said, and no message around it."""

CLASSES = frozenset({"operation", "error_type", "finish_reason", "service_tier"})
IDS = frozenset({"session_id", "response_id"})
"""Which of them hold words for classes, and which ids. There instrumentors put text of users when a call goes wrong; the others
are names that developers give.
"""

AGENT = paths("gen_ai.agent.name", "agent.name")
ANSWER = paths("gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons")
"""A span nobody calls anything, with a model or usage, is a call; but one of an agent's name without an answer is the agent."""

WEAK_TTFT = frozenset({"gen_ai.server.time_to_first_token", "gen_ai.server.ttft", "first", "gen_ai.latency.time_to_first_token"})
WEAK_TTFT_SCOPES = ("openlit", "@openlit", "strands")
"""Names under which some scopes write a time on answers that were not streamed too: there it says nothing unless a flag does;
elsewhere it must be shorter than the call.
"""

NOT_CALLS = re.compile(r"agent|workflow|task|tool|step|memory|plan|session|cycle|framework|retriev|search|guard|eval|chain")
"""In a word for an operation that nobody knows: it says what is no call of a model. `embed` and `rerank` say which call it is."""


FAILED_ANSWER = r"^(?i:error|failed|failure)$"
"""How an answer ends that is none, wherever a dialect says how it ended."""


def field_paths(field: str) -> tuple[Path, ...]:
    """The paths of a field over all dialects, most believed first, each once."""
    found = [path for dialect in DIALECTS for path in dialect.fields.get(field, ())]
    if field == "failed":
        found += [replace(path, pattern=FAILED_ANSWER) for path in field_paths("finish_reason") if not path.pattern]
    return tuple(dict.fromkeys(found))


def fields() -> tuple[str, ...]:
    """Every field some dialect names, and those of a bill, whether one does or not."""
    named = dict.fromkeys(field for dialect in DIALECTS for field in dialect.fields)
    return tuple(named | dict.fromkeys((*BILLING_FIELDS, *CACHED_REPLY, *BILLED)))


@cache
def beside(part: str) -> tuple[frozenset[Path], tuple[str, ...]]:
    """Paths and scopes whose writers keep `part` (cache, reasoning) out of its whole."""
    found = frozenset(path for dialect in DIALECTS for path in dialect.beside.get(part, ()))
    return found, tuple(scope for dialect in DIALECTS for scope in dialect.beside_scopes.get(part, ()))


@cache
def own_sums() -> frozenset[Path]:
    """Paths whose writers' total is their own sum of the wholes."""
    return frozenset().union(*(dialect.own_sums for dialect in DIALECTS))


@cache
def estimates() -> tuple[str, ...]:
    """Scopes where an answer of no tokens says that usage never came."""
    return tuple(scope for dialect in DIALECTS for scope in dialect.estimates)


@cache
def sure_paths(field: str) -> tuple[Path, ...]:
    """The paths of a field in names that only a call of a model has: without the bare ones."""
    bare = {*PLAIN.fields.get(field, ()), *ALIKE.fields.get(field, ())}
    return tuple(path for path in field_paths(field) if path not in bare)
