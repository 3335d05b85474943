"""Changed settings: which policy a window lives under. Old windows end under the old rules, new ones begin under the new.

A change is a message in the log. It takes effect at an event time that no row folded before it can have reached, where
windows of all policies begin; so it splits no window, and every owner and every replay finds the same boundary. A row
before the message that ends behind the boundary was ahead of its clock, and stays so when it is folded again.

Guarantee: `tests/laws/test_exactness.py` changes settings in the middle of crashes and zombies.
"""

from math import lcm

from pipeline.model.log_time import BEGINNING, Era, WindowPolicy

MOST_ERAS = 8
"""A change beyond these is not heard: the next owner of the log asks again. Each lasts until its windows are final."""

Eras = tuple[Era, ...]


def first(policy: WindowPolicy) -> Eras:
    """One policy, for ever."""
    return (Era(BEGINNING, policy),)


def changed(eras: Eras, policy: WindowPolicy, offset: int, appended_ns: int) -> Eras:
    """The eras after the message at `offset` asks for `policy`; `appended_ns`: append time of the newest message so far."""
    reached = appended_ns + max(era.policy.max_ahead_ns for era in eras)
    if eras[-1].from_ns > reached:  # not begun yet: nothing was judged by it
        eras = eras[:-1]
    if policy == eras[-1].policy or len(eras) >= MOST_ERAS:
        return eras
    grid = lcm(policy.window_ns, *(era.policy.window_ns for era in eras))
    return (*eras, Era((reached // grid + 1) * grid, policy, offset))


def current(eras: Eras, watermark_ns: int, whole_ns: int) -> Eras:
    """Without those whose windows are final, also by the rules of the era that follows, and whose windows of traces are whole."""
    while len(eras) > 1 and eras[1].from_ns <= whole_ns and _is_over(eras[0], eras[1], watermark_ns):
        eras = eras[1:]
    return eras


def policy_at(eras: Eras, event_ns: int) -> WindowPolicy:
    """The policy of the window that holds `event_ns`."""
    return next((era.policy for era in reversed(eras) if era.from_ns <= event_ns), eras[0].policy)


def _is_over(era: Era, following: Era, watermark_ns: int) -> bool:
    lateness = max(era.policy.allowed_lateness_ns, following.policy.allowed_lateness_ns)
    return following.from_ns + lateness <= watermark_ns
