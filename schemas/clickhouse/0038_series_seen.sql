-- each: view=seen_in_performance; from=panes
-- each: view=seen_in_performance_hourly; from=panes_hourly
-- each: view=seen_in_performance_daily; from=panes_daily
-- Which series had calls in which windows: what is asked for names alone. A row of a pane that another revision has replaced says the same
-- series and window, so nothing is merged and nothing but these columns is read. A window and series may come more than once.
CREATE OR REPLACE VIEW ${view} ${on_cluster}
AS SELECT window_start, window_end, environment, route, model, release, cohort, language
FROM ${from};
