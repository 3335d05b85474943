"""`python -m grafana`: write every board to `grafana/dashboards`, and the alert rules to `grafana/provisioning/alerting`."""

from grafana import alerting
from grafana.boards import BOARDS, DASHBOARDS, render

for name, board in BOARDS.items():
    (DASHBOARDS / f"{name}.json").write_text(render(board()))
alerting.RULES_FILE.write_text(alerting.render())
