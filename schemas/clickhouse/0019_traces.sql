-- A row for every trace that is over. Identity: trace_id, source, first_offset (a trace that comes again after it was forgotten is
-- another); it is a function of the log, so what is stored again is the same row. The columns before the ids order the table for slices.
CREATE TABLE IF NOT EXISTS traces ${on_cluster}
(
    trace_id            String CODEC(ZSTD(1)),
    environment         LowCardinality(String),
    route               LowCardinality(String),
    release             LowCardinality(String),
    cohort              LowCardinality(String),
    language            LowCardinality(String),
    first_ns            Int64 CODEC(Delta, ZSTD(1)),
    last_ns             Int64 CODEC(Delta, ZSTD(1)),
    closed_ns           Int64 CODEC(Delta, ZSTD(1)),
    spans               Int64 CODEC(ZSTD(1)),
    calls               Int64 CODEC(ZSTD(1)),
    errors              Int64 CODEC(ZSTD(1)),
    failed              Bool,
    told_twice          Int64 CODEC(ZSTD(1)),
    refusals            Int64 CODEC(ZSTD(1)),
    input_tokens        Int64 CODEC(ZSTD(1)),
    output_tokens       Int64 CODEC(ZSTD(1)),
    cache_read_tokens   Int64 CODEC(ZSTD(1)),
    cache_write_tokens  Int64 CODEC(ZSTD(1)),
    reasoning_tokens    Int64 CODEC(ZSTD(1)),
    audio_input_tokens  Int64 CODEC(ZSTD(1)),
    audio_output_tokens Int64 CODEC(ZSTD(1)),
    unknown_usage       Int64 CODEC(ZSTD(1)),
    unpriced            Int64 CODEC(ZSTD(1)),
    cost_nusd           Int64 CODEC(ZSTD(1)),
    latency_ns          Int64 CODEC(ZSTD(1)),
    ttft_ns             Nullable(Int64) CODEC(ZSTD(1)),
    incomplete          Bool,
    source              LowCardinality(String),
    first_offset        Int64 CODEC(Delta, ZSTD(1)),
    revision            Int64 CODEC(ZSTD(1)),
    schema_version      Int64 CODEC(ZSTD(1)),
    first_time          DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(first_ns, 'UTC') CODEC(Delta, ZSTD(1)),
    closed_time         DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(closed_ns, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at         DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(revision)
PARTITION BY toDayOfMonth(closed_time)
ORDER BY (environment, route, toStartOfHour(closed_time), trace_id, source, first_offset)
SETTINGS merge_with_ttl_timeout = 86400;

-- Spans that tell of a call another span of their trace stands for. Identity: trace_id, span_id, source.
CREATE TABLE IF NOT EXISTS repeats ${on_cluster}
(
    trace_id            String CODEC(ZSTD(1)),
    span_id             String CODEC(ZSTD(1)),
    counted_by          String CODEC(ZSTD(1)),
    rule                LowCardinality(String),
    end_ns              Int64 CODEC(Delta, ZSTD(1)),
    source              LowCardinality(String),
    revision            Int64 CODEC(ZSTD(1)),
    schema_version      Int64 CODEC(ZSTD(1)),
    end_time            DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(end_ns, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at         DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(revision)
PARTITION BY toDayOfMonth(end_time)
ORDER BY (toStartOfHour(end_time), trace_id, span_id, source)
SETTINGS merge_with_ttl_timeout = 86400;

-- Windows of traces that are over: window, series and source partition identify a row, the largest revision wins. A trace counts in the
-- window in which it had gone quiet, and a window is written when it is whole, so every row is final.
-- A digest arrives as base64 of its serialised state and is stored as the state itself, ready for -Merge.
CREATE TABLE IF NOT EXISTS trace_panes ${on_cluster}
(
    window_start_ns     Int64 CODEC(Delta, ZSTD(1)),
    window_end_ns       Int64 CODEC(Delta, ZSTD(1)),
    environment         LowCardinality(String),
    route               LowCardinality(String),
    release             LowCardinality(String),
    cohort              LowCardinality(String),
    language            LowCardinality(String),
    source              LowCardinality(String),
    revision            Int64 CODEC(ZSTD(1)),
    firing              LowCardinality(String),
    traces              Int64 CODEC(ZSTD(1)),
    incomplete          Int64 CODEC(ZSTD(1)),
    failed              Int64 CODEC(ZSTD(1)),
    spans               Int64 CODEC(ZSTD(1)),
    calls               Int64 CODEC(ZSTD(1)),
    errors              Int64 CODEC(ZSTD(1)),
    told_twice          Int64 CODEC(ZSTD(1)),
    refusals            Int64 CODEC(ZSTD(1)),
    unknown_usage       Int64 CODEC(ZSTD(1)),
    unpriced            Int64 CODEC(ZSTD(1)),
    unpriced_traces     Int64 CODEC(ZSTD(1)),
    input_tokens        Int64 CODEC(ZSTD(1)),
    output_tokens       Int64 CODEC(ZSTD(1)),
    cache_read_tokens   Int64 CODEC(ZSTD(1)),
    cache_write_tokens  Int64 CODEC(ZSTD(1)),
    reasoning_tokens    Int64 CODEC(ZSTD(1)),
    audio_input_tokens  Int64 CODEC(ZSTD(1)),
    audio_output_tokens Int64 CODEC(ZSTD(1)),
    cost_nusd           Int128 CODEC(ZSTD(1)),
    cost_sq             Int128 CODEC(ZSTD(1)),
    latency_sum_ns      Int128 CODEC(ZSTD(1)),
    latency_sq          Int128 CODEC(ZSTD(1)),
    calls_sq            Int128 CODEC(ZSTD(1)),
    ttft_count          Int64 CODEC(ZSTD(1)),
    ttft_sum_ns         Int128 CODEC(ZSTD(1)),
    cost_digest         String EPHEMERAL 'AA==',
    latency_digest      String EPHEMERAL 'AA==',
    calls_digest        String EPHEMERAL 'AA==',
    ttft_digest         String EPHEMERAL 'AA==',
    schema_version      Int64 CODEC(ZSTD(1)),
    cost_state          AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(cost_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    latency_state       AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(latency_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    calls_state         AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(calls_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    ttft_state          AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(ttft_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    window_start        DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_start_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    window_end          DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_end_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at         DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_insertion inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(revision)
PARTITION BY toDayOfMonth(window_start)
ORDER BY (environment, route, window_start, window_start_ns, window_end_ns, release, cohort, language, source)
SETTINGS merge_with_ttl_timeout = 86400;

-- Spans whose trace was over when they came, and what the calls among them cost: money that stands in no trace's row.
ALTER TABLE ledger ${on_cluster}
    ADD COLUMN IF NOT EXISTS late_for_trace Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER ahead_of_clock,
    ADD COLUMN IF NOT EXISTS outside_nusd Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER late_for_trace;
