"""Query and retrieve by C-FIND, C-MOVE to ourselves, and C-GET (PS3.4 annex C)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom import Dataset
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from daemon.dicom.scu import Caller
from daemon.dicom.status import Status, is_pending
from daemon.errors import Unavailable
from daemon.intake.admit import ANALYSED_SOP_CLASSES, Offer, Refused
from daemon.intake.contexts import READ_TRANSFER_SYNTAXES
from daemon.peers import Source
from daemon.pull.criteria import Criteria

Take = Callable[[Offer], None]
"""Takes a fetched object in; raises Refused."""


@dataclass(frozen=True, eq=False)
class DimseArchive:
    """An archive that speaks DIMSE.

    Attributes
    ----------
    source : Source
    caller : Caller
        Its AE title is who asks, and where C-MOVE sends to.
    take : callable
        For C-GET, where objects come over the association that asked.
    largest_object_bytes : int
        Larger ones end such an association.
    """

    source: Source
    caller: Caller
    take: Take
    largest_object_bytes: int

    def find(self, criteria: Criteria) -> Iterator[str]:
        """See `daemon.pull.criteria.Archive`."""
        model = StudyRootQueryRetrieveInformationModelFind
        with self._association([build_context(model)]) as up:
            studies = {
                str(study.StudyInstanceUID)
                for modality in criteria.modalities
                for study in _answers(up.send_c_find(_studies(criteria, modality), model))
                if "StudyInstanceUID" in study
            }
            for study_uid in sorted(studies):
                series = list(_answers(up.send_c_find(_series(study_uid), model)))
                if any(criteria.wants(one) for one in series):
                    yield study_uid

    def retrieve(self, study_uid: str) -> None:
        """See `daemon.pull.criteria.Archive`."""
        wanted = Dataset()
        wanted.QueryRetrieveLevel = "STUDY"
        wanted.StudyInstanceUID = study_uid
        if self.source.retrieve == "move":
            model = StudyRootQueryRetrieveInformationModelMove
            with self._association([build_context(model)]) as up:
                _complete(list(up.send_c_move(wanted, self.caller.ae_title, model)))
        else:
            self._get(wanted)

    def _get(self, wanted: Dataset) -> None:
        model = StudyRootQueryRetrieveInformationModelGet
        contexts = [
            build_context(sop_class, list(READ_TRANSFER_SYNTAXES))
            for sop_class in sorted(ANALYSED_SOP_CLASSES)
        ]
        with self._association([build_context(model), *contexts], self._store) as up:
            answers = list(up.send_c_get(wanted, model))
        _complete(answers)

    def _store(self, event: Event) -> int:
        request = cast(C_STORE, event.request)
        data_set = request.DataSet if isinstance(request.DataSet, BytesIO) else BytesIO()
        offer = Offer(
            sop_class_uid=str(request.AffectedSOPClassUID or ""),
            sop_instance_uid=str(request.AffectedSOPInstanceUID or ""),
            transfer_syntax=event.context.transfer_syntax,
            data_set=data_set.getbuffer(),
        )
        try:
            self.take(offer)
        except Refused as refused:
            return int(refused.status)
        return Status.SUCCESS

    @contextmanager
    def _association(
        self, contexts: Sequence[PresentationContext], store: Callable[[Event], int] | None = None
    ) -> Iterator[Association]:
        roles = [build_role(str(one), scp_role=True) for one in ANALYSED_SOP_CLASSES]
        options = (roles, [(evt.EVT_C_STORE, store)], self.largest_object_bytes) if store else ()
        with self.caller.association(self.source, contexts, *options) as call:
            try:
                yield call.association
            except (RuntimeError, ValueError) as error:
                raise Unavailable("the archive does not offer this query or retrieval") from error


def _studies(criteria: Criteria, modality: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyDate = criteria.study_date
    query.ModalitiesInStudy = modality
    query.StudyInstanceUID = ""
    return query


def _series(study_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID = study_uid
    query.SeriesInstanceUID = query.Modality = query.BodyPartExamined = ""
    return query


def _answers(replies: Iterator[tuple[Dataset, Dataset | None]]) -> Iterator[Dataset]:
    for status, identifier in replies:
        code = status.get("Status")
        if code is None or (code and not is_pending(code)):
            raise Unavailable("the archive broke off a query")
        if is_pending(code) and identifier is not None:
            yield identifier


def _complete(replies: Sequence[tuple[Dataset, Dataset | None]]) -> None:
    """Make sure that the last answer says that everything was sent."""
    status = replies[-1][0] if replies else Dataset()
    code = status.get("Status")
    failed = int(status.get("NumberOfFailedSuboperations") or 0)
    if code != Status.SUCCESS or failed:
        shown = "none" if code is None else f"{code:04X}"
        raise Unavailable(f"retrieval ended with status {shown}, {failed} objects failed")
