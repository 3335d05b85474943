-- When the OTLP record of a span was appended to its source: what the span's end is bounded by. 0 for rows decoded before.
ALTER TABLE spans ${on_cluster} ADD COLUMN IF NOT EXISTS recorded_ns Int64 DEFAULT 0 CODEC(Delta, ZSTD(1)) AFTER offset;
