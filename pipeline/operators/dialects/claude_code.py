"""Claude Code and the Claude Agent SDK: names without a namespace, told by the names of the spans.

Usage is Anthropic's: what was read from and written to the cache lies beside the prompt. The bare names themselves are in
`plain`, which knows them as such. Source: Claude Code's documentation of its telemetry.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

NAME = r"^(claude_code\.(?:llm_request|interaction|tool|hook)|claude_agent_sdk\.(?:query|llm_request|tool))"

CLAUDE_CODE = Dialect(
    "claude_code",
    kind=paths(f"name:~{NAME}"),
    kinds={
        "claude_code.llm_request": "llm",
        "claude_code.interaction": "agent",
        "claude_code.tool": "tool",
        "claude_code.hook": "chain",
        "claude_agent_sdk.llm_request": "llm",
        "claude_agent_sdk.query": "agent",
        "claude_agent_sdk.tool": "tool",
    },
    fields={
        "question": paths("user_prompt"),
        "tool_name": paths("tool_name"),
        "ttft_ns": paths("claude_agent.time_to_first_token_ms@ms", "claude_code.ttft_ms@ms"),
        "response_id": paths("gen_ai.response.id"),
    },
)
