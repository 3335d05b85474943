"""What Grafana and its ClickHouse plugin do to a query before the server sees it, as a pure function.

The plugin's front end resolves `$__conditionalAll`, Grafana interpolates the variables, the plugin's back end expands the
macros that depend on the time range: in this order. Only the forms our boards use are known; anything else is an error,
so a new macro cannot slip through untested.

Source: grafana-clickhouse-datasource 4.20.0, `pkg/macros/macros.go` and `src/data/CHDatasource.ts`; the formats of variables:
@grafana/scenes, `formatRegistry.ts`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

ALL = "$__all"
Selection = str | tuple[str, ...]


def _each(quoted: Callable[[str], str]) -> Callable[[Selection], str]:
    return lambda value: ",".join(map(quoted, (value,) if isinstance(value, str) else value))


def _glob(value: Selection) -> str:
    return value if isinstance(value, str) else value[0] if len(value) == 1 else "{" + ",".join(value) + "}"


def _percent_encoded(value: Selection) -> str:
    """RFC 3986 of a value, of several as `{one,other}`."""
    return quote(value if isinstance(value, str) else "{" + ",".join(value) + "}", safe="-_.~")


FORMATS: Final[dict[str, Callable[[Selection], str]]] = {
    "glob": _glob,
    "percentencode": _percent_encoded,
    "singlequote": _each(lambda value: "'" + value.replace("'", "\\'") + "'"),
    "sqlstring": _each(lambda value: "'" + value.replace("'", "''").replace('"', '\\"') + "'"),
}
"""What `${name:format}` becomes, of one value or several. Neither of the quoting ones touches a backslash."""


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What a panel asks for: both ends in Unix seconds, inclusive, and the width of one of its points."""

    start: int
    end: int
    interval: int = 60


def expand(sql: str, chosen: Mapping[str, Selection], options: Mapping[str, tuple[str, ...]], over: TimeRange) -> str:
    """The SQL the server gets. `chosen` is a value, several, or ALL per variable; `options` is what ALL stands for.

    Raises AssertionError for a variable or a macro that is not known.
    """
    sql = _conditional(sql, chosen)
    for name, value in chosen.items():
        values = options.get(name, ()) if value == ALL else value
        sql = re.sub(rf"\$\{{{name}(?::(\w+))?\}}", lambda m, v=values: FORMATS[m[1] or "glob"](v), sql)  # type: ignore[misc]
    sql = _ranged(sql, over)
    left = re.search(r"\$\{?[A-Za-z_]+", sql)
    assert left is None, f"{left and left[0]} is not expanded in: {sql}"
    return sql


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
        assert name in chosen, f"$__conditionalAll names the unknown variable {variable}"
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
            assert comma > 0, f"$__conditionalAll needs two arguments: {sql[at:position]}"
            return sql[at:comma], sql[comma + 1 : position], position + 1
    raise AssertionError(f"$__conditionalAll is not closed: {sql[at:]}")
