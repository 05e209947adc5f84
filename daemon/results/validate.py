"""The gate before the outbox: what is not valid is never sent.

Our own checks always run; where dicom3tools is installed, dciodvfy has to report no error. A fault
that dciodvfy finds in an identifier that was copied to the letter is the source's, not ours.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.uid import UID
from pydicom.valuerep import VR

from daemon.errors import Rejected
from daemon.identity import is_own_uid
from daemon.results.header import IDENTIFIERS

_TIMEOUT_S = 120.0
_OUR_UIDS = ("SOPInstanceUID", "SeriesInstanceUID")
_NEEDED = (
    "SOPClassUID",
    "StudyInstanceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
)
_DATED = ("ContentDate", "ContentTime")
_NEEDED_BY_IMAGES = (
    *_DATED,
    "BurnedInAnnotation",
    "ConversionType",
    "SourceImageSequence",
    "PixelData",
)
_NEEDED_BY_REPORTS = (
    *_DATED,
    "CompletionFlag",
    "VerificationFlag",
    "PreliminaryFlag",
    "ContentSequence",
    "CurrentRequestedProcedureEvidenceSequence",
)
_NEEDED_BY = {
    "SR": _NEEDED_BY_REPORTS,
    "PR": (
        "ContentLabel",
        "PresentationCreationDate",
        "PresentationLUTShape",
        "ReferencedSeriesSequence",
        "DisplayedAreaSelectionSequence",
        "GraphicAnnotationSequence",
    ),
    "KO": (*_DATED, "ContentSequence", "CurrentRequestedProcedureEvidenceSequence"),
}
"""By modality; all others are pictures."""

_COPIED_TAGS = tuple(
    f"(0x{tag >> 16:04x},0x{tag & 0xFFFF:04x})"
    for tag in (tag_for_keyword(keyword) for keyword in IDENTIFIERS)
    if tag is not None
)
_SUMMARY_LINE = "Dicom dataset contains invalid data values for Value Representations"
_VALUE = re.compile(r"(?<=(?:= |e ))<.*?>")
"""How dciodvfy quotes a value: ``[1] = <...>`` or ``value <...>``; names stand in <> too."""


class InvalidResult(Rejected):
    """A result object breaks DICOM's rules; it was not sent. This is a bug to report."""


def check(dataset: Dataset) -> None:
    """Check a result's own consistency.

    Raises
    ------
    InvalidResult
        With every problem; no values, which may name a patient.
    """
    problems = [f"{keyword} is missing" for keyword in _needed(dataset) if not dataset.get(keyword)]
    problems += [
        f"{keyword} is not ours"
        for keyword in _OUR_UIDS
        if not is_own_uid(str(dataset.get(keyword, "")))
    ]
    problems += [
        f"{element.keyword} holds an invalid UID"
        for element in dataset.iterall()
        if element.VR == VR.UI and not _are_uids(element.value)
    ]
    if "PixelData" in dataset and len(dataset.PixelData) != _pixel_bytes(dataset):
        problems.append("PixelData has not the length that the header says")
    if problems:
        raise InvalidResult(f"invalid result: {'; '.join(problems)}")


def check_identity(dataset: Dataset, source: Dataset) -> None:
    """Check that a result belongs to the same patient and study as its source.

    Raises
    ------
    InvalidResult
    """
    for keyword in IDENTIFIERS:
        if str(dataset.get(keyword) or "") != str(source.get(keyword) or ""):
            raise InvalidResult(f"invalid result: {keyword} differs from the source's")


@contextmanager
def checked(file: Path) -> Iterator[None]:
    """Let dciodvfy judge a written object, where it is installed, while something else is done.

    Raises
    ------
    InvalidResult
        It reported errors, or did not end.
    """
    program = shutil.which("dciodvfy")
    if program is None:
        yield
        return
    with subprocess.Popen(
        [program, str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        yield
        try:
            said = process.communicate(timeout=_TIMEOUT_S)[1]
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise InvalidResult(f"invalid result: dciodvfy ran for {_TIMEOUT_S:g} s") from error
    errors = _own_errors(said.decode(errors="replace").splitlines())
    if errors:
        raise InvalidResult(f"invalid result: dciodvfy: {'; '.join(errors)}")


def _own_errors(lines: Sequence[str]) -> list[str]:
    """Return the errors that are not the source's, without values."""
    errors = [line for line in lines if line.startswith("Error")]
    own = [line for line in errors if not any(tag in line for tag in _COPIED_TAGS)]
    if len(own) < len(errors):
        own = [line for line in own if _SUMMARY_LINE not in line]
    return [_VALUE.sub("<...>", line) for line in own]


def _needed(dataset: Dataset) -> tuple[str, ...]:
    return _NEEDED + _NEEDED_BY.get(str(dataset.get("Modality")), _NEEDED_BY_IMAGES)


def _are_uids(value: object) -> bool:
    values = [value] if isinstance(value, str) else list(value or [])  # type: ignore[call-overload]
    return all(UID(one).is_valid for one in values)


def _pixel_bytes(dataset: Dataset) -> int:
    size = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel)
    return size + size % 2
