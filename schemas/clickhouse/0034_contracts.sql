-- Every contract that was ever applied, with its text: alerts name the version and hash by which they were judged.
CREATE TABLE IF NOT EXISTS contracts ${on_cluster}
(
    name        LowCardinality(String),
    version     Int64 CODEC(ZSTD(1)),
    hash        String CODEC(ZSTD(1)),
    owner       String CODEC(ZSTD(1)),
    text        String CODEC(ZSTD(3)),
    applied_ns  Int64 CODEC(Delta, ZSTD(1)),
    applied_by  String CODEC(ZSTD(1)),
    removed     Bool CODEC(ZSTD(1)),
    applied     DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(intDiv(applied_ns, 1000000), 'UTC') CODEC(Delta, ZSTD(1)),
    inserted_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ${replicated}ReplacingMergeTree(inserted_at)
ORDER BY (name, hash, applied_ns);

-- Those in force: the last of each name, unless it took the contract out of force.
CREATE OR REPLACE VIEW contracts_in_force ${on_cluster}
AS SELECT name, version, hash, owner, text, applied_ns, applied_by, applied
FROM
(
    SELECT name, version, hash, owner, text, applied_ns, applied_by, removed, applied
    FROM contracts FINAL
    ORDER BY name, applied_ns DESC
    LIMIT 1 BY name
)
WHERE NOT removed;
