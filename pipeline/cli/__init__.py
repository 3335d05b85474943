"""The commands. Each reads the settings, calls one function of the app or a connector, and prints.

Errors we raise on purpose end in one line and an exit code of their own (see `pipeline.errors`).
"""

import faulthandler
import json as stdlib_json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from pipeline.app import show
from pipeline.cli.alerts import alerts_app
from pipeline.cli.boards import boards
from pipeline.cli.check import check
from pipeline.cli.contract import contract_app
from pipeline.cli.report import report
from pipeline.cli.terminal import Json, complain, err, out, say
from pipeline.errors import SettingsError, TailraceError
from pipeline.settings import Settings

app = typer.Typer(
    name="tailrace",
    help="Continuous production evaluation of deployed models: OTLP spans in through Kafka, performance out of ClickHouse.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
local = typer.Typer(help="Kafka and ClickHouse on this machine, without Docker.", no_args_is_help=True)
topics_app = typer.Typer(help="The topics of the pipeline.", no_args_is_help=True)
schema_app = typer.Typer(help="The tables and views in ClickHouse.", no_args_is_help=True)
app.add_typer(local, name="local", rich_help_panel="Set up")
app.add_typer(topics_app, name="topics", rich_help_panel="Set up")
prices_app = typer.Typer(help="What models cost, and which calls have no price.", no_args_is_help=True)
judge_app = typer.Typer(help="The judge that evaluators ask.", no_args_is_help=True)
app.add_typer(schema_app, name="schema", rich_help_panel="Set up")
app.add_typer(contract_app, name="contract", rich_help_panel="Set up")
app.add_typer(alerts_app, name="alerts", rich_help_panel="Look")
app.command("boards", rich_help_panel="Look")(boards)
app.command("check", rich_help_panel="Look")(check)
app.command("report", rich_help_panel="Look")(report)
app.add_typer(prices_app, name="prices", rich_help_panel="Look")
app.add_typer(judge_app, name="judge", rich_help_panel="Look")

HARMLESS = re.compile(r"security\.protocol|sasl\.(mechanisms?|username)|(ssl|sasl)\..*\.(location|algorithm)|enable\..*")
"""Kafka's security settings that hold no secret; every other one is masked."""


UNEXPECTED = 70
"""The exit code of a mistake of ours (EX_SOFTWARE of sysexits.h). Python's own is 1, which says a broken promise."""


def main() -> None:
    """Run a command; what we raise on purpose is one line."""
    faulthandler.enable()
    try:
        app()
    except TailraceError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception:  # noqa: BLE001 - it is told and ends the process
        with suppress(OSError):
            traceback.print_exc()
        sys.exit(UNEXPECTED)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Tailrace."""
    if version:
        print(f"tailrace {package_version('tailrace')}")
        raise typer.Exit
    logging.basicConfig(level=Settings.load().log, format="%(levelname)s %(name)s: %(message)s")


@app.command(rich_help_panel="Run")
def up() -> None:
    """Start engines and all stages; runs until Ctrl-C. Point your OTel Collector's kafka exporter at it."""
    from pipeline.app.foreground import keep_up  # noqa: PLC0415 - loads the stages

    keep_up(Settings.load(), say)


@app.command(rich_help_panel="Run")
def demo(
    seconds: Annotated[float, typer.Option(envvar="DEMO_SECONDS", min=5, help="How long traffic is sent.")] = 90.0,
) -> None:
    """Everything on this machine with made-up traffic in which one cohort regresses; ends by itself."""
    from pipeline.app.foreground import demo as run_demo  # noqa: PLC0415 - loads the stages

    run_demo(Settings.load(), seconds, err, out, say)


@app.command(rich_help_panel="Run")
def run(
    stage: Annotated[str, typer.Argument(help="decode, aggregate, evaluate, scores, watch or sink")],
    instance: Annotated[
        str,
        typer.Option(help="Name of this process, unique in its group; one that stays over restarts makes them quick."),
    ] = "",
) -> None:
    """Run one stage in the foreground, as deployments do: decode, aggregate, evaluate, scores, watch or sink."""
    from pipeline.app import stages  # noqa: PLC0415 - loads Faust and compiled code, which other commands do not need

    if stage not in stages.RUN:
        raise SettingsError(f"no stage {stage!r}; there are {', '.join(stages.RUN)}")
    stages.run(Settings.load(), stage, instance or f"{os.uname().nodename}-{os.getpid()}")


@app.command(rich_help_panel="Look")
def healthy(
    stage: Annotated[
        str, typer.Argument(help="decode, aggregate, evaluate, scores, watch or sink; none: each that runs here")
    ] = "",
    json: Json = False,
) -> None:
    """Do the stage processes of this machine turn? For health checks: asks no engine. Exits with 3 if one does not."""
    from pipeline.app.health import hearts  # noqa: PLC0415

    found = hearts(Settings.load(), stage)
    if json:
        print(orjson.dumps([asdict(heart) for heart in found]).decode())
    else:
        for heart in found:
            print(heart.line)
    if not found or not all(heart.healthy for heart in found):
        if not found:
            complain(f"no process of {stage or 'any stage'} runs here")
        raise typer.Exit(3)


@app.command(rich_help_panel="Run")
def replay(
    files: Annotated[list[Path], typer.Argument(help="Recorded OTLP requests: protobuf, or JSON lines; .gz is fine.")],
    json: Json = False,
    keep: Annotated[bool, typer.Option(help="Put the rows into TAILRACE_CLICKHOUSE_DSN instead of a throw-away store.")] = False,
) -> None:
    """The whole pipeline in one process over files, without Kafka. Same input, same rows."""
    from pipeline.app import replay as replaying  # noqa: PLC0415 - loads compiled code

    settings = Settings.load()
    if keep:
        say(f"stored {replaying.into_store(settings, files):,} spans; look at the view `performance`")
        return
    names, rows = replaying.replay(settings, files, say)
    if json:
        print_json_lines(names, rows)
    else:
        out.print(show.performance(names, rows))


@app.command(rich_help_panel="Look")
def explain(
    files: Annotated[list[Path] | None, typer.Argument(help="Recorded OTLP requests, as for replay.")] = None,
    trace: Annotated[str, typer.Option(help="A trace that went through the pipeline; read again from Kafka.")] = "",
    span: Annotated[str, typer.Option(help="Of these only the span of this id.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Spans too that are no calls and do not look like one.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a span instead of tables.")] = False,
) -> None:
    """Which attribute gave each field of a span, by which rule, and why others lost; why it is a call; what made its cost."""
    from pipeline.app.explain import stories  # noqa: PLC0415 - loads compiled code

    passed_over = 0
    for story in stories(Settings.load(), files or [], trace, span):
        if not (everything or span or story.is_call or story.dead or story.not_understood):
            passed_over += 1
        elif json:
            print(orjson.dumps(asdict(story)).decode())
        else:
            show.story(story, out)
    if passed_over:
        say(f"{passed_over:,} spans that are no calls are not shown; --all shows them")


@app.command(rich_help_panel="Look")
def query(
    sql: Annotated[str, typer.Argument(help="One statement, read-only.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
) -> None:
    """Ask ClickHouse. Start with: SELECT * FROM performance LIMIT 5"""
    from pipeline.connectors.clickhouse import query as ask  # noqa: PLC0415

    names, rows = ask(Settings.load(), sql)
    if json:
        print_json_lines(names, rows)
    else:
        show.answer(names, rows, out)


@app.command(rich_help_panel="Look")
def status(json: Json = False) -> None:
    """Lag per stage and partition, watermark delay, freshness, dead letters by reason."""
    from pipeline.app.status import look  # noqa: PLC0415

    seen = look(Settings.load())
    if json:
        print(orjson.dumps(asdict(seen), option=orjson.OPT_INDENT_2).decode())
    else:
        show.status(seen, out)
    if seen.problems:
        for problem in seen.problems:
            complain(problem)
        raise typer.Exit(3)


@app.command("settings", rich_help_panel="Look")
def settings_command(json: Json = False) -> None:
    """Every setting, its value now and what it means. Durations are seconds, sizes bytes. Set it as an environment variable."""
    settings = Settings.load()
    rows = [
        [f"TAILRACE_{name.upper()}", shown(getattr(settings, name)), field.description or ""]
        for name, field in type(settings).model_fields.items()
    ]
    if json:
        print(orjson.dumps({name: value for name, value, _ in rows}, option=orjson.OPT_INDENT_2).decode())
    else:
        out.print(show.table(["setting", "value", "meaning"], rows))


def shown(value: Any) -> str:
    """A setting's value without its secrets."""
    if isinstance(value, dict):
        return str({key: text if HARMLESS.fullmatch(key) else "**********" for key, text in value.items()})
    return str(value)


@local.command("up")
def local_up() -> None:
    """Start Kafka and ClickHouse; they stay until `tailrace local down`."""
    from pipeline.connectors.local_supervisor import up as start  # noqa: PLC0415

    start(Settings.load(), say)


@local.command("down")
def local_down(purge: Annotated[bool, typer.Option(help="Remove their data as well.")] = False) -> None:
    """Stop them, whatever state they are in."""
    from pipeline.connectors.local_supervisor import down as stop  # noqa: PLC0415

    stop(Settings.load(), purge=purge)
    say("the engines are down")


@local.command("status")
def local_status(json: Json = False) -> None:
    """Are they up, and where?"""
    from pipeline.connectors.local_supervisor import status as ask  # noqa: PLC0415

    engines = [asdict(engine) for engine in ask(Settings.load())]
    if json:
        print(orjson.dumps(engines, option=orjson.OPT_INDENT_2).decode())
    else:
        out.print(show.table(["engine", "state", "address", "your own", "detail"], [list(engine.values()) for engine in engines]))
    if any(engine["state"] != "up" for engine in engines):
        raise typer.Exit(3)


@local.command("env")
def local_env() -> None:
    """Shell lines that point other tools at them: eval "$(tailrace local env)"."""
    from pipeline.connectors.local_supervisor import env  # noqa: PLC0415

    for name, value in env(Settings.load()).items():
        print(f"export {name}='{value}'")


@local.command("setup")
def local_setup() -> None:
    """Fetch what the local engines need into the cache (Maven Central, npm), once; nothing for an engine of your own."""
    from pipeline.connectors.local_engines import named_by_user  # noqa: PLC0415
    from pipeline.connectors.local_setup import setup_engines  # noqa: PLC0415

    settings = Settings.load()
    named = named_by_user(settings)
    setup_engines(settings, say, kafka=not named.kafka_bootstrap, clickhouse=not named.clickhouse_dsn)


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing; says what differs from schemas/topics and leaves it alone."""
    from pipeline.connectors.kafka import apply_topics  # noqa: PLC0415

    changes = apply_topics(Settings.load())
    for change in changes:
        say(f"{change.topic}: {change.action}{f', {change.detail}' if change.detail else ''}")
    if not changes:
        say("all topics are there")


@topics_app.command("list")
def topics_list() -> None:
    """Their names, their partitions, and the table the sink puts each into."""
    from pipeline.topics import topics  # noqa: PLC0415

    settings = Settings.load()
    rows = [[settings.topic(key), settings.partitions(key), topic.table] for key, topic in topics().items()]
    out.print(show.table(["topic", "partitions", "table"], rows))


@schema_app.command("apply")
def schema_apply() -> None:
    """Create or upgrade tables and views."""
    from pipeline.connectors.clickhouse import apply_schema  # noqa: PLC0415

    applied = apply_schema(Settings.load())
    for name in applied:
        say(name)
    if not applied:
        say("the schema is up to date")


@app.command(rich_help_panel="Run")
def reprice(
    since: Annotated[str, typer.Option("--from", help="A day or time of ISO 8601, UTC. Whole hours are done.")],
    until: Annotated[str, typer.Option("--to", help="The same; not done any more.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Price stored calls again under today's prices, with their windows. Exits with 3 if some cannot be done exactly."""
    from pipeline.app import prices  # noqa: PLC0415 - loads the price book
    from pipeline.app import reprice as repricing  # noqa: PLC0415 - loads compiled code

    done = repricing.reprice(Settings.load(), prices.time_ns(since), prices.time_ns(until), dry_run, say)
    told = done.told()
    if json:
        print(stdlib_json.dumps(told))
    else:
        show.repriced(told, out)
    if done.left_alone_count:
        complain(f"{done.left_alone_count:,} series in an hour were left as they are: their cost cannot be told exactly")
    if done.calls_without_spans:
        complain(f"{done.calls_without_spans:,} calls of hours of which no span is stored any more keep their cost")
    if done.left_alone_count or done.calls_without_spans:
        raise typer.Exit(3)


@judge_app.command("calibrate")
def judge_calibrate(
    labels: Annotated[Path, typer.Argument(help="JSON lines: input, output, context, … and what people say: label or score.")],
    evaluator: Annotated[str, typer.Option(help="Its name, as in TAILRACE_EVALUATORS or by default.")] = "Groundedness",
    mean: Annotated[float | None, typer.Option(min=0, max=1, help="The evaluator's mean over samples without labels.")] = None,
    of: Annotated[int, typer.Option(min=1, help="How many samples that mean is of.")] = 10_000,
    json: Json = False,
) -> None:
    """How far an evaluator agrees with people, and what its mean is once corrected by where it does not."""
    from rich.progress import Progress  # noqa: PLC0415

    from pipeline.app import calibrate as calibrating  # noqa: PLC0415 - loads the evaluators

    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("judging", total=None)
        done = calibrating.calibrate(
            Settings.load(),
            labels,
            evaluator,
            mean,
            of,
            lambda so_far, whole: progress.update(task, completed=so_far, total=whole),
        )
    if json:
        print(orjson.dumps(calibrating.told(done)).decode())
    else:
        show.calibration(calibrating.told(done), out)
    if not done.compared:
        complain("no line has both a label and a value of the evaluator's")
        raise typer.Exit(3)


@prices_app.command("show")
def prices_show(
    model: Annotated[str, typer.Argument(help="As spans say it, with prefixes or without.")],
    provider: Annotated[str, typer.Option(help="As spans say it; none: whoever the model's name says.")] = "",
    at: Annotated[str, typer.Option(help="A day or time of ISO 8601, UTC; none: now.")] = "",
    json: Json = False,
) -> None:
    """What a model costs: USD per million tokens, call and search USD a piece. Exits with 3 if it has no price."""
    from pipeline.app import prices  # noqa: PLC0415 - loads the price book

    told = prices.shown(Settings.load(), model, provider, at)
    if json:
        print(orjson.dumps(asdict(told)).decode())
    else:
        out.print(
            f"{told.model} of {told.provider or 'nobody known'} ({told.rule}) at {told.at}, {told.price_version}", highlight=False
        )
        if told.tiers:
            out.print(show.table(*prices.table(told)))
    if told.why:
        sold = f"; with a price: {', '.join(told.sold_by)} (name one with --provider)" if told.sold_by else ""
        complain(f"{told.why}{sold}")
        raise typer.Exit(3)


@prices_app.command("missing")
def prices_missing(
    hours: Annotated[int, typer.Option(min=0, help="Of event time, until now; 0: all that is stored.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line instead of a table.")] = False,
) -> None:
    """Calls that have tokens and no price, by provider, model and what is missing."""
    from pipeline.app.prices import missing  # noqa: PLC0415 - loads the price book

    names, rows = missing(Settings.load(), hours)
    if json:
        print_json_lines(names, rows)
    else:
        show.answer(names, rows, out)


def print_json_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """One object a line. Sums have 128 bits, and orjson refuses more than 64."""
    for row in rows:
        line = stdlib_json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, separators=(",", ":"))
        sys.stdout.write(line + "\n")
