-- each: table=score_panes_hourly; from=score_panes; changed=inserted_at; width=3600000000000; start=toStartOfHour; settled=firing = 'final'; part=cityHash64(window_start_ns, window_end_ns, source); depends=
-- each: table=score_panes_daily; from=score_panes_hourly; changed=refreshed_at; width=86400000000000; start=toStartOfDay; settled=settled; part=toUInt64(window_start_ns) + settled; depends=DEPENDS ON score_panes_hourly_refresh
-- Panes of scores merged over sources into longer windows, as those of calls are (0010): every window touched since the last refresh is
-- computed anew, whole, while all the parts its settled row holds are still stored; when some have expired, that row stays and what it does
-- not hold yet is added. What may still change is a row of its own, always computed whole.
CREATE TABLE IF NOT EXISTS ${table} ${on_cluster}
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
    settled                 Bool,
    parts                   Array(UInt64) CODEC(ZSTD(1)),
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
    window_start            DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_start_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    window_end              DateTime('UTC') MATERIALIZED toDateTime(intDiv(window_end_ns, 1000000000), 'UTC') CODEC(Delta, ZSTD(1)),
    refreshed_at            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_refresh refreshed_at TYPE minmax GRANULARITY 1
)
ENGINE = ${replicated}ReplacingMergeTree(refreshed_at)
PARTITION BY toMonth(window_start)
ORDER BY (environment, route, window_start, window_start_ns, model, release, cohort, language, evaluator, evaluator_version, scorer, settled)
SETTINGS merge_with_ttl_timeout = 86400;
CREATE MATERIALIZED VIEW IF NOT EXISTS ${table}_refresh ${on_cluster}
REFRESH EVERY 5 MINUTE ${depends} APPEND TO ${table}
AS WITH
touched AS
(
    SELECT ${start}(window_start)
    FROM ${from}
    WHERE ${changed} > (SELECT max(refreshed_at) FROM ${table} WHERE refreshed_at > now64(3, 'UTC') - INTERVAL 1 DAY) - INTERVAL 15 MINUTE
),
live AS
(
    SELECT intDiv(window_start_ns, ${width}) * ${width} AS start_ns,
        environment, route, model, release, cohort, language, evaluator, evaluator_version, scorer,
        ${settled} AS settled, false AS held, ${part} AS part, [part] AS parts,
        scores, ok, failed, skipped, over_budget, invalid, timeout, incomplete, checked, fails, controlled, judge_input_tokens,
        judge_output_tokens, unpriced, weight, value_sum, value_sq_sum, checked_weight, fails_weight, controlled_weight,
        control_sum, control_sq_sum, control_value_sum, controlled_value_sum, controlled_value_sq_sum, judge_cost_nusd,
        weight_sq, value_weight_sq, shifted_weight_sq, checked_weight_sq, fails_weight_sq, controlled_weight_sq
    FROM ${from} FINAL
    WHERE ${start}(window_start) IN (touched)
),
held AS
(
    SELECT window_start_ns AS start_ns,
        environment, route, model, release, cohort, language, evaluator, evaluator_version, scorer,
        settled, true AS held, toUInt64(0) AS part, parts,
        scores, ok, failed, skipped, over_budget, invalid, timeout, incomplete, checked, fails, controlled, judge_input_tokens,
        judge_output_tokens, unpriced, weight, value_sum, value_sq_sum, checked_weight, fails_weight, controlled_weight,
        control_sum, control_sq_sum, control_value_sum, controlled_value_sum, controlled_value_sq_sum, judge_cost_nusd,
        weight_sq, value_weight_sq, shifted_weight_sq, checked_weight_sq, fails_weight_sq, controlled_weight_sq
    FROM ${table} FINAL
    WHERE ${start}(window_start) IN (touched)
),
rows AS (SELECT * FROM live UNION ALL SELECT * FROM held),
states AS
(
    SELECT start_ns, environment, route, model, release, cohort, language, evaluator, evaluator_version, scorer,
        groupUniqArrayArrayIf(parts, settled AND held) AS holds,
        hasAll(groupUniqArrayArrayIf(parts, settled AND NOT held), holds) AS whole
    FROM rows
    GROUP BY ALL
)
SELECT
    start_ns AS window_start_ns,
    start_ns + ${width} AS window_end_ns,
    environment,
    route,
    model,
    release,
    cohort,
    language,
    evaluator,
    evaluator_version,
    scorer,
    settled,
    if(settled, arraySort(groupUniqArrayArrayIf(parts, used)), []) AS parts,
    sumIf(r.scores, used) AS scores,
    sumIf(r.ok, used) AS ok,
    sumIf(r.failed, used) AS failed,
    sumIf(r.skipped, used) AS skipped,
    sumIf(r.over_budget, used) AS over_budget,
    sumIf(r.invalid, used) AS invalid,
    sumIf(r.timeout, used) AS timeout,
    sumIf(r.incomplete, used) AS incomplete,
    sumIf(r.checked, used) AS checked,
    sumIf(r.fails, used) AS fails,
    sumIf(r.controlled, used) AS controlled,
    sumIf(r.judge_input_tokens, used) AS judge_input_tokens,
    sumIf(r.judge_output_tokens, used) AS judge_output_tokens,
    sumIf(r.unpriced, used) AS unpriced,
    sumIf(r.weight, used) AS weight,
    sumIf(r.value_sum, used) AS value_sum,
    sumIf(r.value_sq_sum, used) AS value_sq_sum,
    sumIf(r.checked_weight, used) AS checked_weight,
    sumIf(r.fails_weight, used) AS fails_weight,
    sumIf(r.controlled_weight, used) AS controlled_weight,
    sumIf(r.control_sum, used) AS control_sum,
    sumIf(r.control_sq_sum, used) AS control_sq_sum,
    sumIf(r.control_value_sum, used) AS control_value_sum,
    sumIf(r.controlled_value_sum, used) AS controlled_value_sum,
    sumIf(r.controlled_value_sq_sum, used) AS controlled_value_sq_sum,
    sumIf(r.judge_cost_nusd, used) AS judge_cost_nusd,
    sumIf(r.weight_sq, used) AS weight_sq,
    sumIf(r.value_weight_sq, used) AS value_weight_sq,
    sumIf(r.shifted_weight_sq, used) AS shifted_weight_sq,
    sumIf(r.checked_weight_sq, used) AS checked_weight_sq,
    sumIf(r.fails_weight_sq, used) AS fails_weight_sq,
    sumIf(r.controlled_weight_sq, used) AS controlled_weight_sq,
    now64(3, 'UTC') AS refreshed_at
FROM
(
    SELECT rows.*, if(held, settled AND NOT whole, (settled AND whole) OR NOT has(holds, part)) AS used
    FROM rows
    INNER JOIN states USING (start_ns, environment, route, model, release, cohort, language, evaluator, evaluator_version, scorer)
) AS r
GROUP BY ALL;
