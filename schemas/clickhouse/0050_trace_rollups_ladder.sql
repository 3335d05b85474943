-- each: table=trace_panes_hourly; from=trace_panes; changed=inserted_at; width=3600000000000; start=toStartOfHour; part=cityHash64(window_start_ns, window_end_ns, source); depends=
-- each: table=trace_panes_daily; from=trace_panes_hourly; changed=refreshed_at; width=86400000000000; start=toStartOfDay; part=toUInt64(window_start_ns); depends=DEPENDS ON trace_panes_hourly_refresh
-- The roll-ups of 0027 with the exact counts over the ladder of thresholds, none in hours and days of before.
DROP VIEW IF EXISTS ${table}_refresh ${on_cluster} SYNC;
ALTER TABLE ${table} ${on_cluster}
    ADD COLUMN IF NOT EXISTS cost_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS cost_bin_counts Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS latency_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS latency_bin_counts Array(UInt64) CODEC(ZSTD(1));
CREATE MATERIALIZED VIEW ${table}_refresh ${on_cluster}
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
    SELECT intDiv(window_start_ns, ${width}) * ${width} AS start_ns, environment, route, release, cohort, language,
        false AS held, ${part} AS part, [part] AS parts,
        traces, traces_with_calls, incomplete, failed, spans, calls, errors, told_twice, refusals, unknown_usage, unpriced,
        unpriced_traces, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
        audio_input_tokens, audio_output_tokens, cost_nusd, cost_sq, latency_sum_ns, latency_sq, calls_sq,
        ttft_count, ttft_sum_ns, cost_state, latency_state, calls_state, ttft_state,
        cost_bins, cost_bin_counts, latency_bins, latency_bin_counts
    FROM ${from} FINAL
    WHERE ${start}(window_start) IN (touched)
),
held AS
(
    SELECT window_start_ns AS start_ns, environment, route, release, cohort, language,
        true AS held, toUInt64(0) AS part, parts,
        traces, traces_with_calls, incomplete, failed, spans, calls, errors, told_twice, refusals, unknown_usage, unpriced,
        unpriced_traces, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
        audio_input_tokens, audio_output_tokens, cost_nusd, cost_sq, latency_sum_ns, latency_sq, calls_sq,
        ttft_count, ttft_sum_ns, cost_state, latency_state, calls_state, ttft_state,
        cost_bins, cost_bin_counts, latency_bins, latency_bin_counts
    FROM ${table} FINAL
    WHERE ${start}(window_start) IN (touched)
),
rows AS (SELECT * FROM live UNION ALL SELECT * FROM held),
states AS
(
    SELECT start_ns, environment, route, release, cohort, language,
        groupUniqArrayArrayIf(parts, held) AS holds,
        hasAll(groupUniqArrayArrayIf(parts, NOT held), holds) AS whole
    FROM rows
    GROUP BY ALL
)
SELECT
    start_ns AS window_start_ns,
    start_ns + ${width} AS window_end_ns,
    environment,
    route,
    release,
    cohort,
    language,
    arraySort(groupUniqArrayArrayIf(parts, used)) AS parts,
    sumIf(r.traces, used) AS traces,
    sumIf(r.traces_with_calls, used) AS traces_with_calls,
    sumIf(r.incomplete, used) AS incomplete,
    sumIf(r.failed, used) AS failed,
    sumIf(r.spans, used) AS spans,
    sumIf(r.calls, used) AS calls,
    sumIf(r.errors, used) AS errors,
    sumIf(r.told_twice, used) AS told_twice,
    sumIf(r.refusals, used) AS refusals,
    sumIf(r.unknown_usage, used) AS unknown_usage,
    sumIf(r.unpriced, used) AS unpriced,
    sumIf(r.unpriced_traces, used) AS unpriced_traces,
    sumIf(toInt128(r.input_tokens), used) AS input_tokens,
    sumIf(toInt128(r.output_tokens), used) AS output_tokens,
    sumIf(toInt128(r.cache_read_tokens), used) AS cache_read_tokens,
    sumIf(toInt128(r.cache_write_tokens), used) AS cache_write_tokens,
    sumIf(toInt128(r.reasoning_tokens), used) AS reasoning_tokens,
    sumIf(toInt128(r.audio_input_tokens), used) AS audio_input_tokens,
    sumIf(toInt128(r.audio_output_tokens), used) AS audio_output_tokens,
    sumIf(r.cost_nusd, used) AS cost_nusd,
    sumIf(r.cost_sq, used) AS cost_sq,
    sumIf(r.latency_sum_ns, used) AS latency_sum_ns,
    sumIf(r.latency_sq, used) AS latency_sq,
    sumIf(r.calls_sq, used) AS calls_sq,
    sumIf(r.ttft_count, used) AS ttft_count,
    sumIf(r.ttft_sum_ns, used) AS ttft_sum_ns,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.cost_state, used) AS cost_state,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.latency_state, used) AS latency_state,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.calls_state, used) AS calls_state,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.ttft_state, used) AS ttft_state,
    tupleElement(sumMapIf(r.cost_bins, r.cost_bin_counts, used), 1) AS cost_bins,
    tupleElement(sumMapIf(r.cost_bins, r.cost_bin_counts, used), 2) AS cost_bin_counts,
    tupleElement(sumMapIf(r.latency_bins, r.latency_bin_counts, used), 1) AS latency_bins,
    tupleElement(sumMapIf(r.latency_bins, r.latency_bin_counts, used), 2) AS latency_bin_counts,
    now64(3, 'UTC') AS refreshed_at
FROM
(
    SELECT rows.*, if(held, NOT whole, whole OR NOT has(holds, part)) AS used
    FROM rows
    INNER JOIN states USING (start_ns, environment, route, release, cohort, language)
) AS r
GROUP BY ALL;
