-- each: view=cost_by_route; from=trace_panes
-- each: view=cost_by_route_hourly; from=trace_panes_hourly
-- each: view=cost_by_route_daily; from=trace_panes_daily
-- What a trace that calls a model costs: one row for each environment and route over everything that is kept (minutes 3 days, hours 90, days 400), its range
-- in since and until. For a range of your own, sum and merge trace_performance.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    environment,
    route,
    since,
    until,
    traces,
    traces_with_calls,
    incomplete,
    failed,
    calls,
    calls / nullIf(traces_with_calls, 0) AS calls_mean,
    finalizeAggregation(calls_digest)[1] AS calls_p50,
    finalizeAggregation(calls_digest)[3] AS calls_p95,
    errors,
    unpriced_traces / nullIf(traces_with_calls, 0) AS unknown_cost_ratio,
    input_tokens,
    output_tokens,
    toFloat64(input_tokens + output_tokens) / nullIf(traces_with_calls, 0) AS tokens_per_trace,
    cost_nusd,
    toFloat64(cost_nusd) / nullIf(traces_with_calls, 0) AS cost_mean_nusd,
    accurateCastOrNull(round(finalizeAggregation(cost_digest)[1]), 'Int64') AS cost_p50_nusd,
    accurateCastOrNull(round(finalizeAggregation(cost_digest)[3]), 'Int64') AS cost_p95_nusd,
    accurateCastOrNull(round(finalizeAggregation(cost_digest)[4]), 'Int64') AS cost_p99_nusd,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[1]), 'Int64') AS latency_p50_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[3]), 'Int64') AS latency_p95_ns
FROM
(
    SELECT
        environment,
        route,
        min(p.window_start) AS since,
        max(p.window_end) AS until,
        sum(p.traces) AS traces,
        sum(p.traces_with_calls) AS traces_with_calls,
        sum(p.incomplete) AS incomplete,
        sum(p.failed) AS failed,
        sum(p.calls) AS calls,
        sum(p.errors) AS errors,
        sum(p.unpriced_traces) AS unpriced_traces,
        sum(toInt128(p.input_tokens)) AS input_tokens,
        sum(toInt128(p.output_tokens)) AS output_tokens,
        sum(toInt128(p.cost_nusd)) AS cost_nusd,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.cost_state) AS cost_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.latency_state) AS latency_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.calls_state) AS calls_digest
    FROM ${from} AS p FINAL
    GROUP BY ALL
);
