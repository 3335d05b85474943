-- What spans say of who bills, so that it can be asked again: with the model as said, all that decides it. Empty for rows decoded before.
ALTER TABLE spans ${on_cluster}
    ADD COLUMN IF NOT EXISTS model_requested LowCardinality(String) DEFAULT '' AFTER model_said,
    ADD COLUMN IF NOT EXISTS provider_said LowCardinality(String) DEFAULT '' AFTER provider,
    ADD COLUMN IF NOT EXISTS server_host LowCardinality(String) DEFAULT '' AFTER provider_said;
