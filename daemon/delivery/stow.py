"""Send results by STOW-RS (PS3.18 10.5), one object a request, and translate each answer.

dicomweb-client encodes and sends. Credentials come from ~/.netrc of the daemon's user.
"""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from daemon.calling.web import WebCaller
from daemon.delivery.answer import Answer, Verdict, judge
from daemon.delivery.presence import answer_to_duplicate, asked_by_qido
from daemon.dicom.status import Status
from daemon.records import ResultFile
from daemon.settings import StowDestination

_FOR_GOOD = frozenset({400, 406, 409, 413, 415, 422})
"""HTTP says that the request itself is at fault; whatever else it says may pass."""
_CONFLICT = 409
"""None of the instances was stored; the body, where there is one, says why (table 10.5.3-1)."""
_FAILURE_REASON = "00081197"

for _name in ("dicomweb_client", "urllib3"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # they quote URLs with Study UIDs


@dataclass(frozen=True)
class StowUser:
    """The DICOMweb user agent for one destination."""

    destination: StowDestination
    caller: WebCaller

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """Send files over one HTTP connection; one answer for each, in their order, as it comes."""
        with self.caller.session(tls=self.destination.tls) as session:
            client = DICOMwebClient(self.destination.url, session=session)
            client.set_http_retry_params(retry=False)
            for result in results:
                answer = _store(client, outbox / result.file)
                if answer.status == Status.DUPLICATE_SOP_INSTANCE:
                    presence = asked_by_qido(client, result, outbox / result.file)
                    answer = answer_to_duplicate(presence)
                yield answer
                if answer.is_silence:
                    return


def _store(client: DICOMwebClient, file: Path) -> Answer:
    try:
        dataset = dcmread(file)
    except FileNotFoundError:
        return Answer(Verdict.REFUSED, None, "result file is missing from the outbox")
    except (InvalidDicomError, OSError) as error:
        return Answer(Verdict.REFUSED, None, f"result file is damaged: {type(error).__name__}")
    try:
        return _of_response(client.store_instances([dataset]))
    except requests.HTTPError as error:
        return _of_refusal(error.response)
    except requests.exceptions.SSLError:
        words = "TLS: no handshake, or a certificate that is not valid for this peer"
        return Answer(Verdict.LATER, None, words)
    except (requests.RequestException, ValueError, TypeError, KeyError, Xml.ParseError) as error:
        return Answer(Verdict.LATER, None, f"no answer: {type(error).__name__}")


def _of_refusal(response: requests.Response | None) -> Answer:
    code = response.status_code if response is not None else 0
    words = f"HTTP status {code}"
    if response is None or code not in _FOR_GOOD:
        return Answer(Verdict.LATER, None, words)
    if code != _CONFLICT:
        return Answer(Verdict.REFUSED, Status.PROCESSING_FAILURE, words)
    reason = _failure_reason(response)
    if reason is None:  # a conflict with what, if not with the same object?
        reason = Status.DUPLICATE_SOP_INSTANCE
    return _of_failure(reason)


def _failure_reason(response: requests.Response) -> int | None:
    """Read the Failure Reason of the one instance; None where the body names none."""
    try:
        if "xml" in response.headers.get("Content-Type", ""):
            path = f".//DicomAttribute[@tag='{_FAILURE_REASON}']/Value"
            reason = Xml.fromstring(response.content).findtext(path)  # expat knows no bombs
            return None if reason is None else int(reason)
        failed = Dataset.from_json(response.json()).get("FailedSOPSequence")
        return int(failed[0].FailureReason) if failed else None
    except (ValueError, TypeError, KeyError, AttributeError, Xml.ParseError):
        return None


def _of_response(response: Dataset) -> Answer:
    """Read the Store Instances Response Module (PS3.18 10.5.3.2)."""
    failed = response.get("FailedSOPSequence")
    if failed:
        return _of_failure(int(failed[0].get("FailureReason", Status.PROCESSING_FAILURE)))
    stored = response.get("ReferencedSOPSequence")
    if not stored:
        return Answer(Verdict.LATER, None, "the answer names no instance")
    status = int(stored[0].get("WarningReason", 0))
    return Answer(Verdict.KEPT, status, f"status {status:04X}")


def _of_failure(status: int) -> Answer:
    verdict = judge(status)
    if verdict is Verdict.KEPT:  # a warning code in the failed list: it was not stored
        verdict = Verdict.REFUSED
    return Answer(verdict, status, f"status {status:04X}")
