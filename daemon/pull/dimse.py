"""Query and retrieve by C-FIND, C-MOVE to ourselves, and C-GET (PS3.4 annex C)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import build_context, build_role, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from daemon.errors import Unavailable
from daemon.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from daemon.intake.admit import ANALYSED_SOP_CLASSES, Offer, Refused
from daemon.intake.contexts import READ_TRANSFER_SYNTAXES
from daemon.peers import Source
from daemon.pull.criteria import Criteria

Take = Callable[[Offer], None]
"""Takes a fetched object in; raises Refused."""
_PENDING = (0xFF00, 0xFF01)


@dataclass(frozen=True, eq=False)
class DimseArchive:
    """An archive that speaks DIMSE.

    Attributes
    ----------
    source : Source
    ae_title : str
        Ours: who asks, and where C-MOVE sends to.
    timeout_s : float
    take : callable
        For C-GET, where objects come over the association that asked.
    """

    source: Source
    ae_title: str
    timeout_s: float
    take: Take

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
                _complete(list(up.send_c_move(wanted, self.ae_title, model)))
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
        return 0x0000

    @contextmanager
    def _association(
        self, contexts: Sequence[PresentationContext], store: Callable[[Event], int] | None = None
    ) -> Iterator[Association]:
        ae = ApplicationEntity(self.ae_title)
        ae.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
        ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        ae.connection_timeout = ae.acse_timeout = self.timeout_s
        ae.dimse_timeout = ae.network_timeout = self.timeout_s
        association = ae.associate(
            self.source.host,
            self.source.port,
            contexts=list(contexts),
            ae_title=self.source.ae_title,
            ext_neg=[build_role(str(one), scp_role=True) for one in ANALYSED_SOP_CLASSES]
            if store
            else [],
            evt_handlers=[(evt.EVT_C_STORE, store)] if store else [],
        )
        if not association.is_established:
            raise Unavailable("no association with the archive")
        try:
            yield association
        except (RuntimeError, ValueError) as error:
            raise Unavailable("the archive does not offer this query or retrieval") from error
        finally:
            if association.is_established:
                association.release()


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
        if code is None or (code and code not in _PENDING):
            raise Unavailable("the archive broke off a query")
        if code in _PENDING and identifier is not None:
            yield identifier


def _complete(replies: Sequence[tuple[Dataset, Dataset | None]]) -> None:
    """Make sure that the last answer says that everything was sent."""
    status = replies[-1][0] if replies else Dataset()
    code = status.get("Status")
    failed = int(status.get("NumberOfFailedSuboperations") or 0)
    if code != 0x0000 or failed:
        shown = "none" if code is None else f"{code:04X}"
        raise Unavailable(f"retrieval ended with status {shown}, {failed} objects failed")
