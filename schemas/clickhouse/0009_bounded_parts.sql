-- each: table=spans; version=offset; by=toDayOfMonth(end_time); order=environment, route, toStartOfHour(end_time), trace_id, span_id
-- each: table=panes; version=revision; by=toDayOfMonth(window_start); order=environment, route, window_start, window_start_ns, window_end_ns, model, release, cohort, language, source
-- What spans claim shapes no layout: by day of the month an insert makes at most 31 parts, whatever its event times are, and
-- a part's own least and largest time still tell which parts a query can skip. It stays a function of the sorting key, for
-- rows are replaced inside a partition only. Days of several months share a partition, so rows expire one by one, at most a
-- day after their time, and not a part at a time.
-- What was written lately is found by an index: roll-ups ask for it.
-- Tables are made anew and copied: stop the sink meanwhile. What a run that failed left behind goes first, so it may be repeated.
DROP TABLE IF EXISTS ${table}_next ${on_cluster} SYNC;
CREATE TABLE ${table}_next ${on_cluster} AS ${table}
ENGINE = ${replicated}ReplacingMergeTree(${version})
PARTITION BY ${by}
ORDER BY (${order})
SETTINGS merge_with_ttl_timeout = 86400;
ALTER TABLE ${table}_next ${on_cluster} ADD INDEX IF NOT EXISTS by_insertion inserted_at TYPE minmax GRANULARITY 1;
INSERT INTO ${table}_next SELECT * FROM ${table};
EXCHANGE TABLES ${table} AND ${table}_next ${on_cluster};
DROP TABLE ${table}_next ${on_cluster} SYNC;
