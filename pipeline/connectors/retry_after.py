"""How long a server asks to be left alone, in the header `Retry-After`.

Source: RFC 9110, section 10.2.3.
"""

import math
from email.utils import parsedate_to_datetime

from pipeline.connectors.clock import now_ns


def seconds(retry_after: str, longest: float) -> float:
    """What it asks for, in seconds or as a date, from 0 to `longest`; 0 for what is neither."""
    try:
        asked = float(retry_after)
    except ValueError:
        try:
            asked = parsedate_to_datetime(retry_after).timestamp() - now_ns() / 1e9
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return 0.0 if math.isnan(asked) else min(max(asked, 0.0), longest)
