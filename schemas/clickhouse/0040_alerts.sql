-- Every alert, as it was told; one told again replaces itself.
CREATE TABLE IF NOT EXISTS alerts ${on_cluster}
(
    id                String CODEC(ZSTD(1)),
    fingerprint       String CODEC(ZSTD(1)),
    kind              LowCardinality(String),
    state             LowCardinality(String),
    tier              LowCardinality(String),
    severity          LowCardinality(String),
    contract          LowCardinality(String),
    contract_version  Int64 CODEC(ZSTD(1)),
    contract_hash     String CODEC(ZSTD(1)),
    owner             LowCardinality(String),
    environment       LowCardinality(String),
    route             LowCardinality(String),
    slice             Map(String, String) CODEC(ZSTD(1)),
    metric            LowCardinality(String),
    unit              LowCardinality(String),
    rule              LowCardinality(String),
    window_ns         Int64 CODEC(ZSTD(1)),
    short_window_ns   Int64 CODEC(ZSTD(1)),
    n                 Int64 CODEC(ZSTD(1)),
    estimate          Nullable(Float64) CODEC(ZSTD(1)),
    low               Nullable(Float64) CODEC(ZSTD(1)),
    high              Nullable(Float64) CODEC(ZSTD(1)),
    bound             Nullable(Float64) CODEC(ZSTD(1)),
    direction         LowCardinality(String),
    baseline          LowCardinality(String),
    baseline_n        Int64 CODEC(ZSTD(1)),
    baseline_estimate Nullable(Float64) CODEC(ZSTD(1)),
    baseline_low      Nullable(Float64) CODEC(ZSTD(1)),
    baseline_high     Nullable(Float64) CODEC(ZSTD(1)),
    release           LowCardinality(String),
    previous_release  LowCardinality(String),
    log_e_value       Nullable(Float64) CODEC(ZSTD(1)),
    needed            Nullable(Float64) CODEC(ZSTD(1)),
    hypotheses        Int64 CODEC(ZSTD(1)),
    detectable        Nullable(Float64) CODEC(ZSTD(1)),
    extent            LowCardinality(String),
    preliminary       Bool CODEC(ZSTD(1)),
    first_seen_ns     Int64 CODEC(Delta, ZSTD(1)),
    at_ns             Int64 CODEC(Delta, ZSTD(1)),
    fired_ns          Int64 CODEC(Delta, ZSTD(1)),
    resolved_ns       Int64 CODEC(Delta, ZSTD(1)),
    detail            String CODEC(ZSTD(1)),
    text              String CODEC(ZSTD(1)),
    sql               String CODEC(ZSTD(3)),
    board_url         String CODEC(ZSTD(3)),
    at                DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(intDiv(at_ns, 1000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(inserted_at)
ORDER BY (fingerprint, at_ns, id);

-- How each thing stands that was ever told of: its newest alert. What is firing comes first, pages before tickets, the newest before the older.
CREATE OR REPLACE VIEW latest_alerts ${on_cluster}
AS SELECT
    at, state, severity, kind, tier, contract, contract_version, environment, route, slice, metric, rule, text,
    unit, n, estimate, low, high, bound, direction, window_ns, short_window_ns,
    baseline, baseline_n, baseline_estimate, baseline_low, baseline_high, release, previous_release,
    log_e_value, needed, hypotheses, detectable, extent, preliminary, owner, contract_hash, detail,
    fromUnixTimestamp64Milli(intDiv(first_seen_ns, 1000000), 'UTC') AS first_seen,
    fromUnixTimestamp64Milli(intDiv(fired_ns, 1000000), 'UTC') AS fired,
    if(resolved_ns = 0, NULL, fromUnixTimestamp64Milli(intDiv(resolved_ns, 1000000), 'UTC')) AS resolved,
    first_seen_ns, at_ns, fired_ns, resolved_ns, fingerprint, id, sql, board_url
FROM
(
    SELECT *, at
    FROM alerts FINAL
    ORDER BY fingerprint, at_ns DESC, inserted_at DESC
    LIMIT 1 BY fingerprint
)
ORDER BY state = 'firing' DESC, indexOf(['info', 'ticket', 'page'], severity) DESC, at_ns DESC, fingerprint;
