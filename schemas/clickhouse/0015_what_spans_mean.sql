-- How the tokens of a call lie inside each other, and what decided it.
ALTER TABLE spans ${on_cluster} ADD COLUMN IF NOT EXISTS usage_rule LowCardinality(String) DEFAULT '' AFTER audio_output_tokens;
-- Spans that look like calls of a model in words nobody knows, and usage that does not add up: counted per OTLP record.
ALTER TABLE ledger ${on_cluster} ADD COLUMN IF NOT EXISTS not_understood Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER dead;
ALTER TABLE ledger ${on_cluster} ADD COLUMN IF NOT EXISTS names LowCardinality(String) DEFAULT '' AFTER not_understood;
ALTER TABLE ledger ${on_cluster} ADD COLUMN IF NOT EXISTS contradictions Int64 DEFAULT 0 CODEC(ZSTD(1)) AFTER names;
