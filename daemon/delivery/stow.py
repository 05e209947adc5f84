"""Send results by STOW-RS (PS3.18 10.5), one object a request, and translate each answer.

dicomweb-client encodes and sends. Credentials come from ~/.netrc of the daemon's user.
"""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from typing_extensions import override

from daemon.delivery.answer import Answer, Verdict, judge
from daemon.records import ResultFile
from daemon.settings import WebDestination

_FOR_GOOD = frozenset({400, 406, 409, 413, 415, 422})
"""HTTP says that the request itself is at fault; whatever else it says may pass."""
_PROCESSING_FAILURE = 0x0110

for _name in ("dicomweb_client", "urllib3"):
    logging.getLogger(_name).setLevel(logging.ERROR)  # they quote URLs with Study UIDs


@dataclass(frozen=True)
class StowUser:
    """The DICOMweb user agent for one destination."""

    destination: WebDestination
    timeout_s: float

    def send(self, results: Sequence[ResultFile], outbox: Path) -> Generator[Answer]:
        """Send files over one HTTP connection; one answer for each, in their order, as it comes."""
        with Session(self.timeout_s) as session:
            client = DICOMwebClient(self.destination.url, session=session)
            client.set_http_retry_params(retry=False)
            for result in results:
                answer = _store(client, outbox / result.file)
                yield answer
                if answer.is_silence:
                    return


class Session(requests.Session):
    """An HTTP session in which no silence of the peer lasts for ever."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    @override
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request; the longest silence of the peer is limited."""
        return super().send(request, **{**options, "timeout": self._timeout_s})


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
        code = error.response.status_code if error.response is not None else 0
        verdict = Verdict.REFUSED if code in _FOR_GOOD else Verdict.LATER
        status = None if verdict is Verdict.LATER else _PROCESSING_FAILURE
        return Answer(verdict, status, f"HTTP status {code}")
    except (requests.RequestException, ValueError) as error:
        return Answer(Verdict.LATER, None, f"no answer: {type(error).__name__}")


def _of_response(response: Dataset) -> Answer:
    """Read the Store Instances Response Module (PS3.18 10.5.3.2)."""
    failed = response.get("FailedSOPSequence")
    if failed:
        status = int(failed[0].get("FailureReason", _PROCESSING_FAILURE))
        verdict = judge(status)
        if verdict is Verdict.KEPT:  # a warning code in the failed list: it was not stored
            verdict = Verdict.REFUSED
        return Answer(verdict, status, f"status {status:04X}")
    stored = response.get("ReferencedSOPSequence")
    if not stored:
        return Answer(Verdict.LATER, None, "the answer names no instance")
    status = int(stored[0].get("WarningReason", 0))
    return Answer(Verdict.KEPT, status, f"status {status:04X}")
