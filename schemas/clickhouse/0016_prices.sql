-- What made a cost, the model's name as it was said, and what is billed apart. Empty and null for rows decoded before.
ALTER TABLE spans ${on_cluster}
    ADD COLUMN IF NOT EXISTS model_said LowCardinality(String) DEFAULT '' AFTER language,
    ADD COLUMN IF NOT EXISTS cache_write_1h_tokens Nullable(Int64) CODEC(ZSTD(1)) AFTER audio_output_tokens,
    ADD COLUMN IF NOT EXISTS image_input_tokens Nullable(Int64) CODEC(ZSTD(1)) AFTER cache_write_1h_tokens,
    ADD COLUMN IF NOT EXISTS image_output_tokens Nullable(Int64) CODEC(ZSTD(1)) AFTER image_input_tokens,
    ADD COLUMN IF NOT EXISTS searches Nullable(Int64) CODEC(ZSTD(1)) AFTER image_output_tokens,
    ADD COLUMN IF NOT EXISTS price_rule LowCardinality(String) DEFAULT '' AFTER price_version;
