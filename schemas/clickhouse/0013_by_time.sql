-- Verdicts and dead letters of the last hour are found without reading all there are: their order is that of offsets,
-- and within a part time follows it.
ALTER TABLE ledger ${on_cluster} ADD INDEX IF NOT EXISTS by_time time TYPE minmax GRANULARITY 1;
ALTER TABLE ledger ${on_cluster} MATERIALIZE INDEX by_time;
ALTER TABLE dead_letters ${on_cluster} ADD INDEX IF NOT EXISTS by_time time TYPE minmax GRANULARITY 1;
ALTER TABLE dead_letters ${on_cluster} MATERIALIZE INDEX by_time;
