"""A little of the PDU fuzz: no stream of bytes harms the receiver."""

from tests.benchmarks.pdu_fuzz import fuzz

SENDING_S = 15.0
SEED = 12


def test_mutated_streams_harm_nobody(tmp_path):
    found = fuzz(tmp_path, streams=1_000_000, seconds=SENDING_S, seed=SEED, clients=1)
    print(f"\n{found}")
    assert [goal for goal, is_met in found["goals"].items() if not is_met] == []
