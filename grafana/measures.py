"""What the boards measure: sums that add up over any rows of a view, and the limits that colour them."""

SECOND = 1_000_000_000

N = "sum(requests)"
STREAMED = "sum(streamed)"
COST = "sum(cost_nusd) / 1e9"
TRACES = "sum(traces)"
CALLING = "sum(traces_with_calls)"
"""Traces that call a model: what cost and calls of a trace are over."""

PRICED = "sum(requests) - sum(unpriced)"
"""Calls whose price is known: what a cost of a call is over."""

REFUSED = ("sum(refusals)", "sum(refusal_checked)")
CITED = ("sum(citations)", "sum(citation_checked)")
SCHEMA_KEPT = ("sum(schema_valid)", "sum(schema_checked)")
"""What answers show, and of how many that could be told."""

SAMPLE = "n"
"""Name of the column or line that holds the sample size."""

SAMPLES = f"{N} AS {SAMPLE}"

LATENCY_LIMITS = (5 * SECOND, 20 * SECOND)
TTFT_LIMITS = (1 * SECOND, 3 * SECOND)
ERROR_LIMITS = (0.01, 0.05)
WORSE_LIMITS = (0.1, 0.3)
