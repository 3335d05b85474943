-- How far each source, a partition of spans, has fired final panes. They fire in the order of their windows, so every window
-- that ends no later has had its last pane. Kept up at each insert; a resent pane changes nothing.
CREATE TABLE IF NOT EXISTS pane_sources ${on_cluster}
(
    source         LowCardinality(String),
    final_until_ns SimpleAggregateFunction(max, Int64),
    inserted_at    SimpleAggregateFunction(max, DateTime('UTC'))
)
ENGINE = ${replicated}AggregatingMergeTree() ORDER BY source;

CREATE MATERIALIZED VIEW IF NOT EXISTS pane_sources_insert ${on_cluster} TO pane_sources
AS SELECT source, maxIf(window_end_ns, firing = 'final') AS final_until_ns, max(inserted_at) AS inserted_at FROM panes GROUP BY source;

INSERT INTO pane_sources
SELECT source, maxIf(window_end_ns, firing = 'final'), max(inserted_at) FROM panes GROUP BY source;

-- Up to where every partition has had its last pane. Of a topic that was made anew only the newest counts.
CREATE OR REPLACE VIEW final_until ${on_cluster}
AS SELECT min(until_ns) AS ns
FROM
(
    SELECT argMax(final_until_ns, (inserted_at, -final_until_ns)) AS until_ns
    FROM (SELECT source, max(s.final_until_ns) AS final_until_ns, max(s.inserted_at) AS inserted_at FROM pane_sources AS s GROUP BY source)
    GROUP BY splitByChar(':', source)[1], splitByChar(':', source)[2]
);
