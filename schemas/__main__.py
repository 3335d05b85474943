"""`python -m schemas`: write the JSON Schemas of every topic's value and of the evaluators' file."""

from schemas import evaluators
from schemas.documents import DOCUMENTS, JSON, render

for name, document in DOCUMENTS.items():
    (JSON / f"{name}.json").write_text(render(document))
evaluators.FILE.parent.mkdir(exist_ok=True)
evaluators.FILE.write_text(render(evaluators.document()))
