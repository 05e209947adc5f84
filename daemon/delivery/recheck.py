"""Ask the destination whose study it is (C-FIND) before results go there.

Patients are corrected and merged after images were sent: a result must not bring the old identity
back. What differs is refused and waits for a person.
"""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from daemon.delivery.answer import Answer, Sender, Verdict
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from daemon.records import ResultFile
from daemon.settings import Destination

logger = logging.getLogger(__name__)

_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
"""Study Root Query/Retrieve Information Model - FIND."""

_COMPARED = ("PatientID", "PatientBirthDate")
_IF_KNOWN = ("IssuerOfPatientID",)
"""An optional key that most archives do not return; compared when they do."""

_KEYS = (*_COMPARED, *_IF_KNOWN, "StudyInstanceUID")
_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000


@dataclass(frozen=True)
class PatientCheck:
    """A sender that asks about each study first and passes on what may go.

    Attributes
    ----------
    sender : Sender
        Gets what may be sent.
    destination : Destination
        Asked with Study Root Query/Retrieve - FIND (PS3.4 C.6.2).
    ae_title : str
        Ours, as calling AE title.
    timeout_s : float
    """

    sender: Sender
    destination: Destination
    ae_title: str
    timeout_s: float

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """See `Sender`; an object whose study belongs to somebody else is refused."""
        objections = self._objections(results, outbox)
        allowed = [one for one in results if one.file not in objections]
        sending = self.sender.send(allowed, outbox)
        for result in results:
            if result.file in objections:
                yield objections[result.file]
                continue
            answer = next(sending, None)
            if answer is None:
                return
            yield answer

    def _objections(self, results: Sequence[ResultFile], outbox: Path) -> dict[str, Answer]:
        """Return an answer for each file that may not be sent, by its path."""
        ae = ApplicationEntity(self.ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = ae.acse_timeout = self.timeout_s
        ae.dimse_timeout = ae.network_timeout = self.timeout_s
        ae.add_requested_context(_FIND)
        peer = self.destination
        association = ae.associate(peer.host, peer.port, ae_title=peer.ae_title)
        known: dict[str, list[Dataset] | None] = {}
        try:
            judged = {one.file: _judge(association, outbox / one.file, known) for one in results}
        finally:
            if association.is_established:
                association.release()
        return {file: answer for file, answer in judged.items() if answer is not None}


def _judge(
    association: Association, file: Path, known: dict[str, list[Dataset] | None]
) -> Answer | None:
    """Return why a file may not go, or nothing; `known` spares asking twice for one study."""
    try:
        ours = dcmread(file, specific_tags=list(_KEYS))
    except (OSError, InvalidDicomError):
        return None  # the sender says what is wrong with the file
    if not association.is_established:
        return Answer(
            Verdict.LATER, None, "patient could not be checked: no association for C-FIND"
        )
    study_uid = str(ours.StudyInstanceUID)
    if study_uid not in known:
        known[study_uid] = _find(association, study_uid)
    theirs = known[study_uid]
    if theirs is None:
        return Answer(Verdict.LATER, None, "patient could not be checked: C-FIND failed")
    if not theirs:
        return Answer(Verdict.LATER, _SUCCESS, "patient could not be checked: study unknown there")
    differing = sorted({keyword for one in theirs for keyword in _differing(ours, one)})
    if differing:
        words = f"patient differs at the destination: {', '.join(differing)}"
        return Answer(Verdict.REFUSED, _SUCCESS, words)
    return None


def _find(association: Association, study_uid: str) -> list[Dataset] | None:
    """Return the destination's entries of a study; None when it did not answer properly."""
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword in _KEYS:
        setattr(query, keyword, "")
    query.StudyInstanceUID = study_uid
    found = []
    for status, entry in association.send_c_find(query, _FIND):
        code = status.get("Status")
        if code in _PENDING and entry is not None:
            found.append(entry)
        elif code != _SUCCESS:
            return None
    return found


def _differing(ours: Dataset, theirs: Dataset) -> list[str]:
    wrong = [keyword for keyword in _COMPARED if _text(ours, keyword) != _text(theirs, keyword)]
    wrong += [
        keyword
        for keyword in _IF_KNOWN
        if _text(theirs, keyword) and _text(ours, keyword) != _text(theirs, keyword)
    ]
    return wrong


def _text(dataset: Dataset, keyword: str) -> str:
    return str(dataset.get(keyword) or "").strip()
