"""A minute of objects with faults: each has its outcome, and nobody else is harmed."""

from tests.benchmarks.fuzz import fuzz

SENDING_S = 40.0
SEED = 11
TIMED = "honest studies are read in time"
"""Judged by the benchmark: here other tests share the processors."""


def test_objects_with_faults_have_their_outcome_and_harm_nobody(tmp_path):
    found = fuzz(tmp_path, objects=100_000, seconds=SENDING_S, seed=SEED)
    print(f"\n{found}")
    missed = {goal for goal, is_met in found["goals"].items() if not is_met}
    assert missed <= {TIMED}
    assert found["honest"] > 0
    assert found["honest_unread"] == 0
