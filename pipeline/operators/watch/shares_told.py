"""A share beyond a threshold in the words of whoever waits or pays: "3.1% of calls took longer than 4s; 1% may"."""

from pipeline.model.alerts import AlertKind
from pipeline.model.metrics import Unit
from pipeline.operators.alerts.wording import amount
from pipeline.operators.watch.questions import Question

WORDS = {
    "latency": "calls took longer than {}",
    "ttft": "calls waited longer than {} for the first token",
    "tokens_per_second": "calls were slower than {}",
    "cost_per_call": "calls cost more than {}",
    "cost_per_trace": "traces cost more than {}",
    "trace_latency": "traces took longer than {}",
}
"""By measure; {} is the threshold."""


def share_told(question: Question, share: float, low: float, high: float) -> str:
    """What is bad of it and how much may be. share, low, high: parts of 1."""
    measure = question.metric.measure
    assert measure is not None, "a threshold is of a measure"
    allowed = question.allowed if question.kind is AlertKind.BURN_RATE else question.bound
    said, least, most, may = (amount(one, Unit.SHARE) for one in (share, low, high, allowed))
    whose = WORDS[measure.name].format(amount(question.beyond, measure.unit))
    return f"{said} of {whose} (between {least} and {most}); {may} may"
