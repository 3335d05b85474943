-- each: table=panes_hourly
-- each: table=panes_daily
-- each: table=panes_hourly_routes
-- Panes merged over sources into longer windows; the latest refresh of a window replaces the ones before.
-- panes_hourly_routes has every cohort and language merged ('' in both), for long ranges over many routes.
CREATE TABLE IF NOT EXISTS ${table} ${on_cluster}
(
    window_start_ns     Int64 CODEC(Delta, ZSTD(1)),
    window_end_ns       Int64 CODEC(Delta, ZSTD(1)),
    environment         LowCardinality(String),
    route               LowCardinality(String),
    model               LowCardinality(String),
    release             LowCardinality(String),
    cohort              LowCardinality(String),
    language            LowCardinality(String),
    final               Bool,
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
    latency             AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64),
    ttft                AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64),
    tps                 AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99, 0.999), Float64),
    window_start        DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_start_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    window_end          DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_end_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    refreshed_at        DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(refreshed_at)
PARTITION BY toYYYYMM(window_start)
ORDER BY (environment, route, window_start, window_start_ns, model, release, cohort, language);
