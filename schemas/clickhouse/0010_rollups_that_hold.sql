-- each: table=panes_hourly; from=panes; changed=inserted_at; width=3600000000000; start=toStartOfHour; settled=final; part=cityHash64(window_start_ns, window_end_ns, source); cohort=cohort; language=language; depends=
-- each: table=panes_daily; from=panes_hourly; changed=refreshed_at; width=86400000000000; start=toStartOfDay; settled=settled; part=toUInt64(window_start_ns) + settled; cohort=cohort; language=language; depends=DEPENDS ON panes_hourly_refresh
-- each: table=panes_hourly_routes; from=panes_hourly; changed=refreshed_at; width=3600000000000; start=toStartOfHour; settled=settled; part=cityHash64(cohort, language, settled); cohort=''; language=''; depends=DEPENDS ON panes_hourly_refresh
-- A roll-up that does not shrink when part of what it was made of has expired. A longer window has two rows a series: what
-- comes from settled parts (panes that are final), with the parts it holds, and what comes from parts that may still change.
-- Every window touched since the last refresh is done anew. While every part a row holds is still stored, the row is computed
-- from them, whole; when some are gone, the row stays and what it does not hold yet is added. Open parts are always
-- computed whole: they stay stored for as long as the roll-up does; one that is held as settled is an old revision of it.
-- Sums have 128 bits.
-- Touched is judged by insertion, not by event time, so a backlog is caught as well; 15 minutes cover inserts that became
-- visible after their own timestamp. Only windows that were touched are read, by the tables' keys.
DROP VIEW IF EXISTS ${table}_refresh ${on_cluster} SYNC;
DROP TABLE IF EXISTS ${table}_next ${on_cluster} SYNC;
ALTER TABLE ${table} ${on_cluster}
    ADD COLUMN IF NOT EXISTS settled Bool DEFAULT true AFTER language,
    ADD COLUMN IF NOT EXISTS parts Array(UInt64) CODEC(ZSTD(1)) AFTER settled,
    ADD INDEX IF NOT EXISTS by_refresh refreshed_at TYPE minmax GRANULARITY 1,
    DROP COLUMN IF EXISTS final;
CREATE TABLE ${table}_next ${on_cluster} AS ${table}
ENGINE = ${replicated}ReplacingMergeTree(refreshed_at)
PARTITION BY toMonth(window_start)
ORDER BY (environment, route, window_start, window_start_ns, model, release, cohort, language, settled)
SETTINGS merge_with_ttl_timeout = 86400;
ALTER TABLE ${table}_next ${on_cluster}
    MODIFY COLUMN input_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN output_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN cache_read_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN cache_write_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN reasoning_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN audio_input_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN audio_output_tokens Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN cost_nusd Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN latency_sum_ns Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN ttft_sum_ns Int128 CODEC(ZSTD(1));
INSERT INTO ${table}_next SELECT * FROM ${table};
EXCHANGE TABLES ${table} AND ${table}_next ${on_cluster};
DROP TABLE ${table}_next ${on_cluster} SYNC;
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
        latency_sum_ns, latency_sq, ttft_count, ttft_sum_ns, latency, ttft, tps
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
        latency_sum_ns, latency_sq, ttft_count, ttft_sum_ns, latency, ttft, tps
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
    sumIf(r.cost_sq, used) AS cost_sq,
    sumIf(toInt128(r.latency_sum_ns), used) AS latency_sum_ns,
    sumIf(r.latency_sq, used) AS latency_sq,
    sumIf(r.ttft_count, used) AS ttft_count,
    sumIf(toInt128(r.ttft_sum_ns), used) AS ttft_sum_ns,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.latency, used) AS latency,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.ttft, used) AS ttft,
    quantilesTDigestMergeStateIf(0.5, 0.9, 0.95, 0.99, 0.999)(r.tps, used) AS tps,
    now64(3, 'UTC') AS refreshed_at
FROM
(
    SELECT rows.*, if(held, settled AND NOT whole, (settled AND whole) OR NOT has(holds, part)) AS used
    FROM rows
    INNER JOIN states USING (start_ns, environment, route, model, release, cohort, language)
) AS r
GROUP BY ALL;
