"""Which calls a contract is about."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from pipeline.model.columns import OVERFLOW
from pipeline.model.contracts import Contract

SIGNS = frozenset("*?[")
"""What makes a name a pattern."""


def is_for(contract: Contract, environment: str, route: str, model: str = "", release: str = "") -> bool:
    """Whether the contract speaks of this part of a route. What has no model, as a trace, is of those that choose none."""
    named = (
        (environment, contract.environments),
        (route, contract.routes),
        (model, contract.models),
        (release, contract.releases),
    )
    return all(fits(name, patterns) for name, patterns in named)


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns is for the name. What the cardinality limit put together is nobody's unless it is named."""
    return any(pattern == name if name == OVERFLOW else fnmatchcase(name, pattern) for pattern in patterns)
