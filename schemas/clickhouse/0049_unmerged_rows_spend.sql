-- each: view=rows_of_performance; from=panes; final=p.final
-- each: view=rows_of_performance_hourly; from=panes_hourly; final=CAST(p.settled AND p.window_end_ns <= (SELECT ns FROM final_until), 'Bool')
-- each: view=rows_of_performance_daily; from=panes_daily; final=CAST(p.settled AND p.window_end_ns <= (SELECT ns FROM final_until), 'Bool')
-- The rows that `performance` merges per window and series, newest revisions only: what sums and merges digests over more than one
-- window and series asks these, and merges each digest once instead of twice. A window and series may come several times.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    window_start, window_end, environment, route, model, release, cohort, language, ${final} AS final,
    requests, errors, streamed, refusal_checked, refusals, citation_checked, citations, schema_checked, schema_valid, unknown_usage, unpriced,
    toInt128(input_tokens) AS input_tokens, toInt128(output_tokens) AS output_tokens, toInt128(cache_read_tokens) AS cache_read_tokens,
    toInt128(cache_write_tokens) AS cache_write_tokens, toInt128(reasoning_tokens) AS reasoning_tokens,
    toInt128(audio_input_tokens) AS audio_input_tokens, toInt128(audio_output_tokens) AS audio_output_tokens, cost_nusd,
    cost_input_nusd, cost_cache_read_nusd, cost_cache_write_nusd, cost_output_nusd, cost_reasoning_nusd,
    latency AS latency_digest, ttft AS ttft_digest, tps AS tps_digest
FROM ${from} AS p FINAL;
