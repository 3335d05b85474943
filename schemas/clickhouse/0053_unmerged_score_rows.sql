-- each: view=rows_of_score_sums; from=score_panes; open=firing != 'final'
-- each: view=rows_of_score_sums_hourly; from=score_panes_hourly; open=NOT settled
-- each: view=rows_of_score_sums_daily; from=score_panes_daily; open=NOT settled
-- The rows that `score_sums` merges per window and series, newest revisions only: what sums over more than one window and series asks
-- these, and sums once instead of twice. A window and series may come several times.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT
    window_start, window_end, environment, route, model, release, cohort, language, evaluator, evaluator_version, scorer,
    if(${open}, scores, 0) AS open_scores,
    scores, ok, failed, skipped, over_budget, invalid, timeout, incomplete, checked, fails, judge_cost_nusd,
    weight, value_sum, checked_weight, fails_weight,
    weight_sq, value_weight_sq, shifted_weight_sq, checked_weight_sq, fails_weight_sq
FROM ${from} FINAL;
