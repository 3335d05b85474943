"""The samples of a batch: of the traces whose randomness is in the ceiling every span, with its content where it has any.

A child does not know its trace's route or cohort, so decode keeps a ceiling of all traces, chosen by their id alone; who judges
takes from it the share that its route and cohort are to have (`pipeline.operators.rates`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.model.columns import SAMPLES
from pipeline.operators.decode.contents import ContentPolicy, Fields, contents
from pipeline.operators.decode.resolve import Column, Resolver
from pipeline.operators.dialects.vocabulary import NUMBERED, NUMBERED_DOCUMENTS
from pipeline.operators.sampling import is_in, randomness
from pipeline.operators.siphash import Key

NUMBERED_PATHS = (
    *(path for messages in NUMBERED for roles, texts in messages for path in (*roles, *texts)),
    *(path for documents in NUMBERED_DOCUMENTS for path in documents),
)
"""What is asked for beside the fields of the dialects."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """ceiling: share of the traces of which content is kept, in (0, 1]. key: of the randomness of traces."""

    ceiling: float
    key: Key
    content: ContentPolicy


def sampled(resolver: Resolver, fields: Fields, columns: Mapping[str, Column], sampling: Sampling) -> dict[str, Column]:
    """The columns of SAMPLES of the rows that are chosen; columns without rows where none is."""
    ids = resolver.scanned.spans["trace_id"][resolver.rows]
    chosen = np.asarray(is_in(randomness(ids, sampling.key), sampling.ceiling))
    if not chosen.any():
        return {}
    look = Resolver(resolver.scanned, resolver.asked, resolver.rows[chosen], resolver.text_limit, resolver.key)
    found = contents(look, fields, columns["kind"][chosen], sampling.content)
    found["ceiling"] = np.full(int(np.count_nonzero(chosen)), sampling.ceiling)
    return {c.name: found[c.name] if c.name in found else columns[c.name][chosen] for c in SAMPLES}
