-- each: view=eval_fail_ratio; from=quality_by_cohort
-- each: view=eval_fail_ratio_hourly; from=quality_by_cohort_hourly
-- each: view=eval_fail_ratio_daily; from=quality_by_cohort_daily
-- Which share of the traces does not pass an evaluator, with its 95 % interval, per window and series; only where that is known of some.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    window_start,
    window_end,
    environment,
    route,
    model,
    release,
    cohort,
    language,
    evaluator,
    evaluator_version,
    scorer,
    checked,
    fails,
    fail_effective_n AS effective_n,
    fail_ratio,
    fail_low,
    fail_high
FROM ${from}
WHERE checked > 0;
