"""Query and retrieve by C-FIND, C-MOVE to ourselves, and C-GET (PS3.4 annex C)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import cast

from pydicom import Dataset
from pynetdicom import AllStoragePresentationContexts, build_context, build_role, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import (  # type: ignore[attr-defined]  # made at import
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from daemon.calling.find import STUDY_ROOT_FIND, Record, find
from daemon.calling.scu import Call, Caller
from daemon.dicom.status import Status
from daemon.errors import Unavailable
from daemon.intake.association.contexts import READ_TRANSFER_SYNTAXES
from daemon.intake.store.admit import ANALYSED_SOP_CLASSES, Offer, Refused
from daemon.pull.criteria import OF_A_SERIES, Criteria, Part, Series, chosen
from daemon.settings import DimseSource

Take = Callable[[Offer], None]
"""Takes a fetched object in; raises Refused."""
_BESIDE_RADIOGRAPHS = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.88",
    "1.2.840.10008.5.1.4.1.1.11",
    "1.2.840.10008.5.1.4.1.1.1",
    "1.2.840.10008.5.1.4.1.1.104",
    "1.2.840.10008.5.1.4.1.1.66",
)
"""Secondary captures, reports and key objects, presentation states, other radiography, documents,
raw data: what their UIDs begin with."""
_MOST_CONTEXTS = 128
"""In one association: their numbers are odd and have one byte (PS3.8 9.3.2.2)."""


@dataclass(frozen=True, eq=False)
class DimseArchive:
    """An archive that speaks DIMSE.

    Attributes
    ----------
    source : DimseSource
    caller : Caller
        Its AE title is who asks, and where C-MOVE sends to.
    take : callable
        For C-GET, where objects come over the association that asked.
    largest_object_bytes : int
        Larger ones end such an association.
    """

    source: DimseSource
    caller: Caller
    take: Take
    largest_object_bytes: int

    def find(self, criteria: Criteria) -> Iterator[str]:
        """See `daemon.pull.criteria.Archive`."""
        with self._association([build_context(STUDY_ROOT_FIND)]) as call:
            studies = {
                study["StudyInstanceUID"]
                for modality in criteria.modalities
                for study in _found(call, _studies(criteria, modality))
            }
            for study_uid in sorted(studies):
                asked = _found(call, _series(study_uid)) if study_uid else ()
                if not study_uid or any(criteria.wants(one) for one in asked):
                    yield study_uid

    def series(self, study_uid: str, criteria: Criteria) -> list[Series]:
        """See `daemon.pull.criteria.Archive`."""
        with self._association([build_context(STUDY_ROOT_FIND)]) as call:
            found = _found(call, _series(study_uid))
            return [
                Series(series_uid, _sop_classes(_found(call, _images(study_uid, series_uid))))
                for series_uid in chosen(found, criteria)
            ]

    def retrieve(self, study_uid: str, parts: Collection[Part]) -> None:
        """See `daemon.pull.criteria.Archive`."""
        if self.source.kind == "move":
            model = StudyRootQueryRetrieveInformationModelMove
            with self._association([build_context(model)]) as call:
                for part in parts:
                    wanted = _wanted(study_uid, part)
                    moving = call.association.send_c_move(wanted, self.caller.ae_title, model)
                    _complete(list(moving))
            return
        model = StudyRootQueryRetrieveInformationModelGet
        with self._association(_contexts_of_get(), self._store) as call:
            for part in parts:
                getting = call.association.send_c_get(_wanted(study_uid, part), model)
                _complete(list(getting))

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
    ) -> Iterator[Call]:
        roles = _roles(contexts) if store else ()
        options = (roles, [(evt.EVT_C_STORE, store)], self.largest_object_bytes) if store else ()
        with self.caller.association(self.source, contexts, *options) as call:
            try:
                yield call
            except (RuntimeError, ValueError) as error:
                raise Unavailable("the archive does not offer this query or retrieval") from error


def _contexts_of_get() -> list[PresentationContext]:
    """Return what is offered for C-GET.

    What is analysed is offered in each syntax that we read, so that nothing needs to be transcoded;
    other classes, which are taken and ignored, as far as there is room: an object that has no
    context counts as failed, and some archives break off then.
    """
    analysed = [
        build_context(sop_class, syntax)
        for sop_class in sorted(ANALYSED_SOP_CLASSES)
        for syntax in READ_TRANSFER_SYNTAXES
    ]
    ignored = [
        build_context(str(one.abstract_syntax))
        for one in AllStoragePresentationContexts
        if one.abstract_syntax not in ANALYSED_SOP_CLASSES
    ]
    # The more usual ones: results of software like ours, then what stands beside radiographs.
    ignored.sort(key=lambda one: not str(one.abstract_syntax).startswith(_BESIDE_RADIOGRAPHS))
    model = build_context(StudyRootQueryRetrieveInformationModelGet)
    return [model, *analysed, *ignored][:_MOST_CONTEXTS]


def _roles(contexts: Sequence[PresentationContext]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """Return our SCP role for every storage class offered for C-GET (PS3.7 D.3.3.4)."""
    classes = {str(one.abstract_syntax) for one in contexts[1:]}
    return [build_role(sop_class, scp_role=True) for sop_class in sorted(classes)]


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
    for keyword in OF_A_SERIES:
        setattr(query, keyword, "")
    return query


def _images(study_uid: str, series_uid: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID, query.SeriesInstanceUID = study_uid, series_uid
    query.SOPInstanceUID = query.SOPClassUID = ""
    return query


def _wanted(study_uid: str, part: Part) -> Dataset:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "IMAGE" if part.image_uid else "SERIES"
    wanted.StudyInstanceUID, wanted.SeriesInstanceUID = study_uid, part.series_uid
    if part.image_uid:
        wanted.SOPInstanceUID = part.image_uid
    return wanted


def _sop_classes(images: Sequence[Record]) -> dict[str, str]:
    return {one["SOPInstanceUID"]: one["SOPClassUID"] for one in images if one["SOPInstanceUID"]}


def _found(call: Call, query: Dataset) -> list[Record]:
    found, status = find(call, query)
    if status != Status.SUCCESS:
        raise Unavailable("the archive broke off a query")
    return found


def _complete(replies: Sequence[tuple[Dataset, Dataset | None]]) -> None:
    """Make sure that the last answer says that everything was sent."""
    status = replies[-1][0] if replies else Dataset()
    code = status.get("Status")
    failed = int(status.get("NumberOfFailedSuboperations") or 0)
    if code != Status.SUCCESS or failed:
        shown = "none" if code is None else f"{code:04X}"
        raise Unavailable(f"retrieval ended with status {shown}, {failed} objects failed")
