-- each: view=trace_performance; from=trace_panes
-- each: view=trace_performance_hourly; from=trace_panes_hourly
-- each: view=trace_performance_daily; from=trace_panes_daily
-- Per window and series of traces, merged over sources. A trace counts in the window in which it had gone quiet, whole, so a window of
-- traces is no sum over the calls that ended in it. Sums and digests merge further, ratios and quantiles do not: over a longer range use
-- sum(cost_nusd) / sum(traces_with_calls) and quantilesTDigestMerge(0.95)(cost_digest)[1].
-- What is asked of cost, calls and tokens is over traces_with_calls, digests too: a trace that calls no model costs nothing and is no task of one.
-- Latency and failures are over all traces.
-- unpriced_traces: those whose cost is known in part, because a call had no price or said no usage.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    window_start,
    window_end,
    environment,
    route,
    release,
    cohort,
    language,
    traces,
    traces_with_calls,
    incomplete,
    failed,
    spans,
    calls,
    calls / nullIf(traces_with_calls, 0) AS calls_mean,
    finalizeAggregation(calls_digest)[1] AS calls_p50,
    finalizeAggregation(calls_digest)[3] AS calls_p95,
    errors,
    told_twice,
    refusals,
    unknown_usage,
    unpriced,
    unpriced_traces,
    unpriced_traces / nullIf(traces_with_calls, 0) AS unknown_cost_ratio,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    audio_input_tokens,
    audio_output_tokens,
    toFloat64(input_tokens + output_tokens) / nullIf(traces_with_calls, 0) AS tokens_per_trace,
    cost_nusd,
    toFloat64(cost_nusd) / nullIf(traces_with_calls, 0) AS cost_mean_nusd,
    accurateCastOrNull(round(finalizeAggregation(cost_digest)[1]), 'Int64') AS cost_p50_nusd,
    accurateCastOrNull(round(finalizeAggregation(cost_digest)[3]), 'Int64') AS cost_p95_nusd,
    accurateCastOrNull(round(finalizeAggregation(cost_digest)[4]), 'Int64') AS cost_p99_nusd,
    accurateCastOrNull(round(latency_sum_ns / traces), 'Int64') AS latency_mean_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[1]), 'Int64') AS latency_p50_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[3]), 'Int64') AS latency_p95_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[4]), 'Int64') AS latency_p99_ns,
    accurateCastOrNull(round(finalizeAggregation(ttft_digest)[1]), 'Int64') AS ttft_p50_ns,
    accurateCastOrNull(round(finalizeAggregation(ttft_digest)[3]), 'Int64') AS ttft_p95_ns,
    accurateCastOrNull(round(finalizeAggregation(ttft_digest)[4]), 'Int64') AS ttft_p99_ns,
    cost_digest,
    latency_digest,
    calls_digest,
    ttft_digest
FROM
(
    SELECT
        p.window_start_ns AS window_start_ns,
        p.window_end_ns AS window_end_ns,
        p.window_start AS window_start,
        p.window_end AS window_end,
        p.environment AS environment,
        p.route AS route,
        p.release AS release,
        p.cohort AS cohort,
        p.language AS language,
        sum(p.traces) AS traces,
        sum(p.traces_with_calls) AS traces_with_calls,
        sum(p.incomplete) AS incomplete,
        sum(p.failed) AS failed,
        sum(p.spans) AS spans,
        sum(p.calls) AS calls,
        sum(p.errors) AS errors,
        sum(p.told_twice) AS told_twice,
        sum(p.refusals) AS refusals,
        sum(p.unknown_usage) AS unknown_usage,
        sum(p.unpriced) AS unpriced,
        sum(p.unpriced_traces) AS unpriced_traces,
        sum(toInt128(p.input_tokens)) AS input_tokens,
        sum(toInt128(p.output_tokens)) AS output_tokens,
        sum(toInt128(p.cache_read_tokens)) AS cache_read_tokens,
        sum(toInt128(p.cache_write_tokens)) AS cache_write_tokens,
        sum(toInt128(p.reasoning_tokens)) AS reasoning_tokens,
        sum(toInt128(p.audio_input_tokens)) AS audio_input_tokens,
        sum(toInt128(p.audio_output_tokens)) AS audio_output_tokens,
        sum(toInt128(p.cost_nusd)) AS cost_nusd,
        sum(toInt128(p.latency_sum_ns)) AS latency_sum_ns,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.cost_state) AS cost_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.latency_state) AS latency_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.calls_state) AS calls_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.ttft_state) AS ttft_digest
    FROM ${from} AS p FINAL
    GROUP BY ALL
);
