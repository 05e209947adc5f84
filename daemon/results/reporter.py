"""From a reading to result files in the outbox: a report always comes, or the disk is at fault."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from daemon.dicom.agreement import disagreements, issued_under
from daemon.logs import study_key
from daemon.records import HELD, ModelIdentity, Reported, StudyReading, Withdrawal
from daemon.results.attempt import LeftOut, attempt
from daemon.results.build import build_results, wanted_reports
from daemon.results.document.withdrawal import Why, rejection_note
from daemon.results.example import example
from daemon.results.last_resort import last_resort
from daemon.results.outbox import write, write_as_it_is
from daemon.results.picture.heat import degenerate_maps
from daemon.results.result import ResultKind, ResultObject
from daemon.results.validate import InvalidResult
from daemon.settings import Destination, ReportSettings
from daemon.signals import Signal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Reporter:
    """Makes the results of readings."""

    settings: ReportSettings
    destinations: Sequence[Destination]
    outbox: Path

    def report(self, reading: StudyReading, withdrawal: Withdrawal | None) -> Reported:
        """Write the results of a reading.

        What cannot be made is left out, counted and said. In place of a report that cannot be made
        goes the report of last resort.

        Parameters
        ----------
        reading : StudyReading
        withdrawal : Withdrawal or None
            Results of the study that must not stand: a rejection note for them comes first.

        Returns
        -------
        Reported
            Nothing when the study is held.

        Raises
        ------
        Unavailable
            The disk does not take them.
        """
        if reading.reason in HELD:
            return Reported()
        happened: list[Signal] = []
        left_out = _left_out(study_key(reading.study_uid), happened)
        objects = (
            attempt(ResultKind.REPORT, partial(self._build, reading, left_out, happened), left_out)
            or []
        )
        if withdrawal is not None:
            make = partial(self._note, reading, withdrawal)
            note = attempt(ResultKind.WITHDRAWAL, make, left_out)
            objects = objects if note is None else [note, *objects]
        files = write(objects, self.outbox, reading.study_uid, left_out)
        reported = {file.sop_class_uid for file in files}
        missing = {
            sop_class: names
            for sop_class, names in wanted_reports(self.destinations).items()
            if sop_class not in reported
        }
        number = self.settings.first_series_number
        for sop_class, names in missing.items():
            made = last_resort(reading, sop_class, names, number)
            files.append(write_as_it_is(made, self.outbox, reading.study_uid))
        return Reported(files, Counter(happened))

    def warm_up(self, model: ModelIdentity, now: datetime) -> None:
        """Make results that nobody gets: what takes its time is loaded then, tables of highdicom.

        The first study after a start would wait half a second for it.
        """
        build_results(example(model, now), self.settings, self.destinations)

    def _build(
        self, reading: StudyReading, left_out: LeftOut, happened: list[Signal]
    ) -> list[ResultObject]:
        objects = build_results(reading, self.settings, self.destinations, left_out)
        if lost := degenerate_maps(reading):
            happened += [Signal.DEGENERATE_HEAT_MAPS] * lost
            logger.warning("evidence not usable for %d findings: not drawn", lost)
        return objects

    def _note(self, reading: StudyReading, withdrawal: Withdrawal) -> ResultObject:
        """Reject what was made from content that was replaced (IHE IOCM).

        Another patient or study is a correction (113038, DCM): archives then show the old objects
        to nobody. Other content of the same patient's images is a matter of quality (113001, DCM).
        """
        header = replace(withdrawal.header, study_uid=reading.study_uid)
        now = [image.header for image in reading.images if image.header is not None]
        corrected = disagreements([header, issued_under(now or [header])])
        why = Why.WRONG_WORKLIST_ENTRY if corrected else Why.QUALITY
        number = self.settings.first_series_number
        return rejection_note(header, withdrawal.objects, why, reading.read_at, number)


def _left_out(study: str, happened: list[Signal]) -> LeftOut:
    """Return what says that an object is left out; several threads may."""

    def tell(kind: str, error: Exception) -> None:
        words = str(error) if isinstance(error, InvalidResult) else type(error).__name__
        logger.error("left out: %s: %s", kind, words, extra={"study": study})
        happened.append(Signal.RESULT_LEFT_OUT)

    return tell
