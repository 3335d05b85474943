-- each: table=panes_hourly; from=panes; changed=inserted_at; width=3600000000000; start=toStartOfHour; settled=final; part=cityHash64(window_start_ns, window_end_ns, source); cohort=cohort; language=language; depends=
-- each: table=panes_daily; from=panes_hourly; changed=refreshed_at; width=86400000000000; start=toStartOfDay; settled=settled; part=toUInt64(window_start_ns) + settled; cohort=cohort; language=language; depends=DEPENDS ON panes_hourly_refresh
-- each: table=panes_hourly_routes; from=panes_hourly; changed=refreshed_at; width=3600000000000; start=toStartOfHour; settled=settled; part=cityHash64(cohort, language, settled); cohort=''; language=''; depends=DEPENDS ON panes_hourly_refresh
-- The roll-ups of 0010 with what each kind of token costs, and with the exact counts over the ladder of thresholds: what a budget of a
-- measure is held against over weeks. Early panes carry no counts, so what comes from open parts may lack some.
DROP VIEW IF EXISTS ${table}_refresh ${on_cluster} SYNC;
ALTER TABLE ${table} ${on_cluster}
    ADD COLUMN IF NOT EXISTS cost_input_nusd Int128 CODEC(ZSTD(1)) AFTER cost_nusd,
    ADD COLUMN IF NOT EXISTS cost_cache_read_nusd Int128 CODEC(ZSTD(1)) AFTER cost_input_nusd,
    ADD COLUMN IF NOT EXISTS cost_cache_write_nusd Int128 CODEC(ZSTD(1)) AFTER cost_cache_read_nusd,
    ADD COLUMN IF NOT EXISTS cost_output_nusd Int128 CODEC(ZSTD(1)) AFTER cost_cache_write_nusd,
    ADD COLUMN IF NOT EXISTS cost_reasoning_nusd Int128 CODEC(ZSTD(1)) AFTER cost_output_nusd,
    ADD COLUMN IF NOT EXISTS latency_bins Array(UInt16) CODEC(ZSTD(1)) AFTER latency,
    ADD COLUMN IF NOT EXISTS latency_bin_counts Array(UInt64) CODEC(ZSTD(1)) AFTER latency_bins,
    ADD COLUMN IF NOT EXISTS ttft_bins Array(UInt16) CODEC(ZSTD(1)) AFTER ttft,
    ADD COLUMN IF NOT EXISTS ttft_bin_counts Array(UInt64) CODEC(ZSTD(1)) AFTER ttft_bins,
    ADD COLUMN IF NOT EXISTS tps_bins Array(UInt16) CODEC(ZSTD(1)) AFTER tps,
    ADD COLUMN IF NOT EXISTS tps_bin_counts Array(UInt64) CODEC(ZSTD(1)) AFTER tps_bins,
    ADD COLUMN IF NOT EXISTS cost_bins Array(UInt16) CODEC(ZSTD(1)) AFTER tps_bin_counts,
    ADD COLUMN IF NOT EXISTS cost_bin_counts Array(UInt64) CODEC(ZSTD(1)) AFTER cost_bins;
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
    SELECT intDiv(window_start_ns, ${width}) * ${width} AS start_ns, environment, route, model, release,
        ${cohort} AS cohort, ${language} AS language, ${settled} AS settled, false AS held, ${part} AS part, [part] AS parts,
        requests, errors, streamed, refusal_checked, refusals, citation_checked, citations, schema_checked,
        schema_valid, unknown_usage, unpriced, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, cost_nusd, cost_sq,
        latency_sum_ns, latency_sq, ttft_count, ttft_sum_ns, latency, ttft, tps,
        cost_input_nusd, cost_cache_read_nusd, cost_cache_write_nusd, cost_output_nusd, cost_reasoning_nusd,
        latency_bins, latency_bin_counts, ttft_bins, ttft_bin_counts, tps_bins, tps_bin_counts, cost_bins, cost_bin_counts
    FROM ${from} FINAL
    WHERE ${start}(window_start) IN (touched)
),
held AS
(
    SELECT window_start_ns AS start_ns, environment, route, model, release,
        cohort, language, settled, true AS held, toUInt64(0) AS part, parts,
        requests, errors, streamed, refusal_checked, refusals, citation_checked, citations, schema_checked,
        schema_valid, unknown_usage, unpriced, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, cost_nusd, cost_sq,
        latency_sum_ns, latency_sq, ttft_count, ttft_sum_ns, latency, ttft, tps,
        cost_input_nusd, cost_cache_read_nusd, cost_cache_write_nusd, cost_output_nusd, cost_reasoning_nusd,
        latency_bins, latency_bin_counts, ttft_bins, ttft_bin_counts, tps_bins, tps_bin_counts, cost_bins, cost_bin_counts
    FROM ${table} FINAL
    WHERE ${start}(window_start) IN (touched)
),
rows AS (SELECT * FROM live UNION ALL SELECT * FROM held),
states AS
(
    SELECT start_ns, environment, route, model, release, cohort, language,
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
    settled,
    if(settled, arraySort(groupUniqArrayArrayIf(parts, used)), []) AS parts,
    sumIf(r.requests, used) AS requests,
    sumIf(r.errors, used) AS errors,
    sumIf(r.streamed, used) AS streamed,
    sumIf(r.refusal_checked, used) AS refusal_checked,
    sumIf(r.refusals, used) AS refusals,
    sumIf(r.citation_checked, used) AS citation_checked,
    sumIf(r.citations, used) AS citations,
    sumIf(r.schema_checked, used) AS schema_checked,
    sumIf(r.schema_valid, used) AS schema_valid,
    sumIf(r.unknown_usage, used) AS unknown_usage,
    sumIf(r.unpriced, used) AS unpriced,
    sumIf(toInt128(r.input_tokens), used) AS input_tokens,
    sumIf(toInt128(r.output_tokens), used) AS output_tokens,
    sumIf(toInt128(r.cache_read_tokens), used) AS cache_read_tokens,
    sumIf(toInt128(r.cache_write_tokens), used) AS cache_write_tokens,
    sumIf(toInt128(r.reasoning_tokens), used) AS reasoning_tokens,
    sumIf(toInt128(r.audio_input_tokens), used) AS audio_input_tokens,
    sumIf(toInt128(r.audio_output_tokens), used) AS audio_output_tokens,
    sumIf(toInt128(r.cost_nusd), used) AS cost_nusd,
    sumIf(r.cost_input_nusd, used) AS cost_input_nusd,
    sumIf(r.cost_cache_read_nusd, used) AS cost_cache_read_nusd,
    sumIf(r.cost_cache_write_nusd, used) AS cost_cache_write_nusd,
    sumIf(r.cost_output_nusd, used) AS cost_output_nusd,
    sumIf(r.cost_reasoning_nusd, used) AS cost_reasoning_nusd,
    sumIf(r.cost_sq, used) AS cost_sq,
    sumIf(toInt128(r.latency_sum_ns), used) AS latency_sum_ns,
    sumIf(r.latency_sq, used) AS latency_sq,
    sumIf(r.ttft_count, used) AS ttft_count,
    sumIf(toInt128(r.ttft_sum_ns), used) AS ttft_sum_ns,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.latency, used) AS latency,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.ttft, used) AS ttft,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.tps, used) AS tps,
    tupleElement(sumMapIf(r.latency_bins, r.latency_bin_counts, used), 1) AS latency_bins,
    tupleElement(sumMapIf(r.latency_bins, r.latency_bin_counts, used), 2) AS latency_bin_counts,
    tupleElement(sumMapIf(r.ttft_bins, r.ttft_bin_counts, used), 1) AS ttft_bins,
    tupleElement(sumMapIf(r.ttft_bins, r.ttft_bin_counts, used), 2) AS ttft_bin_counts,
    tupleElement(sumMapIf(r.tps_bins, r.tps_bin_counts, used), 1) AS tps_bins,
    tupleElement(sumMapIf(r.tps_bins, r.tps_bin_counts, used), 2) AS tps_bin_counts,
    tupleElement(sumMapIf(r.cost_bins, r.cost_bin_counts, used), 1) AS cost_bins,
    tupleElement(sumMapIf(r.cost_bins, r.cost_bin_counts, used), 2) AS cost_bin_counts,
    now64(3, 'UTC') AS refreshed_at
FROM
(
    SELECT rows.*, if(held, settled AND NOT whole, (settled AND whole) OR NOT has(holds, part)) AS used
    FROM rows
    INNER JOIN states USING (start_ns, environment, route, model, release, cohort, language)
) AS r
GROUP BY ALL;
