"""A study from its images to its outcome: the daemon's steps, one after the other."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.assembly.routing import Route, asked_of
from daemon.clock import Clock
from daemon.dicom.header import Header
from daemon.errors import Unavailable
from daemon.logs import study_key
from daemon.reading.device.guard import Offline
from daemon.reading.opened import OpenStudy
from daemon.reading.readers import Reads
from daemon.reading.sandbox import Describe
from daemon.records import (
    NO_MODEL,
    Instance,
    Job,
    Reason,
    Reported,
    ResultFile,
    StudyReading,
    Withdrawal,
)
from daemon.settings import Settings

logger = logging.getLogger(__name__)

Report = Callable[[StudyReading, Withdrawal | None], Reported]
_WORKER = "wristd read"


def _nothing() -> None:
    """Keep no lease: nobody else wants the job."""


@dataclass(frozen=True, eq=False)
class Studies:
    """Reads studies and writes their results.

    Attributes
    ----------
    settings : Settings
    reader, report
        As the daemon's worker has them.
    describe : callable
        Reads the header of an image, in a child process.
    route : callable
        Names the models that read an image.
    clock : Clock
    """

    settings: Settings
    reader: Reads
    report: Report
    describe: Describe
    route: Route
    clock: Clock

    def read(
        self, study_uid: str, images: Sequence[Instance]
    ) -> Iterator[tuple[StudyReading, list[ResultFile]]]:
        """Give what each model that is asked makes of a study; at least one says why none is.

        Nothing waits for further views: a study has the images that it has.

        Raises
        ------
        Unavailable
            The disk does not take the results.
        """
        described = tuple(self._described(study_uid, one) for one in images)
        asked = asked_of(described, self.route)
        names = [one.name for one in self.settings.models if one.name in asked] or [NO_MODEL]
        reason = Reason.NO_MODEL if NO_MODEL in names else None
        if self.settings.assembly.changed_content == "hold" and any(one.revision for one in images):
            reason = Reason.CONTENT_CHANGED
        for name in names:
            yield self._done(self._job(study_uid, described, name, reason))

    def _described(self, study_uid: str, image: Instance) -> Instance:
        """Return an image with its header; without, where the medium does not give it."""
        named = Header(image.sop_class_uid, image.sop_instance_uid, study_uid)
        try:
            return replace(image, header=self.describe(Path(image.file), named))
        except Unavailable as error:
            logger.warning("a header is not read: %s", error, extra=_about(study_uid))
            return image

    def _job(
        self, study_uid: str, images: tuple[Instance, ...], name: str, reason: Reason | None
    ) -> Job:
        return Job(
            job_id=0,  # no ledger, no row
            study_uid=study_uid,
            attempt=1,
            worker=_WORKER,
            lease_until=self.clock(),
            instances=images,
            reason=reason,
            model_name=name,
        )

    def _done(self, job: Job) -> tuple[StudyReading, list[ResultFile]]:
        """Read and report a job; after a defect of ours its outcome is just that."""
        reading = self._reading(job)
        try:
            return reading, list(self.report(reading, None).files)
        except Unavailable:
            raise
        except Exception:  # as the daemon's worker: no outcome is lost with its report
            logger.exception("no report", extra=_about(job.study_uid))
            return self.reader.unread(job, Reason.FAILED_REPEATEDLY, self.clock()), []

    def _reading(self, job: Job) -> StudyReading:
        for _ in range(self.settings.reading.max_attempts):
            try:
                opened = self.reader.open(job, self.clock(), _nothing)
                if isinstance(opened, OpenStudy):
                    return self.reader.infer([opened], self.clock())[0]
            except Offline:
                return self.reader.unread(job, Reason.MODEL_OFFLINE, self.clock())
            except Unavailable as error:
                logger.warning("attempt failed: %s", error, extra=_about(job.study_uid))
            except Exception:  # a defect of ours costs this study an attempt, and no other
                logger.exception("reading failed", extra=_about(job.study_uid))
            else:
                return opened
        return self.reader.unread(job, Reason.FAILED_REPEATEDLY, self.clock())


def _about(study_uid: str) -> dict[str, object]:
    return {"study": study_key(study_uid)}
