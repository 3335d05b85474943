-- A span that was priced again replaces the row it was made from, also when that row is stored once more behind it: the version is the
-- offset of its record and how often it was priced again. A resend with a larger offset still replaces both.
-- The table is made anew and copied: stop the sink meanwhile. What a run that failed left behind goes first, so it may be repeated.
DROP TABLE IF EXISTS spans_next ${on_cluster} SYNC;
ALTER TABLE spans ${on_cluster}
    ADD COLUMN IF NOT EXISTS repriced Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER price_rule,
    ADD COLUMN IF NOT EXISTS version Int128 MATERIALIZED toInt128(offset) * 4294967296 + repriced CODEC(ZSTD(1));
CREATE TABLE spans_next ${on_cluster} AS spans
ENGINE = ${replicated}ReplacingMergeTree(version)
PARTITION BY toDayOfMonth(end_time)
ORDER BY (environment, route, toStartOfHour(end_time), trace_id, span_id)
SETTINGS merge_with_ttl_timeout = 86400;
INSERT INTO spans_next SELECT * FROM spans;
EXCHANGE TABLES spans AND spans_next ${on_cluster};
DROP TABLE spans_next ${on_cluster} SYNC;
