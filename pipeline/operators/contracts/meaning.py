"""What a contract means, without how it is written: its hash, and what is compared and shown."""

import re
from dataclasses import asdict
from hashlib import blake2b
from typing import Any

import orjson

from pipeline.model.contracts import Contract, ErrorBudget, Objective, Regression

HASH_BYTES = 16


def meaning(contract: Contract) -> dict[str, Any]:
    """As plain values: base units, metrics by name. The description is for people and no part of it."""
    return {
        "name": contract.name,
        "version": contract.version,
        "owner": contract.owner,
        "environment": contract.environments,
        "routes": contract.routes,
        "select": {"model": contract.models, "release": contract.releases},
        "slices": contract.slices,
        "objectives": [_objective(one) for one in sorted(contract.objectives, key=lambda one: one.id)],
        "regression": None if contract.regression is None else _regression(contract.regression),
        "error_budgets": [_budget(one) for one in sorted(contract.error_budgets, key=lambda one: one.id)],
    }


def hash_of(contract: Contract) -> str:
    """32 hex digits; equal where, and only where, contracts mean the same."""
    content = orjson.dumps(meaning(contract), option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=HASH_BYTES).hexdigest()


def stored(contract: Contract) -> str:
    """The meaning as JSON for the store's views, with its patterns as regular expressions of RE2 under `matches`."""
    patterns = {
        "environment": contract.environments,
        "route": contract.routes,
        "model": contract.models,
        "release": contract.releases,
    }
    matches = {column: [pattern_as_regex(one) for one in some] for column, some in patterns.items()}
    return orjson.dumps(meaning(contract) | {"matches": matches}).decode()


def pattern_as_regex(pattern: str) -> str:
    """What `fnmatchcase` finds, as an expression of RE2; its class of characters that is no class matches nothing."""
    parts = re.split(r"(\*|\?|\[!?\]?[^\]]*\])", pattern)
    return "^(?s:" + "".join(_as_regex(part) for part in parts) + ")$"


def _as_regex(part: str) -> str:
    if part in ("*", "?"):
        return {"*": ".*", "?": "."}[part]
    if len(part) > 2 and part[0] == "[" and part[-1] == "]":
        inner = part[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        one = "[^" + inner[1:] + "]" if inner[0] == "!" else "[" + inner.replace("^", "\\^", 1) + "]"
        try:
            re.compile(one)
        except re.error:
            return r"[^\s\S]"
        return one
    return re.escape(part)


def _objective(one: Objective) -> dict[str, Any]:
    return asdict(one) | {"metric": one.metric.name, "bound": float(one.bound)}


def _regression(one: Regression) -> dict[str, Any]:
    limits = {limit.metric.name: {"worse": limit.worse, "is_points": limit.is_points} for limit in one.limits}
    return asdict(one) | {"limits": limits}


def _budget(one: ErrorBudget) -> dict[str, Any]:
    names = {"ratio": one.ratio and one.ratio.name, "measure": one.measure and one.measure.name}
    return asdict(one) | names | {"beyond": float(one.beyond)}
