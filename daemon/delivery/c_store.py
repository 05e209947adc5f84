"""Send results by C-STORE over one association, and say of each what the destination answered."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import _config as pynetdicom_config
from pynetdicom import build_context
from pynetdicom.presentation import PresentationContext

from daemon.calling.scu import Call, Caller, NoAssociation
from daemon.delivery.answer import Answer, Verdict, judge
from daemon.delivery.compress import compressed, preferred_syntax
from daemon.delivery.presence import answer_to_duplicate, asked_by_find
from daemon.dicom.status import Status
from daemon.records import ResultFile
from daemon.settings import DimseDestination

SLOWEST_BYTES_PER_S = 262144
"""A large object on a slow line gets so much more time for its answer."""


@dataclass(frozen=True)
class StorageUser:
    """The storage SCU for one destination.

    Attributes
    ----------
    destination : DimseDestination
    caller : Caller
        Opens the association.
    """

    destination: DimseDestination
    caller: Caller

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """Send files over one association; one answer for each, in their order, as it comes.

        When the association ends early, the last answer is that of the object during which it
        ended: for the rest there is none, nothing was tried.
        """
        given = 0
        try:
            with self.caller.association(self.destination, self._contexts(results)) as call:
                for number, result in enumerate(results, start=1):
                    answer = self._store(call, result, outbox / result.file, number)
                    if answer.status == Status.DUPLICATE_SOP_INSTANCE:
                        break
                    yield answer
                    given = number
                    is_unanswered = answer.verdict is Verdict.LATER and answer.status is None
                    if is_unanswered or not call.association.is_established:
                        return  # pynetdicom sets is_established a moment after an abort
        except NoAssociation as error:
            verdict = Verdict.REFUSED if error.is_final else Verdict.LATER
            yield from (Answer(verdict, None, str(error)) for _ in results)
            return
        if given < len(results):
            claimed = results[given]
            file = outbox / claimed.file
            presence = asked_by_find(self.caller, self.destination, claimed, file)
            yield answer_to_duplicate(presence)

    def _contexts(self, results: Sequence[ResultFile]) -> list[PresentationContext]:
        needed = {(one.sop_class_uid, UID(one.transfer_syntax_uid)): None for one in results}
        for sop_class in {one.sop_class_uid for one in results}:
            if syntax := preferred_syntax(self.destination, sop_class):
                needed[sop_class, syntax] = None
            needed[sop_class, ImplicitVRLittleEndian] = None  # the default (PS3.5 10.1)
        return [build_context(sop_class, syntax) for sop_class, syntax in needed]

    def _store(self, call: Call, result: ResultFile, file: Path, number: int) -> Answer:
        """Send one object, compressed as wanted where the peer accepts that, else as it is."""
        association = call.association
        if not file.is_file():
            return Answer(Verdict.REFUSED, None, "result file is missing from the outbox")
        try:
            sent = self._form(call, result, file)
            if sent is None:
                return Answer(Verdict.REFUSED, None, "destination does not take this SOP class")
            pynetdicom_config.STORE_SEND_CHUNKED_DATASET = True  # files go out as they are
            extra_s = file.stat().st_size / SLOWEST_BYTES_PER_S
            association.dimse_timeout = self.caller.timeout_s + extra_s
            response = association.send_c_store(sent, msg_id=number)
        except (InvalidDicomError, AttributeError, ValueError) as error:
            association.abort()
            return Answer(Verdict.REFUSED, None, f"result file is damaged: {type(error).__name__}")
        except (OSError, RuntimeError) as error:
            association.abort()
            return Answer(Verdict.LATER, None, f"could not be sent: {type(error).__name__}")
        if call.answers.strayed:
            association.abort()
            return Answer(Verdict.LATER, None, "destination answered another request than ours")
        if "Status" not in response:
            return Answer(Verdict.LATER, None, "association ended without an answer")
        status = int(response.Status)
        return Answer(judge(status), status, f"status {status:04X}")

    def _form(self, call: Call, result: ResultFile, file: Path) -> Path | Dataset | None:
        """Return what to send: the file as it is, or a data set; None where neither is taken."""
        wanted = preferred_syntax(self.destination, result.sop_class_uid)
        if wanted is not None and call.accepts(result.sop_class_uid, wanted):
            return compressed(file, wanted)
        if call.accepts(result.sop_class_uid, result.transfer_syntax_uid):
            return file
        if call.accepts(result.sop_class_uid, ImplicitVRLittleEndian):
            return dcmread(file)  # a data set is written as the peer takes it
        return None
