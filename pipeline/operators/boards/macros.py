"""What Grafana and its ClickHouse plugin do to a query before the server sees it, as a pure function.

The plugin's front end resolves `$__conditionalAll`, Grafana interpolates the variables, the plugin's back end expands the
macros that depend on the time range: in this order. Only the forms our boards use are known; anything else is an error,
so a new macro cannot slip through untested.

A value enters as `percentencode` alone, whose letters are A-Z a-z 0-9 - _ . ~ %: between quotes it cannot end a literal, nor
begin a macro or a variable, wherever it came from. Grafana's other formats leave room for that, so a query that asks for one
is refused.

Source: grafana-clickhouse-datasource 4.20.0, `pkg/macros/macros.go` and `src/data/CHDatasource.ts`; the formats of variables:
@grafana/scenes, `formatRegistry.ts`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

ALL = "$__all"
Selection = str | tuple[str, ...]


class NotExpandedError(ValueError):
    """A query says something that is not known here."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What a panel asks for: both ends in Unix seconds, inclusive, and the width of one of its points."""

    start: int
    end: int
    interval: int = 60


def expand(sql: str, chosen: Mapping[str, Selection], over: TimeRange) -> str:
    """The SQL the server gets. `chosen` is a value, several, or ALL per variable; ALL outside of a condition is no value.

    Raises NotExpandedError for a variable, a format or a macro that is not known.
    """
    sql = _ranged(_filled(_conditional(sql, chosen), chosen), over)
    if left := re.search(r"\$\{?[A-Za-z_][\w:}]*|\[\[\w+(:\w+)?\]\]", sql):
        raise NotExpandedError(f"{left[0]} is not known")
    return sql


def percent_encoded(value: Selection) -> str:
    """RFC 3986 of a value, of several as `{one,other}`."""
    return quote(value if isinstance(value, str) else "{" + ",".join(value) + "}", safe="-_.~")


def _filled(sql: str, chosen: Mapping[str, Selection]) -> str:
    """With each `${name:percentencode}` written out; all at once, so that no value is read as a query."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return found[0] if name not in chosen else percent_encoded("" if chosen[name] == ALL else chosen[name])

    return re.sub(r"\$\{(\w+):percentencode\}", value, sql)


def _ranged(sql: str, over: TimeRange) -> str:
    start, end = f"toDateTime({over.start})", f"toDateTime({over.end})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {start} AND \1 <= {end}", sql)
    width = f"INTERVAL {max(over.interval, 1)} second"
    sql = re.sub(r"\$__timeInterval\((\w+)\)", rf"toStartOfInterval(toDateTime(\1), {width})", sql)
    sql = re.sub(r"\$__fromTime\b", start, sql)
    sql = re.sub(r"\$__toTime\b", end, sql)
    return re.sub(r"\$__interval_s\b", str(max(over.interval, 1)), sql)


def _conditional(sql: str, chosen: Mapping[str, Selection]) -> str:
    macro = "$__conditionalAll("
    while (at := sql.rfind(macro)) >= 0:
        condition, variable, end = _arguments(sql, at + len(macro))
        name = variable.strip().removeprefix("$").strip("{}")
        if name not in chosen:
            raise NotExpandedError(f"$__conditionalAll names the unknown variable {variable}")
        sql = sql[:at] + ("1=1" if chosen[name] in ("", ALL) else condition) + sql[end:]
    return sql


def _arguments(sql: str, at: int) -> tuple[str, str, int]:
    """Both arguments of the call whose first starts `at`, and where it ends. Only brackets nest, as in the plugin."""
    depth, comma = 1, -1
    for position in range(at, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[position], 0)
        if sql[position] == "," and depth == 1:
            comma = position
        if depth == 0:
            if comma < 0:
                raise NotExpandedError(f"$__conditionalAll needs two arguments: {sql[at:position]}")
            return sql[at:comma], sql[comma + 1 : position], position + 1
    raise NotExpandedError(f"$__conditionalAll is not closed: {sql[at:]}")
