-- What of a cost is for which kind of token, zero in rows of before; the rest is for searches, for calls billed by the piece, and what
-- spans claimed in one sum.
ALTER TABLE spans ${on_cluster}
    ADD COLUMN IF NOT EXISTS cost_input_nusd Int64 CODEC(ZSTD(1)) AFTER cost_nusd,
    ADD COLUMN IF NOT EXISTS cost_cache_read_nusd Int64 CODEC(ZSTD(1)) AFTER cost_input_nusd,
    ADD COLUMN IF NOT EXISTS cost_cache_write_nusd Int64 CODEC(ZSTD(1)) AFTER cost_cache_read_nusd,
    ADD COLUMN IF NOT EXISTS cost_output_nusd Int64 CODEC(ZSTD(1)) AFTER cost_cache_write_nusd,
    ADD COLUMN IF NOT EXISTS cost_reasoning_nusd Int64 CODEC(ZSTD(1)) AFTER cost_output_nusd;
ALTER TABLE panes ${on_cluster}
    ADD COLUMN IF NOT EXISTS cost_input_nusd Int128 CODEC(ZSTD(1)) AFTER cost_nusd,
    ADD COLUMN IF NOT EXISTS cost_cache_read_nusd Int128 CODEC(ZSTD(1)) AFTER cost_input_nusd,
    ADD COLUMN IF NOT EXISTS cost_cache_write_nusd Int128 CODEC(ZSTD(1)) AFTER cost_cache_read_nusd,
    ADD COLUMN IF NOT EXISTS cost_output_nusd Int128 CODEC(ZSTD(1)) AFTER cost_cache_write_nusd,
    ADD COLUMN IF NOT EXISTS cost_reasoning_nusd Int128 CODEC(ZSTD(1)) AFTER cost_output_nusd;
