"""Association requests as senders write them: padded, with items and classes of their own."""

import struct
import warnings

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC

from daemon.intake.association.associate import Unintelligible
from daemon.intake.association.contexts import Supported, is_storage
from daemon.intake.association.negotiate import MAX_REQUEST_BYTES, Accepted, Declined, Negotiator
from daemon.intake.association.pdu import Rejection

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
    return Negotiator(("WRISTD",), callers, supported, 131072).negotiate(pdu)


def results(accepted):
    """What a peer that uses pynetdicom reads of our answer, by context ID."""
    reply = A_ASSOCIATE_AC()
    reply.decode(accepted.answer)
    return {one.context_id: one.result for one in reply.presentation_context}


def test_the_answer_is_what_others_read():
    accepted = decide(request())
    assert results(accepted) == {1: 0, 3: 0}
    assert accepted.contexts[3].transfer_syntax == EXPLICIT
    assert (accepted.origin.calling_ae, accepted.max_pdu) == ("MODALITY", 16384)
    reply = A_ASSOCIATE_AC()
    reply.decode(accepted.answer)
    assert reply.to_primitive().maximum_length_received == 131072


@pytest.mark.parametrize(
    "titles",
    [
        {"called": b"WRISTD".ljust(16, b"\0")},
        {"called": b"WRISTD \0".ljust(16, b"\0")},
        {"called": b"  WRISTD".ljust(16)},
        {"called": b"WRISTD\t\r\n".ljust(16)},
        {"called": b"wristd".ljust(16)},
        {"calling": b"MODALITY".ljust(16, b"\0")},
        {"calling": b"MODALITY\0rest".ljust(16)},
    ],
)
def test_titles_are_padded_with_nul_as_with_blanks(titles):
    accepted = decide(request(**titles), callers=("MODALITY",))
    assert isinstance(accepted, Accepted)
    assert accepted.origin.calling_ae == "MODALITY"


def test_the_case_of_a_title_does_not_count():
    accepted = decide(request(calling=b"Modality"), callers=("MODALITY",))
    assert isinstance(accepted, Accepted)
    assert accepted.origin.calling_ae == "Modality"


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        ({"called": b" " * 16}, "called AE title is blank"),
        ({"called": bytes(16)}, "called AE title is blank"),
        ({"called": b"OTHER"}, "called AE title is none of ours (node.ae_title)"),
        ({"calling": b" " * 16}, "calling AE title is blank"),
        ({"calling": bytes(16)}, "calling AE title is blank"),
        ({"calling": b"\0MODALITY"}, "calling AE title is blank"),
        ({"calling": b"STRANGER"}, "calling AE title is not in receiver.callers"),
    ],
)
def test_a_refusal_says_which_title_is_wrong_and_how(titles, words):
    assert decide(request(**titles), callers=("MODALITY",)).why == words


@pytest.mark.parametrize(
    "more",
    [
        {"user": (MAXIMUM, item(0x5B, b"abcd"))},
        {"contexts": (*CONTEXTS, item(0x77, b"abcd"))},
        {"user": (MAXIMUM, item(0x55, b"LONGER THAN SIXTEEN \xfc"))},
        {"user": (MAXIMUM, item(0x55, b"A" * 4000))},
        {"user": (MAXIMUM, item(0x52, b"1." * 60 + b"1"))},
        {"user": (MAXIMUM, item(0x56, b"\0\xff12"))},
        {"user": (MAXIMUM, item(0x58, b"\2\1\0\xffxx"))},
        {"user": (MAXIMUM, bytes(8))},
        {"contexts": (item(0x51, b"\0\0\x40\0"), item(0, b"xx"), *CONTEXTS)},
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


def test_uids_are_padded_with_nul_as_with_blanks():
    padded = (
        context(1, VERIFICATION + "\0abc", IMPLICIT + " "),
        context(3, " " + CR + " ", EXPLICIT + "\0"),
    )
    accepted = decide(request(contexts=padded))
    assert results(accepted) == {1: 0, 3: 0}
    assert accepted.contexts[3].transfer_syntax == EXPLICIT


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
    assert isinstance(decision, Declined)
    assert decision.rejection is rejection


@pytest.mark.parametrize("cut", [*range(6, 74, 13), 80, 100, 130])
def test_a_request_that_is_cut_is_none(cut):
    whole = request()
    with pytest.raises(Unintelligible):
        decide(whole[:cut])


def test_a_request_without_contexts_is_none():
    with pytest.raises(Unintelligible):
        decide(request(contexts=()))


def test_of_contexts_with_one_number_the_first_counts():
    accepted = decide(request(contexts=(*CONTEXTS, context(3, VERIFICATION, EXPLICIT))))
    assert results(accepted) == {1: 0, 3: 0}
    assert accepted.answer.count(b"\x21\0") == 2
    assert accepted.contexts[3].abstract_syntax == CR


def test_as_many_contexts_and_syntaxes_as_there_are_fit_into_a_request():
    syntaxes = [f"1.2.840.10008.1.2.4.{50 + number}" for number in range(60)]
    many = [context(2 * number + 1, CR, *syntaxes, EXPLICIT) for number in range(128)]
    wanted = request(contexts=many)
    assert 200_000 < len(wanted) < MAX_REQUEST_BYTES
    assert set(results(decide(wanted)).values()) == {0}


def test_an_echo_may_be_offered_in_any_syntax():
    jpeg = context(1, VERIFICATION, "1.2.840.10008.1.2.4.50")
    assert results(decide(request(contexts=(jpeg,)))) == {1: 0}


def test_what_is_reserved_comes_back_as_it_came():
    wanted = bytearray(request())
    wanted[42:74] = b"\xa5" * 32
    assert decide(bytes(wanted)).answer[42:74] == b"\xa5" * 32


def test_uids_that_no_standard_knows_leave_nothing_behind():
    """A warning for each would be remembered by Python, and so would what hostile peers send."""
    odd = context(5, FUJI, "1.2 and not a UID", "x" * 90)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        accepted = decide(request(contexts=(*CONTEXTS, odd)))
    assert accepted.contexts[5].transfer_syntax == "1.2 and not a UID"
    assert found == []


@pytest.mark.parametrize(
    ("sop_class", "expected"),
    [(CR, True), (FUJI, True), ("1.2.840.10008.5.1.4.1.1.999", True), (COMMITMENT, False),
     (VERIFICATION, False), (FIND, False), ("1.2.840.10008.1.3.10", False), ("", False)],
)  # fmt: skip
def test_which_classes_are_storage(sop_class, expected):
    assert is_storage(sop_class) is expected
