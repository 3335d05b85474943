-- Spans with which of them stands for their call. counted_by is the span that was counted and rule why this one was not: its own id and
-- '' where it counts itself, '' and '' for what is no call. A call that came too late counts nowhere; the ledger says so, not its row.
CREATE OR REPLACE VIEW spans_counted ${on_cluster}
AS SELECT
    s.*,
    s.end_time AS end_time,
    multiIf(s.kind NOT IN ('llm', 'embedding', 'reranker'), '', r.counted_by = '', s.span_id, r.counted_by) AS counted_by,
    r.rule AS rule
FROM spans AS s FINAL
LEFT JOIN
(
    SELECT trace_id, span_id, argMax(t.counted_by, (t.inserted_at, t.revision)) AS counted_by, argMax(t.rule, (t.inserted_at, t.revision)) AS rule
    FROM repeats AS t
    GROUP BY trace_id, span_id
) AS r ON s.trace_id = r.trace_id AND s.span_id = r.span_id;

-- Money of calls whose trace was over when they came, by hour of the log and source: it stands in no trace's row. Cost over traces and
-- this make cost over calls, to the nano-dollar, once everything is over.
CREATE OR REPLACE VIEW cost_outside_traces ${on_cluster}
AS SELECT
    toStartOfHour(l.time) AS hour,
    l.source AS source,
    sum(l.late_for_trace) AS spans,
    sum(toInt128(l.outside_nusd)) AS cost_nusd
FROM ledger AS l FINAL
WHERE l.stage = 'aggregate'
GROUP BY ALL;
