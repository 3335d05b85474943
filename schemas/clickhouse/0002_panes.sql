-- One row per firing of a window: window, series and source partition identify it, the largest revision wins.
-- A digest arrives as base64 of its serialised state and is stored as the state itself, ready for -Merge.
CREATE TABLE IF NOT EXISTS panes ${on_cluster}
(
    window_start_ns     Int64 CODEC(Delta, ZSTD(1)),
    window_end_ns       Int64 CODEC(Delta, ZSTD(1)),
    environment         LowCardinality(String),
    route               LowCardinality(String),
    model               LowCardinality(String),
    release             LowCardinality(String),
    cohort              LowCardinality(String),
    language            LowCardinality(String),
    source              LowCardinality(String),
    revision            Int64 CODEC(ZSTD(1)),
    firing              LowCardinality(String),
    requests            Int64 CODEC(ZSTD(1)),
    errors              Int64 CODEC(ZSTD(1)),
    streamed            Int64 CODEC(ZSTD(1)),
    refusal_checked     Int64 CODEC(ZSTD(1)),
    refusals            Int64 CODEC(ZSTD(1)),
    citation_checked    Int64 CODEC(ZSTD(1)),
    citations           Int64 CODEC(ZSTD(1)),
    schema_checked      Int64 CODEC(ZSTD(1)),
    schema_valid        Int64 CODEC(ZSTD(1)),
    unknown_usage       Int64 CODEC(ZSTD(1)),
    unpriced            Int64 CODEC(ZSTD(1)),
    input_tokens        Int64 CODEC(ZSTD(1)),
    output_tokens       Int64 CODEC(ZSTD(1)),
    cache_read_tokens   Int64 CODEC(ZSTD(1)),
    cache_write_tokens  Int64 CODEC(ZSTD(1)),
    reasoning_tokens    Int64 CODEC(ZSTD(1)),
    audio_input_tokens  Int64 CODEC(ZSTD(1)),
    audio_output_tokens Int64 CODEC(ZSTD(1)),
    cost_nusd           Int64 CODEC(ZSTD(1)),
    cost_sq             Int128 CODEC(ZSTD(1)),
    latency_sum_ns      Int64 CODEC(ZSTD(1)),
    latency_sq          Int128 CODEC(ZSTD(1)),
    ttft_count          Int64 CODEC(ZSTD(1)),
    ttft_sum_ns         Int64 CODEC(ZSTD(1)),
    latency_digest      String EPHEMERAL 'AA==',
    ttft_digest         String EPHEMERAL 'AA==',
    tps_digest          String EPHEMERAL 'AA==',
    schema_version      Int64 CODEC(ZSTD(1)),
    latency             AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(latency_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    ttft                AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(ttft_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    tps                 AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)
                            DEFAULT CAST(base64Decode(tps_digest), 'AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64)'),
    final               Bool MATERIALIZED firing = 'final',
    window_start        DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_start_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    window_end          DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_end_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at         DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(revision)
PARTITION BY toYYYYMMDD(window_start)
ORDER BY (environment, route, window_start, window_start_ns, window_end_ns, model, release, cohort, language, source)
SETTINGS ttl_only_drop_parts = 1;
