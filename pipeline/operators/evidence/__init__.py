"""What may be said of a slice that is looked at all the time: from sums alone, valid at every look.

`deviance.py` says how far new data are from a null, `bets.py` what that is worth as evidence, `dispersion.py` how much less than
independent calls they say, `detector.py` when the time of a change is unknown, `release.py` what a release is compared with,
`recovery.py` when it is over, `growth.py` whether it is one cohort or all, `interval.py` and `effect.py` what is shown beside it.
`hypothesis.py` puts them together.

Every array is over cells: (slice, metric) pairs of one route that are asked the same question.
"""
