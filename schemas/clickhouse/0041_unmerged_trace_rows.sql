-- each: view=rows_of_trace_performance; from=trace_panes
-- each: view=rows_of_trace_performance_hourly; from=trace_panes_hourly
-- each: view=rows_of_trace_performance_daily; from=trace_panes_daily
-- The same of traces: the rows that `trace_performance` merges.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    window_start, window_end, environment, route, release, cohort, language,
    traces, traces_with_calls, incomplete, failed, spans, calls, errors, told_twice, refusals, unknown_usage, unpriced, unpriced_traces,
    toInt128(input_tokens) AS input_tokens, toInt128(output_tokens) AS output_tokens, toInt128(cache_read_tokens) AS cache_read_tokens,
    toInt128(cache_write_tokens) AS cache_write_tokens, toInt128(reasoning_tokens) AS reasoning_tokens,
    toInt128(audio_input_tokens) AS audio_input_tokens, toInt128(audio_output_tokens) AS audio_output_tokens, cost_nusd,
    cost_state AS cost_digest, latency_state AS latency_digest, calls_state AS calls_digest, ttft_state AS ttft_digest
FROM ${from} FINAL;
