-- each: view=score_sums; from=score_panes; open=p.firing != 'final'
-- each: view=score_sums_hourly; from=score_panes_hourly; open=NOT p.settled
-- each: view=score_sums_daily; from=score_panes_daily; open=NOT p.settled
-- What scores add up to, per window and series: sums that may be added over windows, releases, cohorts. Weights are in 1/10,000, values, their
-- squares and products in millionths. open_scores: of the scores, those of windows that may still change.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    p.window_start AS window_start,
    p.window_end AS window_end,
    p.environment AS environment,
    p.route AS route,
    p.model AS model,
    p.release AS release,
    p.cohort AS cohort,
    p.language AS language,
    p.evaluator AS evaluator,
    p.evaluator_version AS evaluator_version,
    p.scorer AS scorer,
    sumIf(p.scores, ${open}) AS open_scores,
    sum(p.scores) AS scores,
    sum(p.ok) AS ok,
    sum(p.failed) AS failed,
    sum(p.skipped) AS skipped,
    sum(p.over_budget) AS over_budget,
    sum(p.invalid) AS invalid,
    sum(p.timeout) AS timeout,
    sum(p.incomplete) AS incomplete,
    sum(p.checked) AS checked,
    sum(p.fails) AS fails,
    sum(p.controlled) AS controlled,
    sum(p.judge_input_tokens) AS judge_input_tokens,
    sum(p.judge_output_tokens) AS judge_output_tokens,
    sum(p.unpriced) AS unpriced,
    sum(p.weight) AS weight,
    sum(p.value_sum) AS value_sum,
    sum(p.value_sq_sum) AS value_sq_sum,
    sum(p.checked_weight) AS checked_weight,
    sum(p.fails_weight) AS fails_weight,
    sum(p.controlled_weight) AS controlled_weight,
    sum(p.control_sum) AS control_sum,
    sum(p.control_sq_sum) AS control_sq_sum,
    sum(p.control_value_sum) AS control_value_sum,
    sum(p.controlled_value_sum) AS controlled_value_sum,
    sum(p.controlled_value_sq_sum) AS controlled_value_sq_sum,
    sum(p.judge_cost_nusd) AS judge_cost_nusd,
    sum(p.weight_sq) AS weight_sq,
    sum(p.value_weight_sq) AS value_weight_sq,
    sum(p.shifted_weight_sq) AS shifted_weight_sq,
    sum(p.checked_weight_sq) AS checked_weight_sq,
    sum(p.fails_weight_sq) AS fails_weight_sq,
    sum(p.controlled_weight_sq) AS controlled_weight_sq
FROM ${from} AS p FINAL
GROUP BY ALL;
