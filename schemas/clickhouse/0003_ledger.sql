-- The verdict on every record: stage, source and offset identify it. Per row: spans = rows + dead (decode),
-- spans = counted + duplicate + too_late + ahead_of_clock (aggregate).
CREATE TABLE IF NOT EXISTS ledger ${on_cluster}
(
    stage          LowCardinality(String),
    source         LowCardinality(String),
    offset         Int64 CODEC(Delta, ZSTD(1)),
    time_ns        Int64 CODEC(Delta, ZSTD(1)),
    spans          Int64 CODEC(ZSTD(1)),
    rows           Int64 CODEC(ZSTD(1)),
    dead           Int64 CODEC(ZSTD(1)),
    counted        Int64 CODEC(ZSTD(1)),
    duplicate      Int64 CODEC(ZSTD(1)),
    too_late       Int64 CODEC(ZSTD(1)),
    ahead_of_clock Int64 CODEC(ZSTD(1)),
    time           DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(intDiv(time_ns, 1000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at    DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(inserted_at)
ORDER BY (stage, source, offset);

-- What could not be understood. Identity: source, offset and the span's index in the record (-1: the whole record).
CREATE TABLE IF NOT EXISTS dead_letters ${on_cluster}
(
    source      LowCardinality(String),
    offset      Int64 CODEC(Delta, ZSTD(1)),
    `index`     Int64 CODEC(ZSTD(1)),
    reason      LowCardinality(String),
    detail      String CODEC(ZSTD(1)),
    time_ns     Int64 CODEC(Delta, ZSTD(1)),
    size_bytes  Int64 CODEC(ZSTD(1)),
    head_hash   String CODEC(ZSTD(1)),
    raw         String CODEC(ZSTD(3)),
    time        DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(intDiv(time_ns, 1000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(inserted_at)
ORDER BY (source, offset, `index`);

-- Lag, watermark delay, open windows, … as the stages measured them on the wall clock.
CREATE TABLE IF NOT EXISTS status ${on_cluster}
(
    time_ns     Int64 CODEC(Delta, ZSTD(1)),
    stage       LowCardinality(String),
    source      LowCardinality(String),
    metric      LowCardinality(String),
    value       Float64 CODEC(ZSTD(1)),
    time        DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(intDiv(time_ns, 1000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(inserted_at)
ORDER BY (stage, metric, source, time_ns);
