-- The scores that count, row by row: the first of each trace, evaluator, version and scorer in its log. What is stored again is the same
-- row. Its window is the one that holds known_time; the trace it speaks of ended at trace_time. The columns before the ids order the table.
CREATE TABLE IF NOT EXISTS scores ${on_cluster}
(
    trace_id                String CODEC(ZSTD(1)),
    environment             LowCardinality(String),
    route                   LowCardinality(String),
    model                   LowCardinality(String),
    release                 LowCardinality(String),
    cohort                  LowCardinality(String),
    language                LowCardinality(String),
    evaluator               LowCardinality(String),
    evaluator_version       LowCardinality(String),
    scorer                  LowCardinality(String),
    status                  LowCardinality(String),
    value                   Nullable(Float64) CODEC(ZSTD(1)),
    passed                  Nullable(Bool) CODEC(ZSTD(1)),
    label                   LowCardinality(String),
    status_reason           LowCardinality(String),
    explanation             String CODEC(ZSTD(1)),
    inclusion_probability   Float64 CODEC(ZSTD(1)),
    control                 Nullable(Float64) CODEC(ZSTD(1)),
    control_probability     Float64 CODEC(ZSTD(1)),
    incomplete              Bool CODEC(ZSTD(1)),
    trace_ns                Int64 CODEC(Delta, ZSTD(1)),
    judge_model             LowCardinality(String),
    prompt_hash             LowCardinality(String),
    judge_input_tokens      Int64 CODEC(ZSTD(1)),
    judge_output_tokens     Int64 CODEC(ZSTD(1)),
    judge_cost_nusd         Nullable(Int64) CODEC(ZSTD(1)),
    known_ns                Int64 CODEC(Delta, ZSTD(1)),
    source                  LowCardinality(String),
    offset                  Int64 CODEC(Delta, ZSTD(1)),
    schema_version          Int64 CODEC(ZSTD(1)),
    trace_time              DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(trace_ns, 'UTC') CODEC(Delta, ZSTD(1)),
    known_time              DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(known_ns, 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at             DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ${replicated}ReplacingMergeTree(offset)
PARTITION BY toDayOfMonth(known_time)
ORDER BY (environment, route, toStartOfHour(known_time), evaluator, trace_id, evaluator_version, scorer, source)
SETTINGS merge_with_ttl_timeout = 86400;

-- Windows of the time at which scores became known: window, series and source partition identify a row, the largest revision wins. Sums
-- are over scores with the status ok, each weighing 1 / its inclusion probability: weights in 1/10,000, values, their squares and products
-- in millionths, so that no sum depends on order. What they make: quality_by_cohort.
CREATE TABLE IF NOT EXISTS score_panes ${on_cluster}
(
    window_start_ns         Int64 CODEC(Delta, ZSTD(1)),
    window_end_ns           Int64 CODEC(Delta, ZSTD(1)),
    environment             LowCardinality(String),
    route                   LowCardinality(String),
    model                   LowCardinality(String),
    release                 LowCardinality(String),
    cohort                  LowCardinality(String),
    language                LowCardinality(String),
    evaluator               LowCardinality(String),
    evaluator_version       LowCardinality(String),
    scorer                  LowCardinality(String),
    source                  LowCardinality(String),
    revision                Int64 CODEC(ZSTD(1)),
    firing                  LowCardinality(String),
    scores                  Int64 CODEC(ZSTD(1)),
    ok                      Int64 CODEC(ZSTD(1)),
    failed                  Int64 CODEC(ZSTD(1)),
    skipped                 Int64 CODEC(ZSTD(1)),
    over_budget             Int64 CODEC(ZSTD(1)),
    invalid                 Int64 CODEC(ZSTD(1)),
    timeout                 Int64 CODEC(ZSTD(1)),
    incomplete              Int64 CODEC(ZSTD(1)),
    checked                 Int64 CODEC(ZSTD(1)),
    fails                   Int64 CODEC(ZSTD(1)),
    controlled              Int64 CODEC(ZSTD(1)),
    judge_input_tokens      Int64 CODEC(ZSTD(1)),
    judge_output_tokens     Int64 CODEC(ZSTD(1)),
    unpriced                Int64 CODEC(ZSTD(1)),
    weight                  Int128 CODEC(ZSTD(1)),
    value_sum               Int128 CODEC(ZSTD(1)),
    value_sq_sum            Int128 CODEC(ZSTD(1)),
    checked_weight          Int128 CODEC(ZSTD(1)),
    fails_weight            Int128 CODEC(ZSTD(1)),
    controlled_weight       Int128 CODEC(ZSTD(1)),
    control_sum             Int128 CODEC(ZSTD(1)),
    control_sq_sum          Int128 CODEC(ZSTD(1)),
    control_value_sum       Int128 CODEC(ZSTD(1)),
    controlled_value_sum    Int128 CODEC(ZSTD(1)),
    controlled_value_sq_sum Int128 CODEC(ZSTD(1)),
    judge_cost_nusd         Int128 CODEC(ZSTD(1)),
    weight_sq               Int128 CODEC(ZSTD(1)),
    value_weight_sq         Int128 CODEC(ZSTD(1)),
    shifted_weight_sq       Int128 CODEC(ZSTD(1)),
    checked_weight_sq       Int128 CODEC(ZSTD(1)),
    fails_weight_sq         Int128 CODEC(ZSTD(1)),
    controlled_weight_sq    Int128 CODEC(ZSTD(1)),
    schema_version          Int64 CODEC(ZSTD(1)),
    window_start            DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_start_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    window_end              DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_end_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at             DateTime('UTC') DEFAULT now('UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_insertion inserted_at TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(revision)
PARTITION BY toDayOfMonth(window_start)
ORDER BY (environment, route, window_start, window_start_ns, window_end_ns, model, release, cohort, language, evaluator, evaluator_version, scorer, source)
SETTINGS merge_with_ttl_timeout = 86400;
