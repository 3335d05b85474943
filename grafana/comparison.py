"""Two releases side by side: the same routes and cohorts, whatever the board's variable Release says."""

from grafana.measures import ERROR_LIMITS, WORSE_LIMITS, N
from grafana.panels import SHARE, Panel, cells, chart, coloured, narrowing, properties, sample
from grafana.sql import ANY_RELEASE, chosen, enough, over_time, quantile, ratio, rows, supported

SIDES = {side: f"release = {chosen(side)}" for side in ("baseline", "candidate")}
BOTH_RELEASES = f"{ANY_RELEASE}\n  AND ({' OR '.join(SIDES.values())})"


def compared(name: str, values: dict[str, str], change: str) -> tuple[str, ...]:
    """`values` of both sides and their change: `relative` or `absolute`."""
    base, new = values["baseline"], values["candidate"]
    difference = f"({new}) - ({base})" if change == "absolute" else f"({new}) / nullIf({base}, 0) - 1"
    return (*(f'{value} AS "{name} {side}"' for side, value in values.items()), f'{difference} AS "Δ {name}"')


def _counted(side: str) -> str:
    return f"sumIf(requests, {SIDES[side]})"


def comparison(uid: str) -> tuple[Panel, ...]:
    """The panels; a click on a name narrows the board `uid`."""
    return (
        chart(
            "p99 latency of the two releases",
            "The selection served by baseline and by candidate, whatever the variable Release says.",
            over_time(f"{quantile(0.99)} AS p99", by="release", selected=BOTH_RELEASES),
            "ns",
            12,
            "Release",
        ),
        chart(
            "Errors of the two releases",
            "Calls that ended in an error over all calls of the release.",
            over_time(f"{ratio('sum(errors)', N)} AS errors", by="release", selected=BOTH_RELEASES),
            "percentunit",
            12,
            "Release",
        ),
        cells(
            "Candidate against baseline",
            "Each route and cohort both releases served, the largest rise of p99 first. Δ of latency and cost is relative, "
            "Δ of errors in percentage points of the ratio. Differences of few requests are noise: n of both is shown.",
            rows(
                *(f'{_counted(side)} AS "n {side}"' for side in SIDES),
                *compared("p95", {side: supported(0.95, _counted(side), only=rule) for side, rule in SIDES.items()}, "relative"),
                *compared("p99", {side: supported(0.99, _counted(side), only=rule) for side, rule in SIDES.items()}, "relative"),
                *compared("errors", {s: ratio(f"sumIf(errors, {rule})", _counted(s)) for s, rule in SIDES.items()}, "absolute"),
                *compared(
                    "cost",
                    {
                        s: ratio(f"sumIf(cost_nusd, {rule}) / 1e9", f"{_counted(s)} - sumIf(unpriced, {rule})")
                        for s, rule in SIDES.items()
                    },
                    "relative",
                ),
                by=("route", "cohort"),
                having=" AND ".join(f"{_counted(side)} > 0" for side in SIDES),
                order='"Δ p99" DESC NULLS LAST',
                selected=BOTH_RELEASES,
            ),
            "ns",
            11,
            "Δ p99",
            {
                **{column.capitalize(): narrowing(uid, column) for column in ("route", "cohort")},
                **{f"n {side}": sample(enough(0.99)) for side in SIDES},
                "Δ p95": coloured("percentunit", *WORSE_LIMITS),
                "Δ p99": coloured("percentunit", *WORSE_LIMITS),
                "Δ errors": coloured("percentunit", *ERROR_LIMITS),
                "Δ cost": coloured("percentunit", *WORSE_LIMITS),
                **{f"errors {side}": properties(SHARE) for side in SIDES},
                **{f"cost {side}": properties({"unit": "currencyUSD"}) for side in SIDES},
            },
        ),
    )
