"""`python -m grafana`: write every board to `grafana/dashboards`."""

from grafana.boards import BOARDS, DASHBOARDS, render

for name, board in BOARDS.items():
    (DASHBOARDS / f"{name}.json").write_text(render(board()))
