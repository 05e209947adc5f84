"""Association requests as senders write them: padded, with items and classes of their own."""

import struct

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC

from daemon.intake.associate import Unintelligible
from daemon.intake.contexts import Supported, is_storage
from daemon.intake.negotiate import Accepted, Negotiator, Refusal
from daemon.intake.pdu import Rejection

VERIFICATION, CR = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.1"
COMMITMENT, FIND = "1.2.840.10008.1.20.1", "1.2.840.10008.5.1.4.1.2.2.1"
FUJI, PHILIPS = "1.2.392.200036.9125.1.1.2", "1.3.46.670589.11.0.0.12.2"
EXPLICIT, IMPLICIT = str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian)


def item(kind, value):
    return struct.pack(">BBH", kind, 0, len(value)) + value


def context(number, abstract, *syntaxes):
    inner = item(0x30, abstract.encode()) + b"".join(item(0x40, one.encode()) for one in syntaxes)
    return item(0x20, bytes([number, 0, 0, 0]) + inner)


CONTEXTS = (context(1, VERIFICATION, IMPLICIT), context(3, CR, IMPLICIT, EXPLICIT))
MAXIMUM = item(0x51, struct.pack(">L", 16384))


def request(called=b"WRISTD", calling=b"MODALITY", contexts=CONTEXTS, user=(MAXIMUM,)):
    body = struct.pack(">HH", 1, 0) + called.ljust(16) + calling.ljust(16) + bytes(32)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + b"".join(contexts) + item(0x50, b"".join(user))
    return struct.pack(">BBL", 1, 0, len(body)) + body


def decide(pdu, callers=()):
    supported = Supported(frozenset((VERIFICATION, COMMITMENT)))
    return Negotiator("WRISTD", callers, supported, 131072).negotiate(pdu)


def results(accepted):
    """What a peer that uses pynetdicom reads of our answer, by context ID."""
    reply = A_ASSOCIATE_AC()
    reply.decode(accepted.answer)
    return {one.context_id: one.result for one in reply.presentation_context}


def test_the_answer_is_what_others_read():
    accepted = decide(request())
    assert results(accepted) == {1: 0, 3: 0}
    assert accepted.contexts[3].transfer_syntax == EXPLICIT
    assert (accepted.calling_ae, accepted.max_pdu) == ("MODALITY", 16384)
    reply = A_ASSOCIATE_AC()
    reply.decode(accepted.answer)
    assert reply.to_primitive().maximum_length_received == 131072


@pytest.mark.parametrize(
    "titles",
    [
        {"called": b"WRISTD".ljust(16, b"\0")},
        {"called": b"WRISTD \0".ljust(16, b"\0")},
        {"called": b"  WRISTD".ljust(16)},
        {"calling": b"MODALITY".ljust(16, b"\0")},
        {"calling": b"MODALITY\0rest".ljust(16)},
    ],
)
def test_titles_are_padded_with_nul_as_with_blanks(titles):
    accepted = decide(request(**titles), callers=("MODALITY",))
    assert isinstance(accepted, Accepted)
    assert accepted.calling_ae == "MODALITY"


@pytest.mark.parametrize(
    "more",
    [
        {"user": (MAXIMUM, item(0x5B, b"abcd"))},
        {"contexts": (*CONTEXTS, item(0x77, b"abcd"))},
        {"user": (MAXIMUM, item(0x55, b"LONGER THAN SIXTEEN \xfc"))},
        {"user": (MAXIMUM, item(0x54, b"\xff\xff"))},
        {"user": ()},
    ],
)
def test_items_that_we_do_not_know_or_need_are_stepped_over(more):
    assert results(decide(request(**more))) == {1: 0, 3: 0}


def test_a_context_without_transfer_syntax_costs_that_context_only():
    accepted = decide(request(contexts=(*CONTEXTS, context(5, CR), context(7, CR, "1.2.3"))))
    assert results(accepted) == {1: 0, 3: 0, 5: 4, 7: 4}
    assert set(accepted.contexts) == {1, 3}


def test_private_storage_classes_are_taken_and_other_services_are_not():
    private = (context(5, FUJI, EXPLICIT), context(7, PHILIPS, "1.2.840.113619.5.2"))
    accepted = decide(request(contexts=(*CONTEXTS, *private, context(9, FIND, IMPLICIT))))
    assert results(accepted) == {1: 0, 3: 0, 5: 0, 7: 0, 9: 3}


def test_roles_are_agreed_to_for_services_only():
    role = struct.pack(">H", len(COMMITMENT)) + COMMITMENT.encode() + b"\0\1"
    image = struct.pack(">H", len(CR)) + CR.encode() + b"\1\1"
    wanted = request(
        contexts=(context(1, COMMITMENT, IMPLICIT),),
        user=(MAXIMUM, item(0x54, role), item(0x54, image)),
    )
    reply = A_ASSOCIATE_AC()
    reply.decode(decide(wanted).answer)
    assert [one.uid for one in reply.user_information.role_selection.values()] == [COMMITMENT]


@pytest.mark.parametrize(
    ("titles", "rejection"),
    [
        ({"called": b"X\nINFO daemon: y"}, Rejection.CALLED_AE),
        ({"called": bytes(16)}, Rejection.CALLED_AE),
        ({"calling": b" " * 16}, Rejection.CALLING_AE),
        ({"calling": b"STRANGER".ljust(16)}, Rejection.CALLING_AE),
    ],
)
def test_other_titles_are_rejected(titles, rejection):
    decision = decide(request(**titles), callers=("MODALITY",))
    assert isinstance(decision, Refusal)
    assert decision.rejection is rejection


@pytest.mark.parametrize("cut", [*range(6, 74, 13), 80, 100, 130])
def test_a_request_that_is_cut_is_none(cut):
    whole = request()
    with pytest.raises(Unintelligible):
        decide(whole[:cut])


def test_a_request_without_contexts_or_with_one_number_twice_is_none():
    for contexts in ((), (CONTEXTS[0], CONTEXTS[0])):
        with pytest.raises(Unintelligible):
            decide(request(contexts=contexts))


@pytest.mark.parametrize(
    ("sop_class", "expected"),
    [(CR, True), (FUJI, True), ("1.2.840.10008.5.1.4.1.1.999", True), (COMMITMENT, False),
     (VERIFICATION, False), (FIND, False), ("1.2.840.10008.1.3.10", False), ("", False)],
)  # fmt: skip
def test_which_classes_are_storage(sop_class, expected):
    assert is_storage(sop_class) is expected
