"""What crosses a boundary, as documents: topics, JSON Schemas of their values, examples and counterexamples, tables.

The schemas in `json/` say in a standard form what `pipeline.model.columns` says in code; `python -m schemas` writes them.
"""
