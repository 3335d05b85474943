"""Why something was not counted.

One name everywhere: metric label, dead-letter field, ledger column, runbook heading, test id.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A record or a span that ended somewhere else than in a pane."""

    # A whole OTLP record (dead letter with index -1).
    UNKNOWN_ENCODING = "unknown_encoding"
    MALFORMED_PROTOBUF = "malformed_protobuf"
    MALFORMED_JSON = "malformed_json"
    TOO_LARGE = "too_large"
    TOO_MANY_SPANS = "too_many_spans"
    # One span of an OTLP record (dead letter with its index).
    BAD_TRACE_ID = "bad_trace_id"
    BAD_SPAN_ID = "bad_span_id"
    MISSING_TIME = "missing_time"
    IMPLAUSIBLE_TIME = "implausible_time"
    NEGATIVE_DURATION = "negative_duration"
    TOO_LONG = "too_long"
    BEYOND_HORIZON = "beyond_horizon"
    # A span block that aggregate cannot read (dead letter with index -1).
    MALFORMED_BLOCK = "malformed_block"
    # A span aggregate does not count (a column of the ledger; the span stays in `spans`).
    DUPLICATE = "duplicate"
    TOO_LATE = "too_late"
    AHEAD_OF_CLOCK = "ahead_of_clock"
