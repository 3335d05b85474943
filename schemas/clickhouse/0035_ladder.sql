-- Exact counts over the ladder of thresholds (pipeline/operators/ladder.py), empty in rows of before. They add up with sumMap(bins, bin_counts).
ALTER TABLE panes ${on_cluster}
    ADD COLUMN IF NOT EXISTS latency_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS latency_bin_counts Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ttft_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS ttft_bin_counts Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tps_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS tps_bin_counts Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS cost_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS cost_bin_counts Array(UInt64) CODEC(ZSTD(1));
ALTER TABLE trace_panes ${on_cluster}
    ADD COLUMN IF NOT EXISTS cost_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS cost_bin_counts Array(UInt64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS latency_bins Array(UInt16) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS latency_bin_counts Array(UInt64) CODEC(ZSTD(1));
