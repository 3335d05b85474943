"""MLflow's tracing: every value is JSON, so words have quotes; usage is one map.

Anthropic's instrumentor, which alone tells what was written to the cache, copies its raw usage: the cache lies beside the prompt,
and the total is the sum of the wholes. Source: mlflow/tracing/constant.py.
"""

from pipeline.operators.dialects.dialect import SAYS_NOTHING, Dialect
from pipeline.operators.dialects.paths import paths

USAGE = "mlflow.chat.tokenUsage"
WRITTEN = paths(f"{USAGE}#cache_creation_input_tokens")

MLFLOW = Dialect(
    "mlflow",
    kind=paths(r'mlflow.spanType~^"?(\w+)"?$'),
    kinds={
        "llm": "llm",
        "chat_model": "llm",
        "embedding": "embedding",
        "reranker": "reranker",
        "retriever": "retriever",
        "tool": "tool",
        "agent": "agent",
        "chain": "chain",
        "parser": "chain",
        "memory": "chain",
        "task": "chain",
        "workflow": "chain",
        "guardrail": "guardrail",
        "evaluator": "evaluator",
        "unknown": SAYS_NOTHING,
    },
    fields={
        "provider": paths(r'mlflow.llm.provider~^"?([^"]+)"?$'),
        "model": paths(r'mlflow.llm.model~^"?([^"]+)"?$'),
        "session_id": paths(r'mlflow.trace.session~^"?([^"]+)"?$'),
        "user_id": paths(r'mlflow.trace.user~^"?([^"]+)"?$'),
        "question": paths("mlflow.spanInputs"),
        "answer": paths("mlflow.spanOutputs"),
        "ttft_ns": paths("event:mlflow.chunk.item.0"),
        "input_tokens": paths(f"{USAGE}#input_tokens"),
        "output_tokens": paths(f"{USAGE}#output_tokens"),
        "total_tokens": paths(f"{USAGE}#total_tokens"),
        "cache_read_tokens": paths(f"{USAGE}#cache_read_input_tokens"),
        "cache_write_tokens": WRITTEN,
        "span_cost": paths("mlflow.llm.cost#total_cost"),
    },
    beside={"cache": WRITTEN},
    own_sums=frozenset(WRITTEN),
)
