"""A few thousand of the calls of `fuzz.py`; all of them, 10^5, run with `python tests/fuzz.py`."""

from fuzz import run


def test_nonsense_is_refused_and_crashes_nothing():
    became = run(3000, seed=7)
    answered = sum(times for what, times in became.items() if what.endswith("answered"))
    # Both: nonsense that is refused, and calls that get through.
    assert 500 < answered < 2500, became
