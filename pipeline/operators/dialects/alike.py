"""Names nobody has told us, read by their letters: `acme.usage.cacheReadInputTokens` is what `cached_tokens` is elsewhere.

What counts of a name is what stands behind `usage.`, else behind its last dot, without signs and in any case. It is believed
after every table, and only where that part is one of the forms here. A name that speaks of sums or limits tells nothing.
"""

from pipeline.operators.dialects.dialect import Dialect
from pipeline.operators.dialects.paths import paths

FORMS: dict[str, tuple[str, ...]] = {
    "input": ("inputtokens", "prompttokens", "inputtokencount", "prompttokencount", "tokensinput", "tokensprompt"),
    "output": (
        *("outputtokens", "completiontokens", "outputtokencount", "completiontokencount", "candidatestokencount"),
        *("candidatestokens", "generatedtokens", "tokensoutput", "tokenscompletion"),
    ),
    "total": ("totaltokens", "totaltokencount", "tokenstotal"),
    "cache_read": (
        *(
            "cachedtokens",
            "cachedinputtokens",
            "inputcachedtokens",
            "cachedprompttokens",
            "inputtokenscached",
            "prompttokenscached",
        ),
        *("cacheread", "cachereadtokens", "cachereadinputtokens", "inputcachereadtokens", "inputtokenscacheread"),
        *("cachedinputtokencount", "cachereadinputtokencount", "cachedcontenttokencount", "cachedtokencount"),
        *("prompttokensdetailscachedtokens", "inputtokensdetailscachedtokens", "inputtokendetailscached"),
        *("inputtokendetailscacheread", "inputtokensdetailscacheread", "inputtokensdetailscached", "detailscachedtokens"),
        *("promptcachehittokens", "cachehittokens", "inputtokendetailscachereadtokens"),
    ),
    "cache_write": (
        *("cachewrite", "cachewritetokens", "cachewriteinputtokens", "cachecreation", "cachecreationtokens"),
        *("cachecreationinputtokens", "cachecreationinputtokencount", "inputtokendetailscachecreation"),
        *("inputtokendetailscachewrite", "inputcachecreationtokens", "inputcachewritetokens", "inputtokenscachewrite"),
    ),
    "reasoning": (
        *("reasoningtokens", "reasoningoutputtokens", "outputreasoningtokens", "reasoningtokencount", "outputtokensreasoning"),
        *("thoughtstokencount", "thoughtstokens", "thinkingtokens", "thinkingtokencount", "reasoningcompletiontokens"),
        *("completiontokensdetailsreasoningtokens", "outputtokensdetailsreasoningtokens", "outputtokendetailsreasoning"),
        *("outputtokensdetailsreasoning", "detailsreasoningtokens"),
    ),
    "audio_input": ("audioinputtokens", "inputaudiotokens", "prompttokensdetailsaudiotokens", "inputtokendetailsaudio"),
    "audio_output": ("audiooutputtokens", "outputaudiotokens", "completiontokensdetailsaudiotokens", "outputtokendetailsaudio"),
    "input_details": ("inputtokensdetails", "prompttokensdetails", "inputtokendetails", "prompttokendetails"),
    "output_details": ("outputtokensdetails", "completiontokensdetails", "outputtokendetails", "completiontokendetails"),
    "first_ms": (
        *("ttftms", "timetofirsttokenms", "timetofirstchunkms", "firsttokenms", "firstchunkms", "firsttokenlatencyms"),
        *("mstofirsttoken", "mstofirstchunk", "timetofirsttokenmilliseconds"),
    ),
    "first": (
        *("ttft", "ttfts", "timetofirsttoken", "timetofirstchunk", "timetofirsttokenseconds", "timetofirsttokens"),
        *("firsttokenlatency", "timetofirsttokensec"),
    ),
}
"""What a name may be in letters and digits alone, and what it then is."""

NO_USAGE = ("aggregat", "cumul", "session", "limit", "remain", "budget", "estimat")
"""In a name: it speaks of more or of other than this call."""

CACHED = ("cached_tokens", "cached", "cache_read", "cache_read_tokens", "cacheRead")
WRITTEN = ("cache_creation", "cache_write", "cacheWrite")
THOUGHT = ("reasoning_tokens", "reasoning", "thoughts")
AUDIO = ("audio_tokens", "audio")


def _under(details: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of a part inside the details of its whole; one name of them a table has, so letters are not asked of it."""
    names = (f"like:{details}_details", f"gen_ai.usage.{details}_token_details")
    return tuple(f"{name}#{key}" for name in names for key in keys)


ALIKE = Dialect(
    "alike",
    fields={
        "ttft_ns": paths("like:first_ms@ms", "like:first@s", "like:first@ms"),
        "input_tokens": paths("like:input"),
        "output_tokens": paths("like:output"),
        "total_tokens": paths("like:total"),
        "cache_read_tokens": paths("like:cache_read", *_under("input", CACHED)),
        "cache_write_tokens": paths("like:cache_write", *_under("input", WRITTEN)),
        "reasoning_tokens": paths("like:reasoning", *_under("output", THOUGHT)),
        "audio_input_tokens": paths("like:audio_input", *_under("input", AUDIO)),
        "audio_output_tokens": paths("like:audio_output", *_under("output", AUDIO)),
    },
)
