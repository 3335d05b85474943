"""What a call used: tokens by kind, as the span said them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.model.columns import TOKENS
from pipeline.operators.decode.resolve import Resolver, read_count
from pipeline.operators.dialects.paths import Path


def usage(resolver: Resolver, fields: Mapping[str, Sequence[Path]]) -> dict[str, NDArray[np.int64]]:
    """Tokens per name of TOKENS and row, -1 if unknown. Usage that is all zero is unknown: a stream whose usage never came."""
    tokens = {name: resolver.resolve(fields[name], read_count, -1).astype(np.int64) for name in TOKENS}
    unknown = (tokens["input_tokens"] <= 0) & (tokens["output_tokens"] <= 0)
    for counts in tokens.values():
        counts[unknown] = -1
    return tokens
