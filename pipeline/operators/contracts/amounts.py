"""Amounts as people write them, in base units and back: `300ms`, `$0.04`, `2%`, `50 USD/day`.

An amount without its unit is refused wherever it could be meant otherwise. What comes out is exact to the base unit.
"""

import re
from decimal import Decimal

from pipeline.model.contracts import DAY_NS, HOUR_NS, MINUTE_NS
from pipeline.model.metrics import Unit

TIMES = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": MINUTE_NS, "min": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS}
PERIODS = {"hour": HOUR_NS, "h": HOUR_NS, "day": DAY_NS, "d": DAY_NS}
NUSD = 10**9

NUMBER = r"(?P<number>[0-9]{1,18}(?:\.[0-9]{1,12})?|\.[0-9]{1,12})"
TIME = re.compile(rf"{NUMBER} ?(?P<unit>{'|'.join(TIMES)})")
MONEY = re.compile(
    rf"(?:\$ ?{NUMBER}|{NUMBER.replace('number', 'other')} ?(?:USD|\$))(?: ?(?:/|per) ?(?P<per>{'|'.join(PERIODS)}))?"
)
PERCENT = re.compile(rf"{NUMBER} ?%")
POINTS = re.compile(rf"{NUMBER} ?(?:points?|pp)")
SPEED = re.compile(rf"{NUMBER}(?: ?(?:tokens?|tok)? ?(?:/|per) ?s(?:econd)?)?")
PLAIN = re.compile(NUMBER)


class NoAmountError(ValueError):
    """It is no amount of what was asked for; says what would be one."""


def duration_ns(said: object) -> int:
    """A window: `5m`, `1h`, `30d`. Raises NoAmountError."""
    found = TIME.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise NoAmountError(f"{_quoted(said)} is no length of time; write for instance 5m, 1h or 30d")
    return _whole(Decimal(found["number"]) * TIMES[found["unit"]], said, "nanoseconds")


def share(said: object) -> float:
    """Of 1: `2%`. A bare number is refused: 0.5 may be half of all or half a percent. Raises NoAmountError."""
    found = PERCENT.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise NoAmountError(f"{_quoted(said)} is no share; write it in percent, for instance 2% or 99.5%")
    value = Decimal(found["number"]) / 100
    if value > 1:
        raise NoAmountError(f"{_quoted(said)} is more than all of them; a share is at most 100%")
    return float(value)


def points(said: object) -> float | None:
    """Of 1: `1 point` is 0.01; None if it is written otherwise."""
    found = POINTS.fullmatch(said) if isinstance(said, str) else None
    return None if found is None else float(Decimal(found["number"]) / 100)


def money(said: object) -> tuple[int, int]:
    """Nano-USD, and per how many nanoseconds; 0: not per time. `$0.04`, `50 USD/day`. Raises NoAmountError."""
    found = MONEY.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise NoAmountError(f"{_quoted(said)} is no amount of money; write it in US dollars, for instance $0.04 or 50 USD/day")
    nusd = _whole(Decimal(found["number"] or found["other"]) * NUSD, said, "billionths of a dollar")
    return nusd, PERIODS[found["per"]] if found["per"] else 0


def bound(said: object, unit: Unit) -> float:
    """A bound in the metric's base unit. Raises NoAmountError."""
    match unit:
        case Unit.NS:
            return _time_bound(said)
        case Unit.NUSD:
            nusd, per = money(said)
            if per:
                raise NoAmountError(f"{_quoted(said)} is money per time, which only cost.sum has; write for instance $0.04")
            return nusd
        case Unit.SHARE:
            return share(said)
        case Unit.SCORE:
            return _score(said)
        case Unit.TOKENS_PER_SECOND:
            return _matched(SPEED, said, "tokens per second; write for instance 50 or 50 tokens/s")


def _time_bound(said: object) -> float:
    if isinstance(said, str) and TIME.fullmatch(said):
        return duration_ns(said)
    without = isinstance(said, int | float) or (isinstance(said, str) and PLAIN.fullmatch(said))
    unit = "has no unit" if without else "is no time"
    raise NoAmountError(f"{_quoted(said)} {unit}; write for instance 4s or 300ms")


def _score(said: object) -> float:
    if isinstance(said, str) and PERCENT.fullmatch(said):
        return share(said)
    value = _matched(PLAIN, said, "a score; write a number from 0 to 1, for instance 0.8")
    if value > 1:
        raise NoAmountError(f"{_quoted(said)} is above 1, the best score; write for instance 0.8")
    return value


def _matched(pattern: re.Pattern[str], said: object, wanted: str) -> float:
    if isinstance(said, int | float) and not isinstance(said, bool):
        said = f"{Decimal(str(said)):f}"
    found = pattern.fullmatch(said) if isinstance(said, str) else None
    if found is None:
        raise NoAmountError(f"{_quoted(said)} is not {wanted}")
    return float(found["number"])


def _whole(value: Decimal, said: object, of: str) -> int:
    if value != int(value):
        raise NoAmountError(f"{_quoted(said)} is no whole number of {of}")
    return int(value)


def _quoted(said: object) -> str:
    return f'"{said:.60}"' if isinstance(said, str) else f"{said!r:.60}"


def shown_duration(ns: int) -> str:
    """As a window is written: the largest unit that holds it whole. `5m`, `1h`, `30d`."""
    return next(f"{ns // size}{unit}" for unit, size in reversed(_SHOWN) if ns % size == 0)


_SHOWN = (("ns", 1), ("us", 10**3), ("ms", 10**6), ("s", 10**9), ("m", MINUTE_NS), ("h", HOUR_NS), ("d", DAY_NS))


def shown(value: float, unit: Unit) -> str:
    """A bound as people write it, exactly: read again it is the same."""
    match unit:
        case Unit.NS:
            return _shown_time(int(value))
        case Unit.NUSD:
            return f"${_trimmed(Decimal(int(value)) / NUSD)}"
        case Unit.SHARE:
            return shown_share(value)
        case Unit.SCORE:
            return _trimmed(Decimal(repr(value)))
        case Unit.TOKENS_PER_SECOND:
            return f"{_trimmed(Decimal(repr(value)))} tokens/s"


def shown_share(value: float) -> str:
    """In percent."""
    return f"{_trimmed(Decimal(repr(value)) * 100)}%"


def _shown_time(ns: int) -> str:
    size, unit = next(((size, unit) for unit, size in (("s", 10**9), ("ms", 10**6), ("us", 10**3)) if ns >= size), (1, "ns"))
    return f"{_trimmed(Decimal(ns) / size)}{unit}"


def _trimmed(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
