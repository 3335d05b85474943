-- each: view=quality_by_cohort; from=score_sums; of=window_start, window_end, environment, route, model, release, cohort, language; pool=window_start, window_end, environment, route; where=true
-- each: view=quality_by_cohort_hourly; from=score_sums_hourly; of=window_start, window_end, environment, route, model, release, cohort, language; pool=window_start, window_end, environment, route; where=true
-- each: view=quality_by_cohort_daily; from=score_sums_daily; of=window_start, window_end, environment, route, model, release, cohort, language; pool=window_start, window_end, environment, route; where=true
-- each: view=quality_between; from=score_sums; of=environment, route, release, cohort; pool=environment, route; where=window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
-- each: view=quality_between_hourly; from=score_sums_hourly; of=environment, route, release, cohort; pool=environment, route; where=window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
-- each: view=quality_between_daily; from=score_sums_daily; of=environment, route, release, cohort; pool=environment, route; where=window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
-- How good answers are, by evaluator, version and scorer, each mean with its 95 % interval: per window and series, and, with a range of your own,
-- quality_between(since = '2026-11-01 00:00:00', until = '2026-11-02 00:00:00') per route, release and cohort. The formulas, their sources and
-- their twin in Python: pipeline/operators/estimates.py.
-- ok: scores with a value; effective_n: how many equally weighted ones say as much. value_…: the mean over all traces that might have been judged.
-- fail_…: the share that did not pass, of those of which that is known (checked). steadied_…: from 30 such on, the mean over traces that have a control, corrected with a slope
-- of the route's other series, or of their own from 1,000 judged ones on; null if neither is there. variance_ratio: its variance by that of the plain mean of
-- the same traces.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS WITH
sums AS
(
    SELECT
        ${of},
        evaluator,
        evaluator_version,
        scorer,
        sum(s.open_scores) AS open_scores,
        sum(s.scores) AS scores,
        sum(s.ok) AS ok,
        sum(s.failed) AS failed,
        sum(s.skipped) AS skipped,
        sum(s.over_budget) AS over_budget,
        sum(s.invalid) AS invalid,
        sum(s.timeout) AS timeout,
        sum(s.incomplete) AS incomplete,
        sum(s.checked) AS checked,
        sum(s.fails) AS fails,
        sum(s.controlled) AS controlled,
        sum(s.judge_input_tokens) AS judge_input_tokens,
        sum(s.judge_output_tokens) AS judge_output_tokens,
        sum(s.unpriced) AS unpriced,
        sum(s.weight) AS weight,
        sum(s.value_sum) AS value_sum,
        sum(s.value_sq_sum) AS value_sq_sum,
        sum(s.checked_weight) AS checked_weight,
        sum(s.fails_weight) AS fails_weight,
        sum(s.controlled_weight) AS controlled_weight,
        sum(s.control_sum) AS control_sum,
        sum(s.control_sq_sum) AS control_sq_sum,
        sum(s.control_value_sum) AS control_value_sum,
        sum(s.controlled_value_sum) AS controlled_value_sum,
        sum(s.controlled_value_sq_sum) AS controlled_value_sq_sum,
        sum(s.judge_cost_nusd) AS judge_cost_nusd,
        sum(s.weight_sq) AS weight_sq,
        sum(s.value_weight_sq) AS value_weight_sq,
        sum(s.shifted_weight_sq) AS shifted_weight_sq,
        sum(s.checked_weight_sq) AS checked_weight_sq,
        sum(s.fails_weight_sq) AS fails_weight_sq,
        sum(s.controlled_weight_sq) AS controlled_weight_sq
    FROM ${from} AS s
    WHERE ${where}
    GROUP BY ALL
),
beside AS
(
    SELECT
        *,
        sum(if(evaluator = 'groundedness_lexical' AND scorer = 'evaluate', weight, 0)) OVER series AS control_weight,
        sum(if(evaluator = 'groundedness_lexical' AND scorer = 'evaluate', weight_sq, 0)) OVER series AS control_weight_sq,
        sum(if(evaluator = 'groundedness_lexical' AND scorer = 'evaluate', value_sum, 0)) OVER series AS control_value,
        sum(controlled) OVER pool AS pool_controlled,
        sum(controlled_weight) OVER pool AS pool_weight,
        sum(control_sum) OVER pool AS pool_x,
        sum(control_sq_sum) OVER pool AS pool_x_sq,
        sum(control_value_sum) OVER pool AS pool_xy,
        sum(controlled_value_sum) OVER pool AS pool_y
    FROM sums
    WINDOW
        series AS (PARTITION BY ${of}),
        pool AS (PARTITION BY ${pool}, evaluator, evaluator_version, scorer)
),
moments AS
(
    SELECT
        *,
        pow(toFloat64(weight), 2) / nullIf(toFloat64(weight_sq), 0) AS effective_n,
        toFloat64(value_sum) / 1e6 / nullIf(toFloat64(weight), 0) AS value_mean,
        toFloat64(value_weight_sq) / 1e12 / nullIf(toFloat64(weight_sq), 0) AS y_sq,
        toFloat64(toInt256(shifted_weight_sq) - toInt256(weight_sq) * 1000000000000 - toInt256(value_weight_sq)) / 2e12 / nullIf(toFloat64(weight_sq), 0) AS y_cross,
        pow(toFloat64(checked_weight), 2) / nullIf(toFloat64(checked_weight_sq), 0) AS fail_effective_n,
        toFloat64(fails_weight) / nullIf(toFloat64(checked_weight), 0) AS fail_ratio,
        toFloat64(fails_weight_sq) / nullIf(toFloat64(checked_weight_sq), 0) AS fail_cross,
        pow(toFloat64(controlled_weight), 2) / nullIf(toFloat64(controlled_weight_sq), 0) AS c_n,
        pow(toFloat64(control_weight), 2) / nullIf(toFloat64(control_weight_sq), 0) AS all_n,
        toFloat64(control_value) / 1e6 / nullIf(toFloat64(control_weight), 0) AS all_x,
        toFloat64(control_sum) / 1e6 / nullIf(toFloat64(controlled_weight), 0) AS x,
        toFloat64(controlled_value_sum) / 1e6 / nullIf(toFloat64(controlled_weight), 0) AS y,
        toFloat64(control_sq_sum) / 1e6 / nullIf(toFloat64(controlled_weight), 0) AS xx,
        toFloat64(controlled_value_sq_sum) / 1e6 / nullIf(toFloat64(controlled_weight), 0) AS yy,
        toFloat64(control_value_sum) / 1e6 / nullIf(toFloat64(controlled_weight), 0) AS xy,
        toFloat64(pool_weight - controlled_weight) AS o_w,
        toFloat64(pool_x - control_sum) / 1e6 / nullIf(o_w, 0) AS o_x,
        toFloat64(pool_y - controlled_value_sum) / 1e6 / nullIf(o_w, 0) AS o_y,
        toFloat64(pool_x_sq - control_sq_sum) / 1e6 / nullIf(o_w, 0) AS o_xx,
        toFloat64(pool_xy - control_value_sum) / 1e6 / nullIf(o_w, 0) AS o_xy,
        controlled >= 30 AND control_weight > 0 AND (controlled >= 1000 OR pool_controlled - controlled >= 30) AS steady
    FROM beside
),
variances AS
(
    SELECT
        *,
        greatest(0, y_sq - 2 * value_mean * y_cross + value_mean * value_mean) AS value_s2,
        greatest(0, fail_cross * (1 - 2 * fail_ratio) + fail_ratio * fail_ratio) AS fail_s2,
        greatest(0, xx - x * x) AS var_x,
        greatest(0, yy - y * y) AS var_y,
        xy - x * y AS cov,
        greatest(0, o_xx - o_x * o_x) AS o_var,
        o_xy - o_x * o_y AS o_cov,
        c_n / greatest(1, c_n - if(controlled >= 1000, 2, 1)) AS df
    FROM moments
),
slopes AS
(
    SELECT *, if(controlled >= 1000, if(var_x > 1e-6, cov / var_x, 0), if(o_var > 1e-6, o_cov / o_var, 0)) AS slope
    FROM variances
),
ratios AS
(
    SELECT
        *,
        y + slope * (all_x - x) AS steadied,
        var_y * df AS y_s2,
        arrayMap(
            (b, s2, n, N, sx, sy, sxy) -> if(s2 > 0, (s2 / N + greatest(0, sy - 2 * b * sxy + b * b * sx) * s2 / sy * greatest(0, 1 / n - 1 / N)) / (s2 / n), 1),
            [slope], [y_s2], [c_n], [all_n], [var_x], [var_y], [cov]
        )[1] AS ratio
    FROM slopes
),
means AS
(
    SELECT
        *,
        [value_mean, fail_ratio, steadied] AS ms,
        [effective_n, fail_effective_n, c_n / if(ratio > 0, ratio, 1)] AS ns,
        [value_s2, fail_s2, y_s2] AS s2s
    FROM ratios
),
intervals AS
(
    SELECT
        *,
        arrayMap(
            (m, n, s2, c) -> (c, 1.959963984540054 * sqrt(n * (s2 + pow(m - c, 2)) + 3.841458820694124 * (0.25 + pow(0.5 - c, 2))) / (n + 3.841458820694124)),
            ms, ns, s2s, arrayMap((m, n) -> (n * m + 1.920729410347062) / (n + 3.841458820694124), ms, ns)
        ) AS told
    FROM means
)
SELECT
    ${of},
    evaluator,
    evaluator_version,
    scorer,
    scores,
    open_scores,
    ok,
    failed,
    skipped,
    over_budget,
    invalid,
    timeout,
    incomplete,
    effective_n,
    value_mean,
    if(ok > 0, greatest(0, told[1].1 - told[1].2), NULL) AS value_low,
    if(ok > 0, least(1, told[1].1 + told[1].2), NULL) AS value_high,
    checked,
    fails,
    fail_effective_n,
    fail_ratio,
    if(checked > 0, greatest(0, told[2].1 - told[2].2), NULL) AS fail_low,
    if(checked > 0, least(1, told[2].1 + told[2].2), NULL) AS fail_high,
    controlled,
    if(steady, steadied, NULL) AS steadied_mean,
    if(steady, greatest(0, told[3].1 - told[3].2), NULL) AS steadied_low,
    if(steady, least(1, told[3].1 + told[3].2), NULL) AS steadied_high,
    if(steady, ratio, NULL) AS variance_ratio,
    judge_input_tokens,
    judge_output_tokens,
    judge_cost_nusd,
    unpriced
FROM intervals;
