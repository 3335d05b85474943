"""The boards there are, and their one rendering.

Rendering is a function of the code alone (no clock, no random ids), so the committed files can be compared byte for byte.
"""

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import behaviour, contract, cost, latency, operations, performance, quality, releases, trace_list

DASHBOARDS = Path(__file__).parent / "dashboards"

BOARDS: dict[str, Callable[[], Dashboard]] = {
    "performance": performance.board,
    "contract": contract.board,
    "cost": cost.board,
    "quality": quality.board,
    "behaviour": behaviour.board,
    "latency": latency.board,
    "releases": releases.board,
    "traces": trace_list.board,
    "operations": operations.board,
}


def render(board: Dashboard) -> str:
    """The JSON Grafana provisions: indented by two, keys in the SDK's order, one final newline."""
    return json.dumps(board, cls=JSONEncoder, indent=2, ensure_ascii=False) + "\n"
