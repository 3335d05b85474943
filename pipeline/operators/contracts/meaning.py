"""What a contract means, without how it is written: its hash, and what is compared and shown."""

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


def _objective(one: Objective) -> dict[str, Any]:
    return asdict(one) | {"metric": one.metric.name, "bound": float(one.bound)}


def _regression(one: Regression) -> dict[str, Any]:
    limits = {limit.metric.name: {"worse": limit.worse, "is_points": limit.is_points} for limit in one.limits}
    return asdict(one) | {"limits": limits}


def _budget(one: ErrorBudget) -> dict[str, Any]:
    names = {"ratio": one.ratio and one.ratio.name, "measure": one.measure and one.measure.name}
    return asdict(one) | names | {"beyond": float(one.beyond)}
