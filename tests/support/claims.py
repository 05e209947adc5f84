"""What we promise of every study, checked from the outside: on what the PACS holds afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from pydicom import Dataset, FileDataset
from pydicom.uid import Comprehensive3DSRStorage, SecondaryCaptureImageStorage

from tests.support.tools import run_tool, tool
from tests.support.wrap import Study

ANALYSED = ("positive", "doubt", "negative")
NOT_ANALYSED = "not analysed"
IDENTITY = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyInstanceUID",
    "StudyID",
)
"""What a result must share with the images it speaks of."""


@dataclass(frozen=True)
class Claim:
    """One promise for one study, and whether it was kept."""

    study: str
    text: str
    kept: bool


@dataclass(frozen=True)
class Answer:
    """One study with what came back for it.

    `state` is the ledger's row, `objects` is all that the PACS holds of the study.
    """

    study: Study
    state: Mapping[str, Any]
    objects: Sequence[FileDataset]

    @property
    def reports(self) -> list[FileDataset]:
        """The structured reports."""
        return [one for one in self.objects if one.SOPClassUID == Comprehensive3DSRStorage]

    @property
    def captures(self) -> list[FileDataset]:
        """The secondary captures, in the order of their series and numbers."""
        found = [one for one in self.objects if one.SOPClassUID == SecondaryCaptureImageStorage]
        return sorted(found, key=lambda one: (one.SeriesNumber or 0, one.InstanceNumber or 0))

    @property
    def images(self) -> list[FileDataset]:
        """What the PACS held before."""
        results = {one.SOPInstanceUID for one in (*self.reports, *self.captures)}
        return [one for one in self.objects if one.SOPInstanceUID not in results]


def claims(answer: Answer) -> list[Claim]:
    """Check every promise that can be checked for a study."""
    state, images = answer.state, answer.images
    results = [*answer.reports, *answer.captures]
    delivered = state["deliveries"].get("delivered", 0)
    outcome = state["category"]
    checked = {
        "has exactly one explicit outcome": outcome in (*ANALYSED, NOT_ANALYSED),
        "not analysed always has a reason": bool(state["reason"]) == (outcome == NOT_ANALYSED),
        "the daemon names the provider it ran on": bool(state["provider"]),
        "the PACS holds one report": len(answer.reports) == 1,
        "the PACS holds the summary picture": len(answer.captures) >= 1,
        "all that the daemon calls delivered is in the PACS": delivered == len(results) > 0,
        "the images are all still there": len(images) == len(answer.study.files),
        "results carry the images' patient, study and order": _same_identity(images, results),
        "results are series of their own": not (_series(images) & _series(results)),
    }
    if answer.study.is_wrist is False:
        checked["what is no wrist is not analysed"] = outcome == NOT_ANALYSED
    if outcome == NOT_ANALYSED:
        checked["not analysed: the summary says so, no picture is annotated"] = (
            len(answer.captures) == 1
        )
    else:
        checked["there is an annotated picture beside the summary"] = len(answer.captures) > 1
    return [Claim(answer.study.title, text, kept) for text, kept in checked.items()]


def report_text(report: FileDataset, folder: Path) -> str:
    """Return a report as indented text: by DCMTK's dsrdump, or by walking its content tree."""
    if tool("dsrdump") is None:
        return "\n".join(_walk(report, 0))
    file = folder / "report.dcm"
    report.save_as(file, enforce_file_format=True)
    _code, text = run_tool("dsrdump", "-q", "+Pl", file)
    return text.strip()


def write_pictures(answer: Answer, folder: Path) -> list[Path]:
    """Write the captures of a study as PNG files and its report as text."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, capture in enumerate(answer.captures, start=1):
        file = folder / f"{number}-{slug(capture.get('SeriesDescription') or 'capture')}.png"
        Image.fromarray(capture.pixel_array).save(file)
        files.append(file)
    for report in answer.reports:
        (folder / "report.txt").write_text(report_text(report, folder) + "\n")
    return files


def _walk(item: Dataset, depth: int) -> list[str]:
    """Describe a content item (PS3.3 C.17.3) and those below it."""
    names = item.get("ConceptNameCodeSequence")
    name = names[0].CodeMeaning if names else item.get("ValueType", "")
    lines = [f"{'  ' * depth}{name}: {_value(item)}".rstrip(": ")]
    for child in item.get("ContentSequence", []):
        lines += _walk(child, depth + 1)
    return lines


def _value(item: Dataset) -> str:
    for keyword in ("TextValue", "UID", "PersonName", "DateTime"):
        if keyword in item:
            return str(item[keyword].value)
    for keyword in ("ConceptCodeSequence", "MeasuredValueSequence", "ReferencedSOPSequence"):
        if item.get(keyword):
            first = item[keyword].value[0]
            return str(
                first.get("CodeMeaning")
                or first.get("NumericValue")
                or first.get("ReferencedSOPInstanceUID", "")
            )
    return ""


def _same_identity(images: Sequence[Dataset], results: Sequence[Dataset]) -> bool:
    def identity(dataset: Dataset) -> tuple[str, ...]:
        return tuple(str(dataset.get(keyword) or "") for keyword in IDENTITY)

    return len({identity(one) for one in (*images, *results)}) == 1


def _series(datasets: Sequence[Dataset]) -> set[str]:
    return {str(one.SeriesInstanceUID) for one in datasets}


def slug(text: str) -> str:
    """Return the text as a file name."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())
