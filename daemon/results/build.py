"""All result objects of one reading: report, summary, annotated copies, heat maps, outlines."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from daemon.dicom.header import Header
from daemon.records import HELD, StudyReading
from daemon.results.attempt import LeftOut, attempt, refuse
from daemon.results.document.instance import Basis
from daemon.results.document.presentation import presentation_states
from daemon.results.document.structured_report import build_report
from daemon.results.picture.capture import build_captures
from daemon.results.picture.frame import plain_copy
from daemon.results.result import ResultKind, ResultObject
from daemon.results.validate import check_identity
from daemon.settings import Destination, ReportSettings

__all__ = ["ResultObject", "build_results"]

_REPORT_CLASSES: dict[str, UID] = {
    "comprehensive-3d": Comprehensive3DSRStorage,
    "comprehensive": ComprehensiveSRStorage,
}


def build_results(
    reading: StudyReading,
    report: ReportSettings,
    destinations: Sequence[Destination] = (),
    left_out: LeftOut = refuse,
) -> list[ResultObject]:
    """Make the result objects of a reading.

    Parameters
    ----------
    reading : StudyReading
        Every image with its header.
    report : ReportSettings
        The settings that shape results.
    destinations : sequence of Destination
        Where they go: a report of each class that one of them wants; without any, Comprehensive
        3D SR.
    left_out : LeftOut
        Told of every object that cannot be made; without it that raises.

    Returns
    -------
    list of ResultObject
        Empty when the study is held: whose result would it be?

    Raises
    ------
    ValueError
        There is no image, or one without its header.
    """
    if reading.reason in HELD:
        return []
    basis = Basis.of(reading, report)
    results = [
        attempt(ResultKind.REPORT, partial(_report, basis, sop_class, names), left_out)
        for sop_class, names in wanted_reports(destinations).items()
    ]
    results += build_captures(basis, left_out)
    plain_copy.cache_clear()  # it holds the pixels of two images
    if report.presentation_state:
        results += presentation_states(basis, left_out)
    identified = (
        attempt(one.kind, partial(_identified, one, basis.issued_under), left_out)
        for one in results
        if one is not None
    )
    return [one for one in identified if one is not None]


def wanted_reports(
    destinations: Sequence[Destination],
) -> dict[UID, tuple[str, ...]]:
    """Return the wanted report classes; with their destinations, if those differ."""
    wanted: dict[str, list[str]] = {}
    for destination in destinations:
        wanted.setdefault(destination.report, []).append(destination.name)
    if len(wanted) > 1:
        return {_REPORT_CLASSES[form]: tuple(names) for form, names in sorted(wanted.items())}
    return {_REPORT_CLASSES[form]: () for form in wanted or ("comprehensive-3d",)}


def _report(basis: Basis, sop_class: UID, names: tuple[str, ...]) -> ResultObject:
    return replace(build_report(basis, sop_class), destinations=names)


def _identified(result: ResultObject, header: Header) -> ResultObject:
    """Let a result pass that belongs to the patient and study of its source."""
    check_identity(result.dataset, header)
    return result
