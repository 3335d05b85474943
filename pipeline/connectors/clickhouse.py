"""ClickHouse: schema, inserts, queries, over HTTP.

Inserts send messages as they came from the log: several blocks behind one another are one `JSONColumns` request, several
CloudEvents one `JSONEachRow` request, of whose `data` the table takes the fields.
The engine judges them. It reads every column as nullable and then refuses a null or a missing column where the table
has none: left to itself its JSON reader turns a null number into 0, whatever `input_format_null_as_default` says.
Blocks written before a column existed lack it; its `absent` value stands in, or the column it is the `same_as`.

Rows are idempotent by key and version, so an insert may be repeated at will, in whole or in part.

A complaint about data is a value, the engine away or overloaded is Transient, all else Fatal with its own words.
"""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error
from pydantic import SecretStr
from urllib3 import Timeout

from pipeline.connectors.dsn import encoded
from pipeline.errors import EngineError, Fatal, SchemaError, SettingsError, Transient
from pipeline.model.alerts import ALERTS
from pipeline.model.columns import DEAD_LETTERS, LEDGER, PANES, REPEATS, SPANS, STATUS, TRACE_PANES, TRACES, Column, JsonType
from pipeline.model.contract_columns import CONTRACTS
from pipeline.model.score_columns import COUNTED_SCORES, SCORE_PANES
from pipeline.model.standing_columns import STANDINGS
from pipeline.model.stream import Effects, Insert, Message
from pipeline.operators.ddl import Migration, dialect, statements
from pipeline.settings import Settings
from pipeline.topics import schemas_dir

for _library in ("clickhouse_connect", "urllib3"):  # what they log, with a stack or once per try, they also raise
    logging.getLogger(_library).setLevel(logging.CRITICAL)

TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "spans": SPANS,
    "panes": PANES,
    "traces": TRACES,
    "trace_panes": TRACE_PANES,
    "repeats": REPEATS,
    "scores": COUNTED_SCORES,
    "score_panes": SCORE_PANES,
    "ledger": LEDGER,
    "dead_letters": DEAD_LETTERS,
    "status": STATUS,
    "contracts": CONTRACTS,
    "alerts": ALERTS,
    "standings": STANDINGS,
}
"""The tables messages go into, with the columns a block, or the data of an event, brings."""

EVENTS: Final = frozenset({"alerts"})
"""Of these, those whose messages are CloudEvents."""

TYPES: Final[dict[JsonType, str]] = {
    "string": "String",
    "integer": "Int64",
    "number": "Float64",
    "boolean": "Bool",
    "object": "Map(String, String)",
    "integers": "Array(Int64)",
}

KEEP: Final[dict[str, str]] = {
    "spans": "inserted_at + toIntervalDay({keep_spans})",
    "panes": "inserted_at + toIntervalDay({keep_panes}) WHERE firing = 'final', inserted_at + toIntervalDay({keep_open})",
    "panes_hourly": "refreshed_at + toIntervalDay({keep_hourly})",
    "panes_hourly_routes": "refreshed_at + toIntervalDay({keep_hourly})",
    "panes_daily": "refreshed_at + toIntervalDay({keep_daily})",
    "traces": "inserted_at + toIntervalDay({keep_spans})",
    "repeats": "inserted_at + toIntervalDay({keep_spans})",
    "trace_panes": "inserted_at + toIntervalDay({keep_panes})",
    "trace_panes_hourly": "refreshed_at + toIntervalDay({keep_hourly})",
    "trace_panes_daily": "refreshed_at + toIntervalDay({keep_daily})",
    "scores": "inserted_at + toIntervalDay({keep_scores})",
    "score_panes": "inserted_at + toIntervalDay({keep_panes}) WHERE firing = 'final', inserted_at + toIntervalDay({keep_open})",
    "score_panes_hourly": "refreshed_at + toIntervalDay({keep_hourly})",
    "score_panes_daily": "refreshed_at + toIntervalDay({keep_daily})",
    "ledger": "inserted_at + toIntervalDay({keep_ledger})",
    "dead_letters": "inserted_at + toIntervalDay({keep_ledger})",
    "status": "inserted_at + toIntervalDay({keep_ledger})",
    "alerts": "inserted_at + toIntervalDay({keep_alerts})",
    "standings": "inserted_at + toIntervalDay({keep_panes})",
}
"""How long a row stays after it was last written, by table. A pane that is not final stays as long as an hour's roll-up:
it may still be replaced, and a roll-up counts it only as long as it is there."""

INSERT_SETTINGS: Final[dict[str, Any]] = {
    "input_format_skip_unknown_fields": 0,
    "input_format_null_as_default": 0,
    "insert_null_as_default": 0,
    "input_format_json_defaults_for_missing_elements_in_named_tuple": 0,
    "input_format_json_ignore_unknown_keys_in_named_tuple": 0,
    "max_partitions_per_insert_block": 0,  # the tables bound it themselves, at 31
    "async_insert": 0,
}

BAD_DATA: Final = frozenset({6, 26, 27, 32, 33, 36, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 190, 261, 349, 407, 467})
"""The engine's error codes for a block that cannot be read: parse errors, unknown or ragged columns, broken digests."""

AWAY: Final = frozenset({3, 159, 202, 203, 209, 210, 225, 236, 241, 242, 243, 252, 254, 285, 319, 394, 439, 745, 999})
"""Codes that pass: time-outs, memory, too many parts or queries, read-only for now, a lost Keeper."""

UNKNOWN: Final = frozenset({16, 47, 60})
"""Codes of a column, a name or a table that is not there."""

ACCESS: Final = frozenset({81, 192, 193, 194, 497, 516})
"""Codes of a wrong user, password or database."""


def connect(settings: Settings) -> Client:
    """A client for writing. Raises SettingsError (no or a malformed DSN), Transient (away), Fatal (refused)."""
    return _client(settings.clickhouse_dsn, "TAILRACE_CLICKHOUSE_DSN", settings.clickhouse_timeout, {})


def reader(settings: Settings) -> Client:
    """A client for reading, as the user that may do nothing else. Raises as `connect` does."""
    if settings.clickhouse_reader_dsn.get_secret_value():
        return _client(settings.clickhouse_reader_dsn, "TAILRACE_CLICKHOUSE_READER_DSN", settings.clickhouse_timeout, {})
    return _client(settings.clickhouse_dsn, "TAILRACE_CLICKHOUSE_DSN", settings.clickhouse_timeout, {"readonly": 2})


def apply_schema(settings: Settings) -> list[str]:
    """Apply what of `schemas/clickhouse` is not applied yet, set how long rows are kept; returns what changed.

    Every file is applied once and recorded with its hash; one that failed half-way is repeated from its start.
    Raises SchemaError if an applied file has changed since or is unknown here (a newer version applied it).
    """
    with connect(settings) as client, _translated("schema"):
        for statement in statements(_RECORD, settings.clickhouse_cluster):
            client.command(statement)
        _refuse_another(_fed_by(client), settings, settings.topic("spans"))
        due = _due(_migrations(), _applied(client))
        for migration in due:
            for statement in statements(migration, settings.clickhouse_cluster):
                client.command(statement)
            client.insert("applied_migrations", [[migration.name, migration.hash]], column_names=["name", "hash"])
        return [migration.name for migration in due] + _keep(client, settings)


def _migrations() -> list[Migration]:
    return [Migration(path.stem, path.read_text()) for path in sorted((schemas_dir() / "clickhouse").glob("*.sql"))]


def _applied(client: Client) -> dict[str, str]:
    return _pairs(client, "SELECT name, hash FROM applied_migrations FINAL")


_RECORD: Final = Migration(
    "applied_migrations",
    """CREATE TABLE IF NOT EXISTS applied_migrations ${on_cluster}
    (name String, hash String, applied_at DateTime('UTC') DEFAULT now('UTC'))
    ENGINE = ${replicated}ReplacingMergeTree(applied_at) ORDER BY name;
    CREATE TABLE IF NOT EXISTS fed_by ${on_cluster}
    (topic String, cluster String, since DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
    ENGINE = ${replicated}MergeTree ORDER BY since;
    """,
)
"""What the database knows of itself: the files applied, and the log of spans that feeds it, by topic and Kafka cluster."""


def feed(settings: Settings, cluster: str) -> Client:
    """A client for inserting what comes from the log of spans of these settings, on the Kafka cluster of this id.

    The first log to come feeds the database from then on. Raises SettingsError for another one, whose spans would be
    added to what is there, unless TAILRACE_SEVERAL_LOGS allows it. A topic made anew under its name is no other log.
    Raises SchemaError if a migration is missing: the store would refuse every block with a column it does not know.

    An insert that stays unanswered is given up and tried again before the process counts as one that hangs.
    """
    client, topic = connect(settings), settings.topic("spans")
    with _translated("who feeds the database"):
        refuse_missing(client)
        if not _fed_by(client):
            client.insert("fed_by", [[topic, cluster]], column_names=["topic", "cluster"])
        _refuse_another(_fed_by(client), settings, topic, cluster)
    _await_words(client, settings.healthy_within / 2)
    return client


def refuse_missing(client: Client) -> None:
    """Raises SchemaError if a migration is missing, or all are; the engine's own errors as they come."""
    applied = _applied(client) if client.command("EXISTS TABLE applied_migrations") else {}
    if not applied:
        raise SchemaError("the store has no schema: run `tailrace schema apply`")
    if missing := {migration.name for migration in _migrations()} - applied.keys():
        raise SchemaError(f"the store lacks the migrations {', '.join(sorted(missing))}: run `tailrace schema apply`")


def _fed_by(client: Client) -> Sequence[str]:
    """Topic and Kafka cluster of the log that came first, nothing while none has come."""
    rows = client.query("SELECT topic, cluster FROM fed_by ORDER BY since, topic, cluster LIMIT 1").result_rows
    return rows[0] if rows else ()


def _refuse_another(known: Sequence[str], settings: Settings, *here: str) -> None:
    """Refuse a log that differs from the known one in topic or, if that is said, in cluster."""
    if not settings.several_logs and tuple(known[: len(here)]) not in {(), here}:
        raise SettingsError(
            f"the database is fed by {known[0]} of the Kafka cluster {known[1]}, not by {' of '.join(here)}: the same spans "
            "would count twice; name another database in TAILRACE_CLICKHOUSE_DSN or set TAILRACE_SEVERAL_LOGS=true if meant"
        )


def _due(migrations: Sequence[Migration], applied: Mapping[str, str]) -> list[Migration]:
    hashes = {migration.name: migration.hash for migration in migrations}
    for name, known in applied.items():
        if name not in hashes:
            raise SchemaError(f"the store has migration {name}, unknown here: a newer version applied it; run that version")
        if hashes[name] != known:
            raise SchemaError(f"schemas/clickhouse/{name}.sql has changed since it was applied; add a new file instead")
    return [migration for migration in migrations if migration.name not in applied]


def _keep(client: Client, settings: Settings) -> list[str]:
    """Bring the tables' TTL in line with the settings."""
    now = _pairs(client, "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
    days = {name: getattr(settings, name) for name in Settings.model_fields if name.startswith("keep_")}
    days["keep_open"] = max(settings.keep_panes, settings.keep_hourly)
    changed = []
    for table, rule in KEEP.items():
        ttl = rule.format(**days)
        if f"TTL {ttl} SETTINGS" not in now[table]:
            on_cluster = dialect(settings.clickhouse_cluster)["on_cluster"]
            client.command(f"ALTER TABLE {table} {on_cluster} MODIFY TTL {ttl}")
            changed.append(f"{table}: rows kept {re.findall(r'[0-9]+', ttl)[0]} days")
    return changed


def _pairs(client: Client, sql: str) -> dict[str, str]:
    return {name: value for name, value in client.query(sql).result_rows}  # noqa: C416 - rows are sequences, not pairs


def insert_blocks(client: Client, table: str, blocks: Sequence[bytes]) -> dict[int, str]:
    """Insert what the engine accepts; the rest by index, with its complaint. Raises Transient, Fatal.

    A request is refused whole, so a complaint halves it until the bad block stands alone: 2·log2(n) requests more.
    """
    if not blocks:
        return {}
    complaint = _insert(client, table, b"\n".join(blocks))
    if complaint is None:
        return {}
    if len(blocks) == 1:
        return {0: complaint}
    middle = len(blocks) // 2
    left, right = insert_blocks(client, table, blocks[:middle]), insert_blocks(client, table, blocks[middle:])
    return left | {middle + i: text for i, text in right.items()}


def carry_out(
    client: Client,
    effects: Effects,
    *,
    refused: Callable[[Insert, Mapping[int, str]], Sequence[Message]],
    deliver: Callable[[Sequence[Message]], None],
) -> None:
    """Insert everything; what the engine refuses is delivered as `refused` words it. Raises Transient, Fatal.

    Returns when all of it is in the store or confirmed as a dead letter, so that offsets may be committed.
    """
    for insert in effects.inserts:
        complaints = insert_blocks(client, insert.table, insert.blocks)
        if complaints:
            deliver(refused(insert, complaints))


def query(
    settings: Settings, sql: str, within: int | None = None, parameters: dict[str, Any] | None = None
) -> tuple[list[str], list[list[Any]]]:
    """Names and rows of a read-only statement; a digest state shows as "<state>". Raises Fatal in the engine's words, SchemaError
    where it is a missing migration that it does not know.

    `within`: seconds after which the engine gives the statement up, Transient. parameters: for its `{name:Type}`, bound by the
    engine: no value can change the statement.
    """
    limits = {} if within is None else {"max_execution_time": within}
    with reader(settings) as client, _translated("query"):
        try:
            raw = client.raw_query(sql.rstrip().rstrip(";"), parameters, settings=READABLE | limits, fmt="JSONCompact")
        except Error as error:
            if error.code in UNKNOWN:
                refuse_missing(client)
            raise
    answer = json.loads(raw.decode(errors="replace"))
    states = [column["type"].startswith("AggregateFunction") for column in answer["meta"]]
    rows = [["<state>" if state else cell for state, cell in zip(states, row, strict=True)] for row in answer["data"]]
    return [column["name"] for column in answer["meta"]], rows


READABLE: Final[dict[str, Any]] = {
    "output_format_json_quote_64bit_integers": 0,
    "output_format_json_quote_decimals": 0,
    # The views group by the tables' order: 2 to 7 times faster, and digests are merged in the order of time. In hash
    # order a distribution that came sorted costs up to 0.8 % of p99, in this order 0.25 % (200 panes).
    "optimize_aggregation_in_order": 1,
}
"""How answers are to come that people look at."""


def _insert(client: Client, table: str, body: bytes) -> str | None:
    """One request; the engine's complaint if it cannot read the data."""
    columns = TABLES[table]
    names = ", ".join(f"`{column.name}`" for column in columns)
    wire = ", ".join(f"`{column.name}` {_wire_type(column)}" for column in columns)
    if table in EVENTS:
        fields = ", ".join(f"`data`.`{column.name}`" for column in columns)
        shape = f"{ENVELOPE}, `data` Tuple({wire})"
        return _sent(client, f"INSERT INTO {table} ({names}) SELECT {fields} FROM input('{shape}') FORMAT JSONEachRow", body)  # noqa: S608
    absent = {c.name: f"`{c.same_as}`" if c.same_as else repr(c.absent) for c in columns if c.same_as or c.absent is not None}
    values = ", ".join(f"ifNull(`{c.name}`, {absent[c.name]})" if c.name in absent else f"`{c.name}`" for c in columns)
    return _sent(client, f"INSERT INTO {table} ({names}) SELECT {values} FROM input('{wire}') FORMAT JSONColumns", body)  # noqa: S608


ENVELOPE: Final = ", ".join(
    f"`{name}` Nullable(String)" for name in ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
)
"""Of a CloudEvent, beside its data."""


def _wire_type(column: Column) -> str:
    """Whatever may be null is read as such; an object and integers may not."""
    return TYPES[column.type] if column.type in ("object", "integers") else f"Nullable({TYPES[column.type]})"


def _sent(client: Client, sql: str, body: bytes) -> str | None:
    try:
        client.command(sql, data=body, settings=INSERT_SETTINGS)
    except Error as error:
        if error.code in BAD_DATA:
            return engine_words(error)
        raise ours(error, sql.partition(" (")[0].lower()) from error
    return None


def _client(dsn: SecretStr, name: str, within: float, session: dict[str, Any]) -> Client:
    """within: seconds in which the engine is to say that it is there. What it is asked then may take LONGEST_SILENCE."""
    text = dsn.get_secret_value()
    if not text:
        raise SettingsError(f"no ClickHouse: run `tailrace local up` or set {name}")
    dsn_encoded = encoded(text, name)
    options: dict[str, Any] = {"autogenerate_session_id": False, "client_name": "tailrace", "send_receive_timeout": ceil(within)}
    try:
        client = clickhouse_connect.get_client(dsn=dsn_encoded, settings=session, **options)
    except Error as error:
        late = f" (TAILRACE_CLICKHOUSE_TIMEOUT is {within:g} s)" if isinstance(_innermost(error), TimeoutError) else ""
        known = ours(error, name)
        raise type(known)(f"{known}{late}") from error
    _await_words(client, LONGEST_SILENCE)
    return client


LONGEST_SILENCE: Final = 300.0
"""Seconds without a word after which a statement under way is given up; the engine tells of progress meanwhile."""


def _await_words(client: Any, seconds: float) -> None:
    """Give up after so long a silence."""
    client.timeout = Timeout(connect=client.timeout.connect_timeout, read=seconds)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except Error as error:
        raise ours(error, doing) from error


def ours(error: Error, doing: str) -> Transient | Fatal:
    words = f"ClickHouse, {doing}: {engine_words(error)}"
    if error.code is None or error.code in AWAY:
        return Transient(words)
    return EngineError(f"{words} (see TAILRACE_CLICKHOUSE_DSN)") if error.code in ACCESS else Fatal(words)


def engine_words(error: ClickHouseError) -> str:
    """The engine's own message as one line, without the client's frame, version and address.

    Where none answers: its host, and why in the words of the operating system.
    """
    if unreachable := re.search(r"host='([^']+)', port=(\d+)", str(error)):
        return f"{unreachable[1]}:{unreachable[2]} does not answer: {_reason(error)}"
    text = re.sub(r"\s+", " ", str(error))
    text = re.sub(r"^.*?DB::Exception: ", "", text)
    return re.sub(r"( \(version [^)]*\)+)?( \(for url [^)]*\))?$", "", text).strip()


def _reason(error: BaseException) -> str:
    """What the operating system, else the innermost of all, says behind `error`."""
    error = _innermost(error)
    return (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())


def _innermost(error: BaseException) -> BaseException:
    behind: BaseException | None = error
    while behind is not None:
        error, behind = behind, behind.__cause__ or behind.__context__
    return error
