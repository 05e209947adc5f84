"""Read a study: every image ends with a category, or with the reason why it has none."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from daemon import outcome
from daemon.dicom.agreement import disagreements
from daemon.dicom.header import Header
from daemon.errors import Unavailable
from daemon.ledger.jobs.inputs import inputs_digest
from daemon.logs import study_key
from daemon.reading.analysis.prediction import Analysis, Prediction, Prepared
from daemon.reading.meant import Meant
from daemon.reading.opened import (
    OpenStudy,
    has_presentation,
    named,
    not_analysed,
    presentation_first,
)
from daemon.reading.refused import FileUnavailable, NotReadable
from daemon.reading.sandbox import Decode, Describe
from daemon.records import (
    Category,
    ImageReading,
    Instance,
    Job,
    ModelIdentity,
    Reason,
    StudyReading,
)
from daemon.settings import OperatingPoints
from model.chain_package import AnyPackage, ChainManifest

logger = logging.getLogger(__name__)

_TOGETHER = 64
"""Images handed to the network at once: bounds the memory of a study with many images."""


def _nothing() -> None:
    """Keep no lease: nobody else wants the job."""


@dataclass(frozen=True, eq=False)
class Reader:
    """One model package on its devices, reading studies from the spool.

    `open` may run in several threads at once, `infer` in one. `site_points` are the operating
    points that the site has set in place of the package's.
    """

    package: AnyPackage
    analysis: Analysis
    spool: Path
    settings_digest: str
    decode: Decode
    describe: Describe
    meant: Meant
    site_points: tuple[OperatingPoints, ...] = ()

    @property
    def identity(self) -> ModelIdentity:
        """What every result says of the model."""
        manifest = self.package.manifest
        return ModelIdentity(
            name=manifest.name,
            version=manifest.version,
            digest=self.package.digest,
            calibration=manifest.calibration,
            provider=self.analysis.provider,
        )

    def read(self, job: Job, now: datetime) -> StudyReading:
        """Read every image of a job.

        Raises
        ------
        Unavailable
            The device or the disk failed; nothing was decided.
        """
        opened = self.open(job, now)
        return opened if isinstance(opened, StudyReading) else self.infer([opened], now)[0]

    def open(
        self, job: Job, now: datetime, keep: Callable[[], None] = _nothing
    ) -> OpenStudy | StudyReading:
        """Decode and prepare the images of a job; a reading when there is nothing to infer.

        Parameters
        ----------
        job : Job
        now : datetime
        keep : callable
            Called before each image, so that a lease lasts until all are decoded.

        Raises
        ------
        Unavailable
            The disk does not answer, or the decoder was ended. The file of one image that the disk
            does not give costs that image only, as long as others can be analysed.
        """
        if job.reason is not None:
            return self.unread(job, job.reason, now)
        headers = [self._header_if_given(job, instance) for instance in job.instances]
        differ = disagreements(headers)
        if differ and not job.is_released:
            logger.error("held, images disagree in: %s", ", ".join(differ), extra=_context(job))
            return self.unread(job, Reason.IDENTITY_CONFLICT, now)
        images = [not_analysed(header, Reason.UNREADABLE) for header in headers]
        opened = OpenStudy(job, images, disagreements=tuple(differ))
        not_given: list[int] = []
        for index in presentation_first(headers):
            keep()
            try:
                self._open_image(opened, index)
            except FileUnavailable:
                not_given.append(index)
        for index in not_given:
            keep()
            self._open_again(opened, index)
        return opened if opened.ready else self._judged(opened, now)

    def infer(self, studies: Sequence[OpenStudy], now: datetime) -> list[StudyReading]:
        """Run the network over the images of several studies.

        Raises
        ------
        Unavailable
            The device failed; nothing was decided.
        """
        every = [(study, prepared) for study in studies for prepared in study.ready]
        for start in range(0, len(every), _TOGETHER):
            some = every[start : start + _TOGETHER]
            answers = self.analysis.run([prepared for _, prepared in some])
            for (study, prepared), answer in zip(some, answers, strict=True):
                unread = study.images[prepared.index]
                study.images[prepared.index] = self._image(unread, prepared, answer)
        return [self._judged(study, now) for study in studies]

    def unread(
        self, job: Job, reason: Reason, now: datetime, model: ModelIdentity | None = None
    ) -> StudyReading:
        """Return the reading of a study that was not analysed at all, for one reason.

        It names another model than this one where it is given.
        """
        opened = OpenStudy(job, [self._unread(job, one, reason) for one in job.instances])
        reading = self._study(opened, now, (Category.NOT_ANALYSED, reason))
        return reading if model is None else replace(reading, model=model, site_points=())

    def _unread(self, job: Job, instance: Instance, reason: Reason) -> ImageReading:
        try:
            header = self._header(job, instance)
        except Unavailable:  # a report that names the image is better than none
            header = named(job, instance)
        return not_analysed(header, reason)

    def _header(self, job: Job, instance: Instance) -> Header:
        """Return an image's header, read now where nobody has read it yet and its file is here."""
        if instance.header is not None or not instance.is_here:
            return instance.header or named(job, instance)
        return self.describe(self.spool / instance.file, named(job, instance))

    def _header_if_given(self, job: Job, instance: Instance) -> Header:
        try:
            return self._header(job, instance)
        except FileUnavailable:  # nothing is known of it that could contradict the others
            return named(job, instance)

    def _open_again(self, opened: OpenStudy, index: int) -> None:
        """Try once more an image whose file the disk did not give; go without it if others do."""
        try:
            self._open_image(opened, index)
        except FileUnavailable as error:
            if not opened.ready:
                raise
            logger.warning("not analysed: %s", error, extra=_context(opened.job))

    def _open_image(self, opened: OpenStudy, index: int) -> None:
        """Decode one image, or note why it is not read."""
        try:
            opened.ready.append(self._prepare(opened, index))
        except NotReadable as error:
            logger.warning("not analysed: %s", error, extra=_context(opened.job))
            opened.images[index] = replace(opened.images[index], reason=error.reason)

    def _prepare(self, opened: OpenStudy, index: int) -> Prepared:
        instance, header = opened.job.instances[index], opened.images[index].header
        if not instance.is_here:
            raise NotReadable(Reason.ON_ANOTHER_HOST, Reason.ON_ANOTHER_HOST.value)
        if header is not None:
            if reason := self.meant.objection(header, instance.origin):
                raise NotReadable(reason, reason.value)
            if header.for_processing and has_presentation(opened, header):
                raise NotReadable(Reason.PRESENTATION_READ, Reason.PRESENTATION_READ.value)
        return self.analysis.prepare(index, self.decode(self.spool / instance.file), header)

    def _judged(self, study: OpenStudy, now: datetime) -> StudyReading:
        manifest = self.package.manifest
        if isinstance(manifest, ChainManifest) and manifest.fusion is not None:
            study.images[:] = outcome.fused(study.images, manifest.fusion)
        return self._study(study, now, outcome.of_study(study.images))

    def _study(
        self, study: OpenStudy, now: datetime, verdict: tuple[Category, Reason | None]
    ) -> StudyReading:
        category, reason = verdict
        return StudyReading(
            study_uid=study.job.study_uid,
            category=category,
            reason=reason,
            images=tuple(study.images),
            model=self.identity,
            settings_digest=self.settings_digest,
            read_at=now,
            supersedes=study.job.supersedes,
            inputs_digest=inputs_digest(study.job.instances),
            disagreements=study.disagreements,
            model_name=study.job.model_name,
            site_points=self.site_points,
        )

    def _image(self, unread: ImageReading, prepared: Prepared, answer: Prediction) -> ImageReading:
        seen = replace(
            unread,
            reason=answer.reason,
            radiograph=prepared.decoded.radiograph,
            placement=answer.placement,
            input_size=answer.size,
            grey=prepared.decoded.grey,
            notes=prepared.decoded.notes,
            landmarks=answer.landmarks,
        )
        if answer.reason is not None:
            return seen
        scores = tuple(
            outcome.judge(spec, float(answer.probabilities[spec.class_index]))
            for spec in self.package.manifest.findings
        )
        category = outcome.worst([score.category for score in scores])
        return replace(seen, category=category, scores=scores, evidence=answer.evidence)


def _context(job: Job) -> dict[str, object]:
    return {"study": study_key(job.study_uid), "job": job.job_id, "attempt": job.attempt}
