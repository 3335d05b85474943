-- each: table=panes_hourly; from=panes; changed=inserted_at; width=3600000000000; cohort=p.cohort; language=p.language; depends=
-- each: table=panes_daily; from=panes_hourly; changed=refreshed_at; width=86400000000000; cohort=p.cohort; language=p.language; depends=DEPENDS ON panes_hourly_refresh
-- each: table=panes_hourly_routes; from=panes_hourly; changed=refreshed_at; width=3600000000000; cohort=''; language=''; depends=DEPENDS ON panes_hourly_refresh
-- Every window touched since the last refresh is computed anew, whole, from the newest revisions (FINAL), and replaces its
-- row: an incremental view would add every revision up. Touched is judged by insertion, not by event time, so a backlog or
-- a replay of old spans is caught as well; 15 minutes cover inserts that became visible after their own timestamp.
CREATE MATERIALIZED VIEW IF NOT EXISTS ${table}_refresh ${on_cluster}
REFRESH EVERY 5 MINUTE ${depends} APPEND TO ${table}
AS SELECT
    intDiv(p.window_start_ns, ${width}) * ${width} AS window_start_ns,
    window_start_ns + ${width} AS window_end_ns,
    p.environment AS environment,
    p.route AS route,
    p.model AS model,
    p.release AS release,
    ${cohort} AS cohort,
    ${language} AS language,
    min(p.final) AS final,
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
    sum(p.input_tokens) AS input_tokens,
    sum(p.output_tokens) AS output_tokens,
    sum(p.cache_read_tokens) AS cache_read_tokens,
    sum(p.cache_write_tokens) AS cache_write_tokens,
    sum(p.reasoning_tokens) AS reasoning_tokens,
    sum(p.audio_input_tokens) AS audio_input_tokens,
    sum(p.audio_output_tokens) AS audio_output_tokens,
    sum(p.cost_nusd) AS cost_nusd,
    sum(p.cost_sq) AS cost_sq,
    sum(p.latency_sum_ns) AS latency_sum_ns,
    sum(p.latency_sq) AS latency_sq,
    sum(p.ttft_count) AS ttft_count,
    sum(p.ttft_sum_ns) AS ttft_sum_ns,
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.latency) AS latency,
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.ttft) AS ttft,
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99, 0.999)(p.tps) AS tps,
    now64(3, 'UTC') AS refreshed_at
FROM ${from} AS p FINAL
WHERE intDiv(p.window_start_ns, ${width}) IN
(
    SELECT intDiv(window_start_ns, ${width})
    FROM ${from}
    WHERE ${changed} > (SELECT max(refreshed_at) FROM ${table}) - INTERVAL 15 MINUTE
)
GROUP BY ALL;
