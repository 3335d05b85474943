"""`python -m schemas`: write the JSON Schemas of every topic's value, of the evaluators' file and of contracts."""

from pipeline.operators.contracts import structure
from pipeline.topics import schemas_dir
from schemas import evaluators
from schemas.documents import DOCUMENTS, JSON, render

for name, document in DOCUMENTS.items():
    (JSON / f"{name}.json").write_text(render(document))
evaluators.FILE.parent.mkdir(exist_ok=True)
evaluators.FILE.write_text(render(evaluators.document()))
(schemas_dir() / "config" / "contract.json").write_text(render(structure.document()))
