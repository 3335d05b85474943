-- The view of 0023 over the columns that spans have now.
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
