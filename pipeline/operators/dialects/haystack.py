"""Haystack's own tracing: the class of a component says what it is; usage is in its output, where content is traced.

Source: haystack/tracing, haystack/core/pipeline/component_checks and haystack/dataclasses/chat_message.py.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths
from pipeline.operators.dialects.raw import BESIDE, INSIDE, under

OUT = "haystack.component.output"
METAS = (f"{OUT}#replies#0#meta", f"{OUT}#replies#0#_meta", f"{OUT}#meta#0", f"{OUT}#meta")
"""Of a chat message, in two versions; of a text; of an embedder."""

USAGE = [under(f"{meta}#usage", INSIDE, BESIDE) for meta in METAS]
CACHED = [f"{meta}#usage#{key}" for meta in METAS for name in ("cache_read_tokens", "cache_write_tokens") for key in BESIDE[name]]

HAYSTACK = Dialect(
    "haystack",
    kind=paths(r"haystack.component.type~(Generator|Embedder|Ranker|Retriever|Agent|ToolInvoker|Evaluator)$"),
    kinds={
        "generator": "llm",
        "embedder": "embedding",
        "ranker": "reranker",
        "retriever": "retriever",
        "agent": "agent",
        "toolinvoker": "tool",
        "evaluator": "evaluator",
    },
    fields={
        "provider": paths(
            r"haystack.component.type~^(OpenAI|AzureOpenAI|Anthropic|Cohere|Mistral|Ollama|AmazonBedrock|VertexAI)"
        ),
        "model": paths(*(f"{meta}#model" for meta in METAS)),
        "question": paths("haystack.component.input"),
        "tool_name": paths("haystack.component.name"),
        "answer": paths(OUT),
        "finish_reason": paths(*(f"{meta}#finish_reason" for meta in METAS)),
        **{name: paths(*(text for shape in USAGE for text in shape[name])) for name in USAGE[0]},
    },
    beside={"cache": paths(*CACHED)},
)
