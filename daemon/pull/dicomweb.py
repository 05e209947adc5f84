"""Query and retrieve by QIDO-RS and WADO-RS (PS3.18 10.6, 10.4)."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset
from pynetdicom.dsutils import encode

from daemon.calling.find import Record, record_of_json
from daemon.calling.scu import Unreachable
from daemon.calling.web import WebCaller
from daemon.errors import Unavailable
from daemon.intake.store.admit import ANALYSED_SOP_CLASSES, Offer, Refused
from daemon.pull.criteria import OF_A_SERIES, Criteria, Part, Series, chosen
from daemon.settings import WadoSource

_PAGE = 500
_LARGEST_STUDY_BYTES = 1024**3


@dataclass(frozen=True, eq=False)
class WebArchive:
    """An archive that speaks DICOMweb."""

    source: WadoSource
    caller: WebCaller
    take: Callable[[Offer], None]

    def find(self, criteria: Criteria) -> Iterator[str]:
        """See `daemon.pull.criteria.Archive`."""
        with self.caller.session(tls=self.source.tls) as session:
            client = self._client(session)
            studies: set[str] = set()
            for modality in criteria.modalities:
                filters = {"StudyDate": criteria.study_date, "ModalitiesInStudy": modality}
                studies.update(_studies(client, filters))
            for study_uid in sorted(studies):
                asked = _series(client, study_uid) if study_uid else ()
                if not study_uid or any(criteria.wants(one) for one in asked):
                    yield study_uid

    def series(self, study_uid: str, criteria: Criteria) -> list[Series]:
        """See `daemon.pull.criteria.Archive`."""
        with self.caller.session(tls=self.source.tls) as session:
            client = self._client(session)
            return [
                Series(series_uid, _sop_classes(client, study_uid, series_uid))
                for series_uid in chosen(_series(client, study_uid), criteria)
            ]

    def retrieve(self, study_uid: str, parts: Collection[Part]) -> None:
        """See `daemon.pull.criteria.Archive`."""
        with self.caller.session(
            tls=self.source.tls, largest_answer_bytes=_LARGEST_STUDY_BYTES
        ) as session:
            client = self._client(session)
            for part in parts:
                for instance in _retrieved(client, study_uid, part):
                    if instance.SOPClassUID in ANALYSED_SOP_CLASSES:
                        self._take(instance)

    def _take(self, instance: Dataset) -> None:
        syntax = instance.file_meta.TransferSyntaxUID
        data_set = encode(instance, syntax.is_implicit_VR, syntax.is_little_endian)
        if data_set is None:
            raise Unavailable("a fetched object cannot be encoded")
        offer = Offer(str(instance.SOPClassUID), str(instance.SOPInstanceUID), syntax, data_set)
        try:
            self.take(offer)
        except Refused as refused:
            raise Unavailable(f"a fetched object was refused: {refused}") from refused

    def _client(self, session: requests.Session) -> DICOMwebClient:
        client = DICOMwebClient(self.source.url, session=session)
        client.set_http_retry_params(retry=False)
        return client


def _studies(client: DICOMwebClient, filters: dict[str, str]) -> Iterator[str]:
    """Page through all studies that match."""
    offset = 0
    while True:
        page = _asked(client.search_for_studies, search_filters=filters, limit=_PAGE, offset=offset)
        for one in page:
            yield record_of_json(one, ["StudyInstanceUID"])["StudyInstanceUID"]
        offset += len(page)
        if len(page) < _PAGE:
            return


def _series(client: DICOMwebClient, study_uid: str) -> list[Record]:
    answers = _asked(client.search_for_series, study_uid, fields=["BodyPartExamined"])
    return [record_of_json(one, OF_A_SERIES) for one in answers]


def _sop_classes(client: DICOMwebClient, study_uid: str, series_uid: str) -> dict[str, str]:
    """Page through the objects of a series."""
    found: dict[str, str] = {}
    while True:
        page = _asked(
            client.search_for_instances, study_uid, series_uid, limit=_PAGE, offset=len(found)
        )
        before = len(found)
        for one in page:
            said = record_of_json(one, ["SOPInstanceUID", "SOPClassUID"])
            found[said["SOPInstanceUID"]] = said["SOPClassUID"]
        found.pop("", None)
        if len(page) < _PAGE or len(found) == before:
            return found


def _retrieved(client: DICOMwebClient, study_uid: str, part: Part) -> list[Dataset]:
    where = study_uid, part.series_uid
    if part.image_uid:
        return [_asked(client.retrieve_instance, *where, part.image_uid)]
    return list(_asked(client.retrieve_series, *where))


def _asked(ask: Callable[..., Any], *arguments: object, **options: object) -> Any:  # noqa: ANN401
    try:
        return ask(*arguments, **options)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise Unreachable(f"archive: {type(error).__name__}") from error
    except (requests.RequestException, ValueError) as error:
        raise Unavailable(f"archive: {type(error).__name__}") from error
