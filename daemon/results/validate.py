"""The gate before the outbox: what is not valid is never sent.

Our own checks always run; where dicom3tools is installed, dciodvfy has to report no error. A fault
that dciodvfy finds in an identifier that was copied to the letter is the source's, not ours. What
it says may quote a header: only the tags that it names leave this module.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import DataElement, Dataset, config
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
)
from pydicom.valuerep import VR

from daemon.dicom.header import Header
from daemon.dicom.values import is_uid
from daemon.errors import Rejected
from daemon.identity import is_own_uid
from daemon.results.document.inheritance import IDENTIFIERS

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
_NEEDED_BY: dict[str, tuple[str, ...]] = {
    Comprehensive3DSRStorage: _NEEDED_BY_REPORTS,
    ComprehensiveSRStorage: _NEEDED_BY_REPORTS,
    GrayscaleSoftcopyPresentationStateStorage: (
        "ContentLabel",
        "PresentationCreationDate",
        "PresentationLUTShape",
        "ReferencedSeriesSequence",
        "DisplayedAreaSelectionSequence",
        "GraphicAnnotationSequence",
    ),
    KeyObjectSelectionDocumentStorage: (
        *_DATED,
        "ContentSequence",
        "CurrentRequestedProcedureEvidenceSequence",
    ),
}
"""By SOP class; all others are pictures."""

_FOREIGN_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "ReferencedSOPInstanceUID")
"""May be another's, copied to the letter even where components begin with zeros."""

_COPIED_TAGS = frozenset(map(tag_for_keyword, (*IDENTIFIERS, *_FOREIGN_UIDS)))
_SUMMARY_LINE = "Dicom dataset contains invalid data values for Value Representations"
_TAG_OF_VALUE = re.compile(
    r"Error - (?:Value invalid for this VR -|Illegal root for UID - .* in)"
    r" \(0x([0-9a-f]{4}),0x([0-9a-f]{4})\)"
)
_COPIED_TABLE = "Error - LookupTableData bad"
"""A table that does not use all of its bits: dciodvfy suspects it, but DICOM does not forbid it."""
_TOO_LONG = re.compile(
    r"Error - Value invalid for this VR .* (?:LO|PN|SH|UC) \[.* - "
    r"Length invalid for this VR = \d+, expected <= \d+"
)
"""dciodvfy counts bytes where PS3.5 6.2 counts characters; `check` does that."""
_MOST_CHARACTERS = {VR.SH: 16, VR.LO: 64, VR.PN: 64}
"""In a value, or in a component group of a name."""
_TOO_MANY = "Error - Bad attribute Value Multiplicity"
_KEYWORD = re.compile(r" Element=<(\w+)>")
"""Where dciodvfy names an attribute; a value comes behind."""


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
        if element.VR == VR.UI and not _are_uids(element.keyword, element.value)
    ]
    problems += [
        f"{element.keyword} is too long"
        for element in dataset.iterall()
        if element.keyword not in IDENTIFIERS and not _fits(element)
    ]
    if "PixelData" in dataset and len(dataset.PixelData) != _pixel_bytes(dataset):
        problems.append("PixelData has not the length that the header says")
    if problems:
        raise InvalidResult(f"invalid result: {'; '.join(problems)}")


def check_identity(dataset: Dataset, header: Header) -> None:
    """Check that a result belongs to the patient and study that it is issued under.

    Raises
    ------
    InvalidResult
    """
    for keyword, field in IDENTIFIERS.items():
        value = dataset.get(keyword) or ""
        text = value if isinstance(value, str) else "\\".join(value)
        if text != getattr(header, field):
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
        named = sorted({tag for line in errors if (tag := _tag_of(line)) is not None})
        tags = " ".join(f"(0x{tag >> 16:04x},0x{tag & 0xFFFF:04x})" for tag in named)
        raise InvalidResult(f"invalid result: dciodvfy: {len(errors)} errors; tags: {tags or '-'}")


def _own_errors(lines: Sequence[str]) -> list[str]:
    """Return the errors that are ours."""
    errors = [line for line in lines if line.startswith("Error")]
    own = [line for line in errors if not (_is_of_the_source(line) or _TOO_LONG.fullmatch(line))]
    if len(own) < len(errors):
        own = [line for line in own if _SUMMARY_LINE not in line]
    return own


def _is_of_the_source(line: str) -> bool:
    """Tell whether an error is about what was copied to the letter."""
    if line.startswith(_COPIED_TABLE):
        return True
    tag = _tag_of(line) if line.startswith(_TOO_MANY) else _tag_of_value(line)
    return tag in _COPIED_TAGS


def _tag_of(line: str) -> int | None:
    """Return the tag of the attribute that an error is about, where it names one."""
    keyword = _KEYWORD.search(line)
    return tag_for_keyword(keyword[1]) if keyword else _tag_of_value(line)


def _tag_of_value(line: str) -> int | None:
    """Return the tag where an error is about a value."""
    match = _TAG_OF_VALUE.match(line)
    return int(match[1] + match[2], 16) if match else None


def _needed(dataset: Dataset) -> tuple[str, ...]:
    return _NEEDED + _NEEDED_BY.get(str(dataset.get("SOPClassUID")), _NEEDED_BY_IMAGES)


def _are_uids(keyword: str, value: object) -> bool:
    values = [value] if isinstance(value, str) else list(value or [])  # type: ignore[call-overload]
    if keyword in _FOREIGN_UIDS:
        return all(map(is_uid, values))
    return all(UID(one, validation_mode=config.IGNORE).is_valid for one in values)


def _fits(element: DataElement) -> bool:
    """Tell whether a text has no more characters than its VR may have."""
    most = _MOST_CHARACTERS.get(VR(element.VR))
    if most is None or not element.value:
        return True
    values = element.value if isinstance(element.value, MultiValue) else [element.value]
    return all(len(part) <= most for value in values for part in str(value).split("="))


def _pixel_bytes(dataset: Dataset) -> int:
    size = int(dataset.Rows) * int(dataset.Columns) * int(dataset.SamplesPerPixel)
    return size + size % 2
