"""The faults that are put into objects: sound before, repeatable, and no error of their own."""

from random import Random

import pytest
from pydicom.uid import UID

from daemon.intake.store.admit import Admitted, Offer, Refused, admit
from tests.support.elements import Element, join, split
from tests.support.encodings import LOSSLESS_SYNTAXES
from tests.support.mutations import CANARIES, ON_ELEMENTS, ON_STREAMS, inflate_to_much, nest
from tests.support.objects import uid
from tests.support.recordings import drawn, mutated

STUDY, INSTANCE = uid("study"), uid("instance")
SEEDS = range(8)


@pytest.fixture(scope="module")
def recordings():
    return drawn()


def _admitted(item):
    offer = Offer(item.sop_class, item.instance, UID(item.syntax), item.data_set)
    return admit(offer, 1 << 26)


def test_a_recorded_object_is_sound_in_every_syntax_and_names_what_it_is_told(recordings):
    assert {one.syntax for one in recordings} == set(LOSSLESS_SYNTAXES)
    for one in recordings:
        found = _admitted(one.item(STUDY, INSTANCE))
        assert isinstance(found, Admitted)
        assert (found.study_uid, found.sop_instance_uid) == (STUDY, INSTANCE)


def test_a_recorded_object_holds_canaries(recordings):
    for one in recordings:
        text = join(one.elements, one.order)
        assert all(canary in text for canary in CANARIES)


def test_what_was_taken_apart_is_put_together_to_the_byte(recordings):
    for one in recordings:
        data_set = join(one.elements, one.order)
        again = split(data_set, one.order, implicit=one.syntax.is_implicit_VR)
        assert again == list(one.elements)


@pytest.mark.parametrize(
    "mutation",
    [*dict.fromkeys(ON_ELEMENTS), pytest.param(inflate_to_much, marks=pytest.mark.long)],
)
def test_a_fault_in_the_elements_is_repeatable_and_changes_something(recordings, mutation):
    for one in recordings:
        elements = one.named(STUDY, INSTANCE)
        before, changed = join(elements, one.order), 0
        for seed in SEEDS:
            faulty = join(mutation(elements, Random(seed)), one.order)
            assert faulty == join(mutation(elements, Random(seed)), one.order)
            changed += faulty != before
        # Implicit VRs cannot be swapped; what is inside of big-endian sequences stays.
        assert changed or one.syntax.is_implicit_VR or one.order == ">"
        assert mutation([], Random(1)) is not None


@pytest.mark.parametrize("mutation", ON_STREAMS)
def test_a_fault_in_the_bytes_is_repeatable_and_changes_something(mutation):
    data = bytes(range(256)) * 40
    faulty = [mutation(data, Random(seed)) for seed in SEEDS]
    assert faulty == [mutation(data, Random(seed)) for seed in SEEDS]
    assert any(one != data for one in faulty)
    assert mutation(b"", Random(1)) is not None


def test_nested_sequences_are_well_formed(recordings):
    [one] = [one for one in recordings if one.syntax.name.startswith("Explicit VR Little")][:1]
    refusals = set()
    for seed in range(40):
        elements = nest(one.named(STUDY, INSTANCE), Random(seed))
        offer = Offer(one.sop_class, INSTANCE, one.syntax, join(elements))
        try:
            admit(offer, 1 << 26)
        except Refused as refused:
            refusals.add(str(refused))
    assert refusals == {"data set is nested too deeply"}


def test_mutated_objects_are_taken_often_enough_to_be_read(recordings):
    chance, taken = Random(1), 0
    for number in range(300):
        item = mutated(recordings[number % len(recordings)], STUDY, INSTANCE, chance)
        try:
            taken += isinstance(_admitted(item), Admitted)
        except Refused:
            continue
    assert 100 < taken < 280


def test_a_length_may_lie():
    assert Element(0x00100020, b"LO", b"ab", claimed=9).encode() == b"\x10\0\x20\0LO\x09\0ab"
