"""Which alerts are the same.

The fingerprint is of what an alert is about: contract, rule, environment, route, slice and metric; of a burn rate also over which
two windows, since a budget has several and one may end while another goes on. It stays over versions of the contract, so a
threshold that moves opens no second incident. The id is of one alert: it names where in the log it was
decided and which window decided, since one message may end several. Whoever reads the log again gives the same id.
"""

from hashlib import blake2b

import orjson

from pipeline.model.alerts import Alert, AlertKind
from pipeline.model.stream import Source

FINGERPRINT_BYTES = 16


def fingerprint(alert: Alert) -> str:
    """32 hex digits."""
    about = [
        alert.kind.value,
        alert.contract,
        alert.rule,
        alert.environment,
        alert.route,
        [list(pair) for pair in sorted(alert.slice)],
        alert.metric,
        *((alert.short_window_ns, alert.window_ns) if alert.kind is AlertKind.BURN_RATE else ()),
    ]
    return blake2b(orjson.dumps(about), digest_size=FINGERPRINT_BYTES).hexdigest()


def alert_id(fingerprint: str, source: Source, offset: int, at_ns: int) -> str:
    """source, offset: of the message that decided it. at_ns: end of the window it decided by."""
    return f"{fingerprint}@{source}:{offset}:{at_ns}"
