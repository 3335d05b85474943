-- Sums of money and time of one pane have 128 bits, as those of the roll-ups and views: 15,000 calls of a week wrap 64.
ALTER TABLE panes ${on_cluster}
    MODIFY COLUMN cost_nusd Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN latency_sum_ns Int128 CODEC(ZSTD(1)),
    MODIFY COLUMN ttft_sum_ns Int128 CODEC(ZSTD(1));
