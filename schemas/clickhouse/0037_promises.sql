-- What contracts in force promise, as rows. A contract that was applied before its meaning was kept has none: apply it once more.
ALTER TABLE contracts ${on_cluster} ADD COLUMN IF NOT EXISTS meaning String DEFAULT '' CODEC(ZSTD(3)) AFTER text;

-- Those in force: the last of each name, unless it took the contract out of force.
CREATE OR REPLACE VIEW contracts_in_force ${on_cluster}
AS SELECT name, version, hash, owner, text, meaning, applied_ns, applied_by, applied
FROM
(
    SELECT name, version, hash, owner, text, meaning, applied_ns, applied_by, removed, applied
    FROM contracts FINAL
    ORDER BY name, applied_ns DESC
    LIMIT 1 BY name
)
WHERE NOT removed;

-- Objectives: a bound on a metric over a window, in base units. environments, routes, models, releases: regular expressions, one of which
-- a name has to match.
CREATE OR REPLACE VIEW promises ${on_cluster}
AS SELECT
    name AS contract,
    version,
    owner,
    JSONExtract(meaning, 'matches', 'environment', 'Array(String)') AS environments,
    JSONExtract(meaning, 'matches', 'route', 'Array(String)') AS routes,
    JSONExtract(meaning, 'matches', 'model', 'Array(String)') AS models,
    JSONExtract(meaning, 'matches', 'release', 'Array(String)') AS releases,
    JSONExtractString(one, 'id') AS rule,
    JSONExtractString(one, 'metric') AS metric,
    JSONExtractString(one, 'direction') AS direction,
    JSONExtractFloat(one, 'bound') AS bound,
    JSONExtractInt(one, 'window_ns') AS window_ns,
    JSONExtractInt(one, 'minimum') AS minimum,
    JSONExtractString(one, 'severity') AS severity
FROM (SELECT name, version, owner, meaning, arrayJoin(JSONExtractArrayRaw(meaning, 'objectives')) AS one FROM contracts_in_force);

-- Error budgets: which share may be bad over a period. ratio: the metric whose events are bad; or else measure and beyond.
CREATE OR REPLACE VIEW budgets ${on_cluster}
AS SELECT
    name AS contract,
    version,
    owner,
    JSONExtract(meaning, 'matches', 'environment', 'Array(String)') AS environments,
    JSONExtract(meaning, 'matches', 'route', 'Array(String)') AS routes,
    JSONExtract(meaning, 'matches', 'model', 'Array(String)') AS models,
    JSONExtract(meaning, 'matches', 'release', 'Array(String)') AS releases,
    JSONExtractString(one, 'id') AS rule,
    JSONExtractString(one, 'ratio') AS ratio,
    JSONExtractString(one, 'measure') AS measure,
    JSONExtractFloat(one, 'beyond') AS beyond,
    JSONExtractFloat(one, 'target') AS target,
    JSONExtractInt(one, 'period_ns') AS period_ns
FROM (SELECT name, version, owner, meaning, arrayJoin(JSONExtractArrayRaw(meaning, 'error_budgets')) AS one FROM contracts_in_force);
