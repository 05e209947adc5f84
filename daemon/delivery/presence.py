"""Whether a destination has an object of which it says that it is there already.

A resend after an answer that was lost earns Duplicate SOP Instance, or HTTP 409. Our UIDs name the
content, so that what is there is what we send; but a claim is better asked about where it can be.
"""

from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pynetdicom import build_context

from daemon.calling.find import STUDY_ROOT_FIND, find, record_of_json
from daemon.calling.scu import Caller, NoAssociation
from daemon.delivery.answer import Answer, Verdict
from daemon.dicom.status import Status, is_out_of_resources
from daemon.records import ResultFile
from daemon.settings import DimseDestination

_CLIENT_ERRORS = range(400, 500)


class Presence(Enum):
    """What a destination says when it is asked for an object."""

    SHOWN = auto()
    """It has it."""
    NOT_SHOWN = auto()
    """It answers, and has not."""
    NOT_OFFERED = auto()
    """It cannot be asked."""
    NOT_ANSWERED = auto()
    """It may answer another time."""


_ANSWERS = {
    Presence.SHOWN: Answer(
        Verdict.KEPT, Status.DUPLICATE_SOP_INSTANCE, "destination had it, and shows it"
    ),
    Presence.NOT_OFFERED: Answer(
        Verdict.KEPT, Status.DUPLICATE_SOP_INSTANCE, "destination says that it has it"
    ),
    Presence.NOT_SHOWN: Answer(
        Verdict.REFUSED,
        Status.DUPLICATE_SOP_INSTANCE,
        "destination says that it has this object, and does not show it",
    ),
    Presence.NOT_ANSWERED: Answer(
        Verdict.LATER,
        Status.DUPLICATE_SOP_INSTANCE,
        "destination says that it has this object: it could not be asked now",
    ),
}


def answer_to_duplicate(presence: Presence) -> Answer:
    """Settle a delivery to a destination that reports the object as present."""
    return _ANSWERS[presence]


def asked_by_find(
    caller: Caller, destination: DimseDestination, result: ResultFile, file: Path
) -> Presence:
    """Ask with C-FIND at IMAGE level (Study Root, PS3.4 C.6.2.1), over an association of its own.

    Archives that let us have one association at a time are asked when that of the results is over.
    """
    query = Dataset()
    query.QueryRetrieveLevel = "IMAGE"
    query.StudyInstanceUID = _study_uid(file)
    query.SeriesInstanceUID = result.series_instance_uid
    query.SOPInstanceUID = result.sop_instance_uid
    try:
        with caller.association(destination, [build_context(STUDY_ROOT_FIND)]) as call:
            found, status = find(call, query)
    except NoAssociation as error:
        return Presence.NOT_OFFERED if error.is_final else Presence.NOT_ANSWERED
    if status == Status.SUCCESS:
        return _among([one["SOPInstanceUID"] for one in found], result)
    if status is None or is_out_of_resources(status):
        return Presence.NOT_ANSWERED
    return Presence.NOT_OFFERED


def asked_by_qido(client: DICOMwebClient, result: ResultFile, file: Path) -> Presence:
    """Ask with QIDO-RS (PS3.18 10.6)."""
    try:
        found = client.search_for_instances(
            _study_uid(file),
            result.series_instance_uid,
            search_filters={"SOPInstanceUID": result.sop_instance_uid},
        )
        shown = [record_of_json(one, ["SOPInstanceUID"])["SOPInstanceUID"] for one in found]
    except requests.HTTPError as error:
        code = error.response.status_code if error.response is not None else 0
        return Presence.NOT_OFFERED if code in _CLIENT_ERRORS else Presence.NOT_ANSWERED
    except (requests.RequestException, ValueError, TypeError):
        return Presence.NOT_ANSWERED  # it is no answer that can be read
    return _among(shown, result)


def _among(shown: Sequence[str], result: ResultFile) -> Presence:
    """Look for the object: there are archives that do not match every key."""
    return Presence.SHOWN if result.sop_instance_uid in shown else Presence.NOT_SHOWN


def _study_uid(file: Path) -> str:
    return str(dcmread(file, specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
