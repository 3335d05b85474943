-- each: view=performance; from=panes; final=min(p.final)
-- each: view=performance_hourly; from=panes_hourly; final=CAST(sumIf(p.requests, NOT p.settled) = 0 AND p.window_end_ns <= (SELECT ns FROM final_until), 'Bool')
-- each: view=performance_daily; from=panes_daily; final=CAST(sumIf(p.requests, NOT p.settled) = 0 AND p.window_end_ns <= (SELECT ns FROM final_until), 'Bool')
-- each: view=performance_routes_hourly; from=panes_hourly_routes; final=CAST(sumIf(p.requests, NOT p.settled) = 0 AND p.window_end_ns <= (SELECT ns FROM final_until), 'Bool')
-- Per window and series, merged over sources, newest revisions only. Sums and digests merge further, ratios and
-- quantiles do not: over a longer range use sum(errors) / sum(requests) and quantilesTDigestMerge(0.99)(latency_digest)[1].
-- What was checked of answers is there with what was found, so that these ratios can be had of any rows: sum(citations) / sum(citation_checked).
-- What a kind of token costs is a part of cost_nusd; the rest is for searches, calls billed by the piece, and claims in one sum.
-- A ratio is null where nothing could be checked, a quantile where no call had a value.
-- Sums of tokens, money and time are Int128, and so is a sum() of them: ClickHouse's sum of 64 bits wraps without a word.
-- A minute is final when all its panes are; an hour or a day when besides every partition of spans has gone past its end.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    window_start,
    window_end,
    environment,
    route,
    model,
    release,
    cohort,
    language,
    final,
    requests,
    errors,
    errors / nullIf(requests, 0) AS error_ratio,
    streamed,
    refusals,
    refusals / nullIf(refusal_checked, 0) AS refusal_ratio,
    citations / nullIf(citation_checked, 0) AS citation_ratio,
    schema_valid / nullIf(schema_checked, 0) AS schema_valid_ratio,
    refusal_checked,
    citation_checked,
    citations,
    schema_checked,
    schema_valid,
    unknown_usage,
    unpriced,
    input_tokens,
    output_tokens,
    cache_read_tokens,
    cache_write_tokens,
    reasoning_tokens,
    audio_input_tokens,
    audio_output_tokens,
    cost_nusd,
    cost_input_nusd,
    cost_cache_read_nusd,
    cost_cache_write_nusd,
    cost_output_nusd,
    cost_reasoning_nusd,
    accurateCastOrNull(round(latency_sum_ns / requests), 'Int64') AS latency_mean_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[1]), 'Int64') AS latency_p50_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[3]), 'Int64') AS latency_p95_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[4]), 'Int64') AS latency_p99_ns,
    accurateCastOrNull(round(finalizeAggregation(latency_digest)[5]), 'Int64') AS latency_p999_ns,
    accurateCastOrNull(round(finalizeAggregation(ttft_digest)[1]), 'Int64') AS ttft_p50_ns,
    accurateCastOrNull(round(finalizeAggregation(ttft_digest)[3]), 'Int64') AS ttft_p95_ns,
    accurateCastOrNull(round(finalizeAggregation(ttft_digest)[4]), 'Int64') AS ttft_p99_ns,
    if(isNaN(finalizeAggregation(tps_digest)[1]), NULL, finalizeAggregation(tps_digest)[1]) AS tps_p50,
    latency_digest,
    ttft_digest,
    tps_digest
FROM
(
    SELECT
        p.window_start_ns AS window_start_ns,
        p.window_end_ns AS window_end_ns,
        p.window_start AS window_start,
        p.window_end AS window_end,
        p.environment AS environment,
        p.route AS route,
        p.model AS model,
        p.release AS release,
        p.cohort AS cohort,
        p.language AS language,
        ${final} AS final,
        sum(p.requests) AS requests,
        sum(p.errors) AS errors,
        sum(p.streamed) AS streamed,
        sum(p.refusal_checked) AS refusal_checked,
        sum(p.refusals) AS refusals,
        sum(p.citation_checked) AS citation_checked,
        sum(p.citations) AS citations,
        sum(p.schema_checked) AS schema_checked,
        sum(p.schema_valid) AS schema_valid,
        sum(p.unknown_usage) AS unknown_usage,
        sum(p.unpriced) AS unpriced,
        sum(toInt128(p.input_tokens)) AS input_tokens,
        sum(toInt128(p.output_tokens)) AS output_tokens,
        sum(toInt128(p.cache_read_tokens)) AS cache_read_tokens,
        sum(toInt128(p.cache_write_tokens)) AS cache_write_tokens,
        sum(toInt128(p.reasoning_tokens)) AS reasoning_tokens,
        sum(toInt128(p.audio_input_tokens)) AS audio_input_tokens,
        sum(toInt128(p.audio_output_tokens)) AS audio_output_tokens,
        sum(toInt128(p.cost_nusd)) AS cost_nusd,
        sum(p.cost_input_nusd) AS cost_input_nusd,
        sum(p.cost_cache_read_nusd) AS cost_cache_read_nusd,
        sum(p.cost_cache_write_nusd) AS cost_cache_write_nusd,
        sum(p.cost_output_nusd) AS cost_output_nusd,
        sum(p.cost_reasoning_nusd) AS cost_reasoning_nusd,
        sum(toInt128(p.latency_sum_ns)) AS latency_sum_ns,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.latency) AS latency_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.ttft) AS ttft_digest,
        quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.tps) AS tps_digest
    FROM ${from} AS p FINAL
    GROUP BY ALL
);
