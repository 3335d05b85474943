"""What a silence that began or is over says: an alert."""

from pipeline.model.alerts import Alert, AlertKind, AlertState, Tier
from pipeline.model.contracts import MINUTE_NS, SEVERITY, Contract
from pipeline.operators.contracts.amounts import shown_duration
from pipeline.operators.watch.silence import Missed

RULE = "no_data"
"""No contract asks for it: all slices are missed alike."""


def silence_told(contract: Contract, missed: Missed) -> Alert:
    """Without what the place in the log adds (`pipeline/operators/alerts/told.py`)."""
    silent_ns = max(MINUTE_NS, (missed.at_ns - missed.since_ns) // MINUTE_NS * MINUTE_NS)
    return Alert(
        kind=AlertKind.NO_DATA,
        state=AlertState.FIRING if missed.is_firing else AlertState.RESOLVED,
        tier=Tier.ESTABLISHED,
        severity=SEVERITY.value,
        contract=contract.name,
        contract_version=contract.version,
        contract_hash=contract.hash,
        owner=contract.owner,
        environment=missed.slice.environment,
        route=missed.slice.route,
        slice=missed.slice.values,
        metric=missed.metric,
        rule=RULE,
        window_ns=silent_ns,
        log_e_value=missed.unlikely,
        needed=missed.needed,
        hypotheses=missed.hypotheses,
        first_seen_ns=missed.since_ns,
        at_ns=missed.at_ns,
        fired_ns=missed.fired_ns,
        resolved_ns=0 if missed.is_firing else missed.at_ns,
        detail=missed.detail if missed.is_firing else f"{missed.detail}, after {shown_duration(silent_ns)}",
    )
