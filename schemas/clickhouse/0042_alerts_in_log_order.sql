-- Of two alerts of one window the one that was decided later in the log counts: a contract can be taken out of force right after its alarm.
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
    ORDER BY fingerprint, at_ns DESC, toInt64OrZero(splitByChar(':', id)[-2]) DESC, inserted_at DESC
    LIMIT 1 BY fingerprint
)
ORDER BY state = 'firing' DESC, indexOf(['info', 'ticket', 'page'], severity) DESC, at_ns DESC, fingerprint;
