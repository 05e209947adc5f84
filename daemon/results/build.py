"""All result objects of one reading: report, summary, annotated copies, heat maps, outlines."""

from collections.abc import Sequence
from dataclasses import replace

from pydicom import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage

from daemon.records import Reason, StudyReading
from daemon.results.capture import build_captures
from daemon.results.frame import plain_copy
from daemon.results.instance import Basis
from daemon.results.presentation import presentation_states
from daemon.results.report import build_report
from daemon.results.result import ResultObject
from daemon.results.validate import check_identity
from daemon.settings import Destination, Report, WebDestination

__all__ = ["ResultObject", "build_results"]

_REPORT_CLASSES: dict[str, UID] = {
    "comprehensive-3d": Comprehensive3DSRStorage,
    "comprehensive": ComprehensiveSRStorage,
}


def build_results(
    reading: StudyReading,
    sources: Sequence[Dataset],
    report: Report,
    destinations: Sequence[Destination | WebDestination] = (),
) -> list[ResultObject]:
    """Make the result objects of a reading.

    Parameters
    ----------
    reading : StudyReading
    sources : sequence of Dataset
        The headers of the images, in the order of `reading.images`.
    report : Report
        The settings that shape results.
    destinations : sequence of Destination or WebDestination
        Where they go: a report of each class that one of them wants; without any, Comprehensive
        3D SR.

    Returns
    -------
    list of ResultObject
        Empty when the study is held because of an identity conflict: whose result would it be?

    Raises
    ------
    InvalidResult
        A result would not belong to the patient and study of its source.
    ValueError
        The sources are not those of the reading.
    """
    if reading.reason is Reason.IDENTITY_CONFLICT:
        return []
    basis = Basis.of(reading, sources, report)
    results = [*_reports(basis, destinations), *build_captures(basis)]
    plain_copy.cache_clear()  # it holds the pixels of two images
    if report.presentation_state:
        results += presentation_states(basis)
    for result in results:
        check_identity(result.dataset, basis.sources[0])
    return results


def _reports(
    basis: Basis, destinations: Sequence[Destination | WebDestination]
) -> list[ResultObject]:
    """Return a report of each class that is wanted, addressed where there are two."""
    wanted: dict[str, list[str]] = {}
    for destination in destinations:
        wanted.setdefault(destination.report, []).append(destination.name)
    if len(wanted) > 1:
        return [
            replace(build_report(basis, _REPORT_CLASSES[form]), destinations=tuple(names))
            for form, names in sorted(wanted.items())
        ]
    return [build_report(basis, _REPORT_CLASSES[form]) for form in wanted or ("comprehensive-3d",)]
