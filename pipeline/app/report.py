"""`tailrace report`: one route over a range, for the weekly review and for people without access."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from glob import escape

from pipeline.app import report_numbers as numbers
from pipeline.app.check import check
from pipeline.app.checked import row, summary
from pipeline.app.contracts import contract_of, utc
from pipeline.app.report_numbers import DAY, Scope
from pipeline.connectors.clickhouse import query
from pipeline.connectors.clock import now_ns
from pipeline.errors import SettingsError
from pipeline.model.contract_columns import Applied
from pipeline.model.contracts import Contract
from pipeline.operators.alerts.wording import named
from pipeline.operators.contracts.scope import fits
from pipeline.operators.report.cells import count
from pipeline.operators.report.content import Grid, Mark, Report, Section
from pipeline.operators.watch.standing import BEYOND, Verdict
from pipeline.settings import SECOND, Settings

Say = Callable[[str], None]

HOW = (
    "Quantiles are of merged t-digests, their intervals of ranks; shares have the interval of Agresti and Coull; both take calls "
    "for independent. Means of scores are weighted by how likely a trace was to be judged. – means: not known, or too few."
)
MARKS = {
    Verdict.BROKEN: Mark.BAD,
    Verdict.LIKELY: Mark.DOUBTFUL,
    Verdict.CROSSED: Mark.DOUBTFUL,
    Verdict.KEPT: Mark.GOOD,
    "firing": Mark.BAD,
}
MOST_FINDINGS = 40
MOST_ALERTS = 50


def gathered(settings: Settings, route: str, environment: str, span: tuple[int | None, int | None], say: Say) -> Report:
    """The report. span: from, to, nanoseconds; None: a week before, now. Raises SettingsError where there is nothing to tell."""
    to_s = (span[1] if span[1] is not None else now_ns()) // SECOND
    from_s = span[0] // SECOND if span[0] is not None else to_s - 7 * DAY
    if not 0 <= from_s < to_s < 2**32:
        raise SettingsError(f"--from is not before --to{', which is now' if span[1] is None else ''}")
    scope = Scope(settings, environment or _environment(settings, route, from_s, to_s), route, from_s, to_s)
    told = numbers.totals(scope)
    if not told["requests"]:
        raise SettingsError(f"no call of route {named(route)} in {named(scope.environment)} is stored in that range")
    sections = []
    for what, section in (
        ("promises", _promises),
        ("alerts", _alerts),
        ("trends", lambda one, _: numbers.trends(one)),
        ("cohorts", lambda one, _: numbers.cohorts(one)),
        ("cost", lambda one, _: numbers.cost(one)),
        ("releases", lambda one, _: numbers.releases(one)),
    ):
        say(f"reading {what}")
        sections.append(section(scope, say))
    return Report(
        f"{named(route)} in {named(scope.environment)}",
        [f"{utc(from_s * SECOND)} to {utc(to_s * SECOND)} UTC.", numbers.headline(told)],
        from_s,
        to_s,
        sections,
        _notes(scope, told),
    )


def _environment(settings: Settings, route: str, from_s: int, to_s: int) -> str:
    """The one environment in which the route was served."""
    of_view = (
        "SELECT DISTINCT environment, route FROM {} WHERE window_start >= toDateTime({{from_s:Int64}} - {}, 'UTC')"
        " AND window_start < toDateTime({{to_s:Int64}}, 'UTC')"
    )
    sql = " UNION DISTINCT ".join((of_view.format("performance_hourly", 3600), of_view.format("performance", 0)))
    _, rows = query(settings, sql, parameters={"from_s": from_s, "to_s": to_s})
    places = sorted(one for one, name in rows if name == route)
    if len(places) == 1:
        return str(places[0])
    if places:
        raise SettingsError(f"route {named(route)} is served in {', '.join(map(named, places))}: say which with --environment")
    there = sorted({str(name) for _, name in rows})
    near = get_close_matches(route, there, 1, 0.5)
    hint = f"did you mean {named(near[0])}?" if near else f"there are {', '.join(map(named, there[:5])) or 'none'}"
    raise SettingsError(f"no call of route {named(route)} is stored in that range; {hint}")


def _promises(scope: Scope, say: Say) -> Section:
    """How the contracts of the route stand after the range, as `tailrace check` says it."""
    grids, left = list[Grid](), list[str]()
    for applied in _in_force(scope.settings):
        name, contract = applied.name, contract_of(applied)
        if not (fits(scope.environment, contract.environments) and fits(scope.route, contract.routes)):
            continue
        try:
            grids += _held(scope, contract, say)
        except SettingsError as error:
            left.append(f"{name}: {error}")
    about = (
        "Broken is what there is evidence for, at a stated rate of error over all that is promised; an estimate beyond its bound "
        "alone proves nothing."
    )
    if not grids:
        about = "No contract in force speaks of this route." if not left else "; ".join(left)
    return Section("Promises", about, grids=grids)


def _in_force(settings: Settings) -> list[Applied]:
    """As the store knows it: a report needs nothing else."""
    columns = "name, version, hash, owner, text, applied_ns, applied_by"
    _, rows = query(settings, f"SELECT {columns} FROM contracts_in_force ORDER BY name")  # noqa: S608 - constants
    return [Applied(*one) for one in rows]


def _held(scope: Scope, contract: Contract, say: Say) -> list[Grid]:
    """A row for each promise, and one for each slice in which it is not kept."""
    alone = replace(contract, environments=(escape(scope.environment),), routes=(escape(scope.route),))
    done = check(scope.settings, alone, (scope.from_s * SECOND, scope.to_s * SECOND), "", 100_000, say)
    found, counts = done.standing.findings, done.standing.counts
    of_whole = {one.alert.rule: one for one in found if not one.alert.slice}
    rows = []
    for rule, verdicts in counts.items():
        worst = next((verdict for verdict in BEYOND if verdicts[verdict]), None)
        state = worst or (Verdict.KEPT if verdicts[Verdict.KEPT] else Verdict.TOO_FEW)
        told = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in Verdict if verdicts[verdict])
        cells = row(of_whole[rule])[5:9] if rule in of_whole else ["0", "–", "", ""]
        rows.append([state.value, rule, done.standing.severities[rule].value, *cells, told])
    names = ("state", "promise", "severity", "n", "estimate", "95 % between", "bound", "slices")
    grids = [_marked(summary(done, done.standing.exit_code(strict=False)), names, rows, frozenset(names[3:7]))]
    bad = [one for one in found if one.verdict in BEYOND][:MOST_FINDINGS]
    names = ("state", "promise", "slice", "n", "estimate", "95 % between", "bound", "why")
    if bad:
        cells_of = [row(one) for one in bad]
        rows = [[one[0], one[2], one[4], *one[5:9], one[10]] for one in cells_of]
        grids.append(_marked("Where they are not kept", names, rows, frozenset(names[3:7])))
    return grids


def _marked(caption: str, names: Sequence[str], rows: list[list[str]], right: frozenset[str]) -> Grid:
    return Grid(caption, names, rows, [MARKS.get(cells[0], Mark.NONE) for cells in rows], right)


def _alerts(scope: Scope, _: Say) -> Section:
    """What was alerted of in the range, and whether it is over."""
    found = scope.rows(
        f"""SELECT state, severity, text, fired_ns, resolved_ns, owner FROM latest_alerts
            WHERE environment = {{environment:String}} AND route = {{route:String}} AND fired_ns < {{to_s:Int64}} * {SECOND}
            AND (resolved_ns = 0 OR resolved_ns >= {{from_s:Int64}} * {SECOND})
            ORDER BY state, fired_ns DESC LIMIT {MOST_ALERTS}"""  # noqa: S608 - constants
    )
    rows = [
        [state, severity, named(owner), named(text, 1000), utc(fired), utc(ended) if ended else "–"]
        for state, severity, text, fired, ended, owner in found
    ]
    marks = [Mark.BAD if cells[0] == "firing" else Mark.NONE for cells in rows]
    names = ("state", "severity", "owner", "what", "since", "over")
    return Section(
        "Alerts", "", grids=[Grid("", names, rows, marks, nothing="No alert fired in this range, or was still firing.")]
    )


def _notes(scope: Scope, told: dict[str, object]) -> list[str]:
    notes = [HOW]
    if not told["final"]:
        notes.append("Some windows of the range may still change: late calls are taken for as long as TAILRACE_ALLOWED_LATENESS.")
    if told["unpriced"] or told["unknown_usage"]:
        notes.append(
            f"Cost leaves out {count(float(str(told['unpriced'])))} calls without a price; "
            f"{count(float(str(told['unknown_usage'])))} calls did not say what they used."
        )
    kept = {"": scope.settings.keep_panes, "_hourly": scope.settings.keep_hourly, "_daily": scope.settings.keep_daily}[scope.view]
    notes.append(
        f"Read from windows kept {kept} days, of {('minutes', 'hours', 'days')[('', '_hourly', '_daily').index(scope.view)]}."
    )
    return notes
