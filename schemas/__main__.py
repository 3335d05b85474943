"""`python -m schemas`: write the JSON Schema of every topic's value to `schemas/json`."""

from schemas.documents import DOCUMENTS, JSON, render

for name, document in DOCUMENTS.items():
    (JSON / f"{name}.json").write_text(render(document))
