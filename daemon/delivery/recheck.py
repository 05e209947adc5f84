"""Ask the destination whose study it is (C-FIND) before results go there.

Patients are corrected and merged after images were sent: a result must not bring the old identity
back. What differs is refused and waits for a person.
"""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pynetdicom import build_context

from daemon.calling.find import STUDY_ROOT_FIND, Record, find
from daemon.calling.scu import Call, Caller, NoAssociation
from daemon.delivery.answer import Answer, Sender, Verdict
from daemon.dicom.status import Status
from daemon.records import ResultFile
from daemon.settings import DimseDestination

_COMPARED = ("PatientID", "PatientBirthDate")
_IF_KNOWN = ("IssuerOfPatientID",)
"""An optional key that most archives do not return; compared when they do."""

_KEYS = (*_COMPARED, *_IF_KNOWN, "StudyInstanceUID")


@dataclass(frozen=True)
class PatientCheck:
    """A sender that asks about each study first and passes on what may go.

    Attributes
    ----------
    sender : Sender
        Gets what may be sent.
    destination : DimseDestination
        Asked with Study Root Query/Retrieve - FIND (PS3.4 C.6.2).
    caller : Caller
        Opens the association.
    """

    sender: Sender
    destination: DimseDestination
    caller: Caller

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """See `Sender`; an object whose study belongs to somebody else is refused."""
        objections = self._objections(results, outbox)
        allowed = [one for one in results if one.file not in objections]
        with closing(self.sender.send(allowed, outbox)) as sending:
            for result in results:
                answer = objections.get(result.file) or next(sending, None)
                if answer is None:
                    return
                yield answer

    def _objections(self, results: Sequence[ResultFile], outbox: Path) -> dict[str, Answer]:
        """Return an answer for each file that may not be sent, by its path."""
        known: dict[str, list[Record] | None] = {}
        contexts = [build_context(STUDY_ROOT_FIND)]
        try:
            with self.caller.association(self.destination, contexts) as call:
                judged = {one.file: _judge(call, outbox / one.file, known) for one in results}
        except NoAssociation as error:
            objection = Answer(Verdict.LATER, None, f"patient could not be checked: {error}")
            return {one.file: objection for one in results}
        return {file: answer for file, answer in judged.items() if answer is not None}


def _judge(call: Call, file: Path, known: dict[str, list[Record] | None]) -> Answer | None:
    """Return why a file may not go, or nothing; `known` spares asking twice for one study."""
    try:
        ours = dcmread(file, specific_tags=list(_KEYS))
    except (OSError, InvalidDicomError):
        return None  # the sender says what is wrong with the file
    study_uid = str(ours.StudyInstanceUID)
    if study_uid not in known:
        known[study_uid] = _entries(call, study_uid)
    theirs = known[study_uid]
    if theirs is None:
        return Answer(Verdict.LATER, None, "patient could not be checked: C-FIND failed")
    if not theirs:
        return Answer(
            Verdict.LATER, Status.SUCCESS, "patient could not be checked: study unknown there"
        )
    differing = sorted({keyword for one in theirs for keyword in _differing(ours, one)})
    if differing:
        words = f"patient differs at the destination: {', '.join(differing)}"
        return Answer(Verdict.REFUSED, Status.SUCCESS, words)
    return None


def _entries(call: Call, study_uid: str) -> list[Record] | None:
    """Return the destination's entries of a study; None when it did not answer properly."""
    if not call.association.is_established:
        return None
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword in _KEYS:
        setattr(query, keyword, "")
    query.StudyInstanceUID = study_uid
    found, status = find(call, query)
    return found if status == Status.SUCCESS else None


def _differing(ours: Dataset, theirs: Record) -> list[str]:
    own = {keyword: str(ours.get(keyword) or "").strip() for keyword in (*_COMPARED, *_IF_KNOWN)}
    wrong = [keyword for keyword in _COMPARED if own[keyword] != theirs[keyword]]
    wrong += [
        keyword for keyword in _IF_KNOWN if theirs[keyword] and own[keyword] != theirs[keyword]
    ]
    return wrong
