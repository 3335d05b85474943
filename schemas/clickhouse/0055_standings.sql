-- How every promise stood at each look of watch, of slices that are told nothing of too. A look told again replaces itself.
CREATE TABLE IF NOT EXISTS standings ${on_cluster}
(
    at_ns             Int64 CODEC(Delta, ZSTD(1)),
    partition         Int64 CODEC(ZSTD(1)),
    verdict           LowCardinality(String),
    fingerprint       String CODEC(ZSTD(1)),
    kind              LowCardinality(String),
    severity          LowCardinality(String),
    contract          LowCardinality(String),
    contract_version  Int64 CODEC(ZSTD(1)),
    contract_hash     LowCardinality(String),
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
    first_seen_ns     Int64 CODEC(Delta, ZSTD(1)),
    missing           Int64 CODEC(ZSTD(1)),
    finds_nothing     Bool CODEC(ZSTD(1)),
    in_points         Bool CODEC(ZSTD(1)),
    at                DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(intDiv(at_ns, 1000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at       DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(inserted_at)
ORDER BY (contract, partition, at_ns, fingerprint);

-- The last look at each contract that is in force, by the version that is. A partition that says nothing for a day while others do
-- has no routes any more.
CREATE OR REPLACE VIEW latest_standings ${on_cluster}
AS SELECT
    at, verdict, severity, kind, contract, contract_version, environment, route, slice, metric, rule,
    unit, n, estimate, low, high, bound, direction, window_ns, short_window_ns,
    baseline, baseline_n, baseline_estimate, baseline_low, baseline_high, release, previous_release,
    log_e_value, needed, hypotheses, detectable, in_points, missing, finds_nothing, owner, contract_hash,
    if(first_seen_ns = 0, NULL, fromUnixTimestamp64Milli(intDiv(first_seen_ns, 1000000), 'UTC')) AS first_seen,
    at_ns, first_seen_ns, partition, fingerprint
FROM
(
    SELECT *, at
    FROM standings FINAL
    WHERE (contract, contract_hash) IN (SELECT name, hash FROM contracts_in_force)
      AND (contract, partition, at_ns) IN
      (
          SELECT contract, partition, last
          FROM (SELECT contract, partition, max(at_ns) AS last FROM standings GROUP BY contract, partition)
          WHERE last > (SELECT max(at_ns) FROM standings) - 86400000000000
      )
)
ORDER BY
    indexOf(['kept', 'not enough data', 'crossed', 'likely', 'broken'], verdict) DESC,
    indexOf(['info', 'ticket', 'page'], severity) DESC,
    log_e_value - needed DESC NULLS LAST,
    contract, environment, route, rule, toString(slice);
