-- Traces that call a model: what cost, calls and tokens of a trace are over. Windows of before take all of theirs for such, as their digests do.
ALTER TABLE trace_panes ${on_cluster} ADD COLUMN IF NOT EXISTS traces_with_calls Int64 DEFAULT traces CODEC(ZSTD(1)) AFTER traces;
