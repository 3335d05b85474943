"""Words that spans have for service tiers."""

from pipeline.operators.pricing.price import STANDARD

WORDS: dict[str, str] = {
    **dict.fromkeys(
        (
            "",
            "default",
            "standard",
            "standard_only",
            "auto",
            "on_demand",
            "ondemand",
            "regular",
            "none",
            "null",
            "unspecified",
            "service_tier_unspecified",
        ),
        STANDARD,
    ),
    "flex": "flex",
    "on_demand_flex": "flex",
    "priority": "priority",
    "on_demand_priority": "priority",
    "batch": "batch",
    "batches": "batch",
    "fast": "fast",
    "scale": "scale",
}
"""`auto` is what a request leaves to the provider: the answer says what came of it, or it was the standard."""


def service_of(word: str) -> str:
    """The service tier by our name for it, or the word itself: nobody's rate then."""
    lower = word.strip().lower().replace("-", "_")
    return WORDS.get(lower, lower)
