"""Every setting, its default and its bound. Read once, frozen, passed down.

A setting `kafka_bootstrap` is the environment variable `TAILRACE_KAFKA_BOOTSTRAP`, or a line of the file
`.local/tailrace.env` that `tailrace local up` writes (the environment wins).
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from pipeline.errors import SettingsError
from pipeline.topics import ANY_KEY, topics

Seconds = Annotated[float, Field(le=1e9, allow_inf_nan=False)]
SECOND = 1_000_000_000


def _hash_key(key: SecretStr) -> SecretStr:
    """None, or enough that nobody guesses it and not more than BLAKE2b takes."""
    if len(key.get_secret_value().encode()) not in {0, *range(16, 65)}:
        raise ValueError("it must have 16 to 64 bytes")
    return key


def _address(url: SecretStr) -> SecretStr:
    """None, or one of HTTP."""
    if not url.get_secret_value().startswith(("http://", "https://")) and url.get_secret_value():
        raise ValueError("it must begin with http:// or https://")
    return url


Address = Annotated[SecretStr, AfterValidator(_address)]
HashKey = Annotated[SecretStr, AfterValidator(_hash_key)]


class Settings(BaseSettings):
    """The whole configuration. Durations are seconds, sizes bytes."""

    model_config = SettingsConfigDict(env_prefix="TAILRACE_", frozen=True, extra="ignore", hide_input_in_errors=True)

    # Where the engines are.
    local_dir: Path = Field(Path(".local"), description="Engines, their data and logs when they run on this machine.")
    kafka_bootstrap: str = Field("", description="host:port[,host:port] of Kafka. Empty: the local one.")
    kafka_security: dict[str, str] = Field(
        default_factory=dict,
        repr=False,
        description='JSON of librdkafka\'s own security settings, e.g. {"security.protocol":"SASL_SSL",…}.',
    )
    clickhouse_dsn: SecretStr = Field(
        SecretStr(""), description="http(s)://user:password@host:port/database. Empty: the local one."
    )
    clickhouse_reader_dsn: SecretStr = Field(
        SecretStr(""), description="The same for a user who may only read: `tailrace query`. Empty: clickhouse_dsn."
    )
    clickhouse_timeout: Seconds = Field(
        30, ge=1, le=300, description="How long ClickHouse may take to say that it is there; a query may then take longer."
    )
    clickhouse_cluster: str = Field("", description="Name of a ClickHouse cluster: DDL runs ON CLUSTER, engines are Replicated.")

    # Topics.
    topic_prefix: str = Field("tailrace", pattern=r"^[a-zA-Z0-9._-]+$", description="Our topics are <prefix>.<name>.v1.")
    otlp_topic: str = Field("otlp_spans", pattern=r"^[a-zA-Z0-9._-]+$", description="Topic the collector writes to.")
    otlp_partitions: int = Field(4, ge=1, le=1024, description="Of otlp_spans, where we create it.")
    spans_partitions: int = Field(4, ge=1, le=1024, description="Unit of scale of aggregate; changing it needs a drain.")
    panes_partitions: int = Field(4, ge=1, le=1024, description="Of panes, ledger and dead letters.")
    replication_factor: int = Field(1, ge=1, le=9, description="Of topics we create; 3 in production.")

    # Decode.
    otlp_encoding: str = Field(
        "auto",
        pattern="^(auto|protobuf|json)$",
        description="auto, protobuf or json: what otlp_spans holds, if not told by header.",
    )
    max_record_bytes: int = Field(16 << 20, ge=1024, description="A larger OTLP record is a dead letter.")
    max_spans_per_record: int = Field(50_000, ge=1, le=1_000_000, description="An OTLP record of more spans is a dead letter.")
    max_text_bytes: int = Field(256, ge=16, le=65536, description="Longer names (model, route, …) are cut.")
    max_duration: Seconds = Field(7 * 86400, gt=0, le=90 * 86400, description="A longer span is a dead letter.")
    horizon: Seconds = Field(
        7 * 86400,
        gt=0,
        description="A span ending further than this from the time of its record, before or after, is a dead letter.",
    )
    decode_batch_bytes: int = Field(8 << 20, ge=1 << 16, description="Most bytes decode takes at once.")
    decode_batch_records: int = Field(2000, ge=1, description="Most OTLP records decode takes at once.")
    decode_batch_spans: int = Field(20_000, ge=1, description="Most spans decode takes at once; a larger record comes alone.")
    decode_linger: Seconds = Field(0.25, gt=0, description="How long decode waits to fill a batch.")
    tick_every: Seconds = Field(1, ge=0.05, le=10, description="How often decode tells how far each source is read.")
    block_rows: int = Field(5000, ge=1, le=50_000, description="Most rows of one span block.")
    dead_letters_per_record: int = Field(
        10, ge=1, le=1000, description="Dead letters of one record and reason; one more says how many others there are."
    )
    user_hash_key: HashKey = Field(SecretStr(""), description="Key of the users' hashes, 16 to 64 bytes. Empty: none are kept.")
    dead_letter_raw: bool = Field(False, description="Keep the raw bytes of dead letters (they may hold user text).")
    series_file: Path | None = Field(None, description="YAML: attribute paths of the series columns; over the defaults.")
    citation_routes: str = Field("", description="Routes whose answers are to cite, with commas between; * for all.")
    schemas: Path | None = Field(
        None, description="Directory of JSON Schemas of answers, <route>.json each; a request's own is first."
    )
    sample_ceiling: float = Field(
        0.2, ge=0, le=1, allow_inf_nan=False, description="Share of the traces whose content goes to samples. 0: none ever does."
    )
    sample_key: SecretStr = Field(
        SecretStr(""), description="Secret that decides which traces those are; the same for decode and evaluate."
    )
    sample_text_bytes: int = Field(16384, ge=256, le=262_144, description="Of one text of a sample so many bytes are kept.")
    sample_rate: float = Field(
        0.02,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the traces a judge is asked about; an evaluator may say another.",
    )
    sample_floor: float = Field(
        30,
        ge=0,
        le=1e6,
        description="Traces of a route and cohort that judges see in an hour, if there are so many under the ceiling.",
    )
    evaluator_timeout: Seconds = Field(60, gt=0, le=3600, description="How long an evaluator that asks no judge may take.")
    judge_hourly_usd: float | None = Field(None, ge=0, le=1e9, description="What judges may cost in an hour. Empty: no limit.")
    judge_daily_usd: float | None = Field(None, ge=0, le=1e9, description="What judges may cost in a day. Empty: no limit.")
    judgements: int = Field(1024, ge=1, le=100_000, description="Traces of a partition being judged at once; then it waits.")
    redact: str = Field(
        "",
        description="What is hidden in samples before they leave decode: email, phone, card, iban, ip, key; with commas between.",
    )
    redact_with: str = Field("", description="package.module:function, given every text of a sample before it leaves decode.")
    redact_seconds: Seconds = Field(
        1, ge=0.01, le=60, description="How long that function may take for one text; one it takes longer for is withheld."
    )
    price_file: Path | None = Field(None, description="YAML: own prices, over the bundled price book.")
    cost_source: str = Field(
        "ours",
        pattern="^(ours|span)$",
        description="What a call cost: ours is the price book, else what its span claims; span is the claim, else the book.",
    )

    # Aggregate.
    window: Seconds = Field(60, ge=1, multiple_of=1, description="Length of a window: seconds of event time that divide an hour.")
    allowed_lateness: Seconds = Field(300, ge=0, description="How long after its end a window still takes spans.")
    out_of_orderness: Seconds = Field(10, ge=0, description="How far the watermark stays behind the slowest source.")
    early_every: Seconds = Field(10, ge=0.1, description="How often open windows that changed fire.")
    max_ahead: Seconds = Field(
        300, ge=0, le=7 * 86400, description="A span ending later than this after it was appended is not counted."
    )
    max_series: int = Field(2000, ge=1, description="Series per partition and window; the rest goes to __other__.")
    call_hold: Seconds = Field(
        10, ge=0, description="How long, in event time, a call waits for other spans that tell of it too. 0: for none."
    )
    trace_settle: Seconds = Field(60, ge=0, description="How long after its last span a trace is over, its root seen.")
    trace_idle: Seconds = Field(900, ge=0, description="The same of a trace whose root was not seen.")
    trace_longest: Seconds = Field(3600, gt=0, description="How long after its first span a trace is cut.")
    max_trace_spans: int = Field(10_000, ge=1, description="A trace of more spans is cut.")
    max_open_spans: int = Field(1_000_000, ge=1, description="Spans of open traces per partition; beyond, the oldest are cut.")
    max_traces: int = Field(1_000_000, ge=1, description="Traces a partition remembers; beyond, the oldest are forgotten.")
    source_patience: Seconds = Field(
        3600, gt=0, description="How long a partition of otlp_spans that is not read may hold windows open; then it is left out."
    )
    session_timeout: Seconds = Field(10, ge=1, description="After this silence a worker's partitions go to another.")
    progress_every: Seconds = Field(1, gt=0, description="How often a partition's progress is written at most.")

    # Sink.
    sink_records: int = Field(10_000, ge=1, description="Most blocks of one insert.")
    sink_bytes: int = Field(32 << 20, ge=1 << 16, description="Most bytes of one insert.")
    sink_linger: Seconds = Field(1.0, gt=0, description="How long the sink waits to fill an insert.")
    retry_limit: Seconds = Field(
        3600, ge=0, description="How long what is away is tried again before a stage gives up: ClickHouse, a webhook."
    )

    several_logs: bool = Field(
        False,
        description="Another log of spans may feed this database too (another prefix or cluster); spans both hold count twice.",
    )

    # Evaluate.
    evaluators: Path | None = Field(
        None, description="YAML: which evaluators run, on which share of traces, with which options; over the default ones."
    )
    judge_url: str = Field(
        "", pattern="^(|https?://.+)$", description="Base of an OpenAI-compatible endpoint, …/v1. Empty: there is no judge."
    )
    judge_model: str = Field("", description="The model that judges, as the endpoint calls it.")
    judge_key: SecretStr = Field(SecretStr(""), description="Its key, sent as a bearer token. Empty: none is sent.")
    judge_timeout: Seconds = Field(30, gt=0, le=600, description="How long one try of asking the judge may take.")
    judge_concurrency: int = Field(64, ge=1, le=1000, description="Calls to the judge at once, per process.")
    judge_retries: int = Field(3, ge=0, le=10, description="How often a call is tried again.")
    judge_max_tokens: int = Field(1000, ge=16, le=100_000, description="Most tokens of a verdict, its reasoning included.")
    judge_circuit_failures: int = Field(
        20, ge=1, le=1000, description="So many failed tries in a row, and the judge is left alone for a while."
    )
    judge_circuit_pause: Seconds = Field(30, gt=0, le=3600, description="How long it is left alone before one try.")
    judge_body: dict[str, Any] = Field(
        default_factory=dict,
        description='JSON: more parameters of the judge\'s requests, null to leave one out, e.g. {"reasoning_effort":"low"}.',
    )

    # Store: days a row is kept after it was last written (not after its event time: a replay of old spans stays as long).
    keep_spans: int = Field(7, ge=1, description="Days a span is kept after it was written.")
    keep_panes: int = Field(3, ge=1, description="Days; the panes of windows. Roll-ups read them.")
    keep_hourly: int = Field(90, ge=1, description="Days; the hourly roll-up.")
    keep_daily: int = Field(400, ge=1, description="Days; the daily roll-up.")
    keep_scores: int = Field(30, ge=1, description="Days a score is kept after it was written.")
    keep_alerts: int = Field(400, ge=1, description="Days an alert is kept after it was written.")
    keep_ledger: int = Field(30, ge=1, description="Days; ledger, dead letters and status.")

    # Alerts.
    grafana_url: str = Field(
        "", pattern="^(|https?://[^?#]+)$", description="Address of Grafana, for links to the board in alerts. Empty: no links."
    )
    webhook_url: Address = Field(
        SecretStr(""), description="Where `tailrace alerts forward` posts. Empty: PagerDuty's own address; others need one."
    )
    webhook_key: SecretStr = Field(SecretStr(""), description="PagerDuty's integration key, for `tailrace alerts forward`.")
    webhook_timeout: Seconds = Field(10, gt=0, le=120, description="How long the webhook may take to answer.")

    # Watch.
    watch_hour: Seconds = Field(
        3600,
        ge=1,
        multiple_of=1,
        description="What counts as an hour to the evidence: eight times as long as a session, at least. A day has 24.",
    )
    max_contracts: int = Field(1_000, ge=1, description="Contracts that may be in force together; `contract apply` refuses more.")
    max_slices: int = Field(20_000, ge=1, description="Slices of one contract that a partition watches; the rest is left out.")
    snapshot_every: Seconds = Field(10, ge=0.1, description="How often watch writes down what it knows, at most.")

    # Running.
    workers: int = Field(1, ge=1, le=64, description="Processes of aggregate and of evaluate that `tailrace up` starts.")
    healthy_within: Seconds = Field(
        120, ge=5, description="A stage process whose loop has not turned for so long hangs: `tailrace healthy`."
    )
    log: str = Field(
        "WARNING",
        pattern="^(DEBUG|INFO|WARNING|ERROR|CRITICAL)$",
        description="DEBUG, INFO, WARNING, ERROR or CRITICAL: what is logged, on standard error.",
    )

    @field_validator("window")
    @classmethod
    def _divides_an_hour(cls, window: float) -> float:
        """Roll-ups are made of whole windows, so none may lie across the end of an hour."""
        if 3600 % window:
            raise ValueError("a window must divide an hour: 1, 5, 10, 30, 60, 300, 600, … or 3600 seconds")
        return window

    @classmethod
    def load(cls, local_dir: Path | None = None) -> Self:
        """Settings from the environment and the local engines' file. Raises SettingsError naming each wrong setting."""
        try:
            first = cls() if local_dir is None else cls(local_dir=local_dir)
            found = cls(_env_file=first.local_dir / "tailrace.env", local_dir=first.local_dir)
        except ValidationError as error:
            lines = [f"TAILRACE_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
            raise SettingsError("; ".join(lines)) from None
        except SourceError as error:
            name = str(error).split('"')[1].upper()
            raise SettingsError(f"TAILRACE_{name}: it must be JSON, an object") from None
        if first.model_fields_set & {"clickhouse_dsn", "clickhouse_reader_dsn"} == {"clickhouse_dsn"}:
            # a store of one's own is not read as the reader of the local engines
            return found.model_copy(update={"clickhouse_reader_dsn": SecretStr("")})
        return found

    def topic(self, key: str) -> str:
        """The broker's name of one of our topics."""
        return topics()[key].named(self.topic_prefix, self.otlp_topic)

    def tables(self) -> dict[tuple[str, bytes | None], str]:
        """The table of every block, by the topic's name on the broker and the key of the message; other messages are none."""
        found: dict[tuple[str, bytes | None], str] = {}
        for key, topic in topics().items():
            if topic.table:
                found[self.topic(key), ANY_KEY if topic.any_key else None] = topic.table
            found |= {(self.topic(key), said.encode()): table for said, table in topic.keyed.items()}
        return found

    def partitions(self, key: str) -> int:
        """How many partitions a topic gets when we create it."""
        return {"otlp": self.otlp_partitions, "spans": self.spans_partitions, "panes": self.panes_partitions, "one": 1}[
            topics()[key].partitions
        ]

    def group(self, stage: str) -> str:
        """Consumer group of a stage."""
        return f"{self.topic_prefix}-{stage}"
