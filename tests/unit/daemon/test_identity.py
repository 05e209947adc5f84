"""UIDs of our own making."""

from pydicom.uid import UID, generate_uid

from daemon.identity import derived_uid, is_own_uid


def test_the_same_parts_always_give_the_same_valid_uid():
    assert derived_uid("a", "b") == derived_uid("a", "b")
    assert UID(derived_uid("a", "b")).is_valid


def test_parts_are_kept_apart():
    assert derived_uid("ab", "c") != derived_uid("a", "bc")


def test_our_own_uids_are_recognised_and_others_are_not():
    assert is_own_uid(derived_uid("study"))
    assert not is_own_uid(generate_uid(prefix=None))
    assert not is_own_uid("1.2.840.10008.1.1")
    assert not is_own_uid("2.25.")
    assert not is_own_uid("2.25.x")
