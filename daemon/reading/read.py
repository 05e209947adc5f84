"""Read a study: every image ends with a category, or with the reason why it has none."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from daemon import outcome
from daemon.dicom.parse import read_header
from daemon.logs import study_key
from daemon.reading.decoding.decoded import Decoded
from daemon.reading.decoding.refusal import NotReadable
from daemon.reading.patient import disagreements
from daemon.reading.sessions import Network, NetworkOutput
from daemon.records import (
    Category,
    ImageReading,
    Instance,
    Job,
    ModelIdentity,
    Reason,
    StudyReading,
)
from model.package import Manifest, ModelPackage, probabilities
from model.pixels import Placement, prepare

logger = logging.getLogger(__name__)

_TOGETHER = 64
"""Images handed to the network at once: bounds the memory of a study with many images."""

_AGE = re.compile(r"^(\d{3})([DWMY])$")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True, eq=False)
class _Prepared:
    """An image that is ready for the network."""

    index: int
    decoded: Decoded
    tensor: NDArray[np.float32]
    placement: Placement


@dataclass(frozen=True, eq=False)
class OpenStudy:
    """A job whose images are decoded: `ready` for the network, the others with their reason."""

    job: Job
    images: list[ImageReading]
    ready: list[_Prepared]


@dataclass(frozen=True, eq=False)
class Reader:
    """One model package on one device, reading studies from the spool.

    `open` may run in several threads at once, `infer` in one.
    """

    package: ModelPackage
    network: Network
    spool: Path
    settings_digest: str
    decode: Callable[[Path], Decoded]

    @property
    def identity(self) -> ModelIdentity:
        """What every result says of the model."""
        manifest = self.package.manifest
        return ModelIdentity(
            name=manifest.name,
            version=manifest.version,
            digest=self.package.digest,
            calibration=manifest.calibration,
            provider=self.network.provider,
        )

    def read(self, job: Job, now: datetime) -> StudyReading:
        """Read every image of a job.

        Raises
        ------
        Unavailable
            The device failed; nothing was decided.
        """
        opened = self.open(job, now)
        return opened if isinstance(opened, StudyReading) else self.infer([opened], now)[0]

    def open(self, job: Job, now: datetime) -> OpenStudy | StudyReading:
        """Decode and prepare the images of a job; a reading when there is nothing to infer."""
        if job.reason is not None:
            return self.unread(job, job.reason, now)
        if conflict := self._conflict(job):
            logger.error("held, images disagree in: %s", ", ".join(conflict), extra=_context(job))
            return self.unread(job, Reason.IDENTITY_CONFLICT, now)
        opened = OpenStudy(job, [], [])
        for index, instance in enumerate(job.instances):
            try:
                opened.ready.append(self._prepare(index, instance))
                opened.images.append(_unread_image(instance, Reason.UNREADABLE))
            except NotReadable as error:
                logger.warning("not readable: %s", error, extra=_context(job))
                opened.images.append(_unread_image(instance, error.reason))
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
            outputs = self._run([prepared for _, prepared in some])
            for row, (study, prepared) in enumerate(some):
                instance = study.job.instances[prepared.index]
                study.images[prepared.index] = self._image(instance, prepared, outputs, row)
        return [self._judged(study, now) for study in studies]

    def unread(self, job: Job, reason: Reason, now: datetime) -> StudyReading:
        """Return the reading of a study that was not analysed at all, for one reason."""
        images = [_unread_image(instance, reason) for instance in job.instances]
        return self._study(job, images, now, (Category.NOT_ANALYSED, reason))

    def sources(self, job: Job) -> list[Dataset]:
        """Return the headers of a job's images, in their order."""
        return [read_header(self.spool / instance.file) for instance in job.instances]

    def _judged(self, study: OpenStudy, now: datetime) -> StudyReading:
        return self._study(study.job, study.images, now, outcome.of_study(study.images))

    def _conflict(self, job: Job) -> list[str]:
        """Name the attributes in which the images speak of different patients or studies."""
        if len({instance.patient_key for instance in job.instances}) > 1:
            return ["PatientID or IssuerOfPatientID"]
        headers = []
        for instance in job.instances:
            try:
                headers.append(read_header(self.spool / instance.file))
            except NotReadable:
                continue  # it will get its own reason; the others are compared
        return disagreements(headers)

    def _study(
        self,
        job: Job,
        images: Sequence[ImageReading],
        now: datetime,
        verdict: tuple[Category, Reason | None],
    ) -> StudyReading:
        category, reason = verdict
        return StudyReading(
            study_uid=job.study_uid,
            category=category,
            reason=reason,
            images=tuple(images),
            model=self.identity,
            settings_digest=self.settings_digest,
            read_at=now,
            supersedes=job.supersedes,
        )

    def _prepare(self, index: int, instance: Instance) -> _Prepared:
        manifest = self.package.manifest
        decoded = self.decode(self.spool / instance.file)
        _check_meant_for(decoded.header, manifest)
        try:
            tensor, placement = prepare(decoded.radiograph, manifest.pixels)
        except ValueError as error:
            raise NotReadable(Reason.UNREADABLE, str(error)) from error
        return _Prepared(index, decoded, tensor, placement)

    def _run(self, ready: Sequence[_Prepared]) -> dict[str, NetworkOutput]:
        """Run the network until every finding has its evidence.

        The target class decides whose evidence it is; some graphs give all of it at once.
        """
        batch = np.stack([prepared.tensor for prepared in ready])
        outputs: dict[str, NetworkOutput] = {}
        for index, spec in enumerate(self.package.manifest.findings):
            first = next(iter(outputs.values()), None)
            if first is not None and first.finding_cams is not None:
                outputs[spec.name] = replace(first, cam=first.finding_cams[:, index])
            else:
                outputs[spec.name] = self.network.run(batch, np.full(len(ready), spec.class_index))
        return outputs

    def _image(
        self,
        instance: Instance,
        prepared: _Prepared,
        outputs: dict[str, NetworkOutput],
        row: int,
    ) -> ImageReading:
        manifest = self.package.manifest
        first = next(iter(outputs.values()))
        seen = replace(
            _unread_image(instance, Reason.NOT_A_WRIST),
            radiograph=prepared.decoded.radiograph,
            placement=prepared.placement,
            input_size=manifest.pixels.size,
        )
        if not _passes_gate(first, row, manifest):
            return seen
        chances = probabilities(first.logits[row : row + 1], manifest)[0]
        if not np.isfinite(chances).all():
            return replace(seen, reason=Reason.UNREADABLE)
        scores = tuple(
            outcome.judge(spec, float(chances[spec.class_index])) for spec in manifest.findings
        )
        return replace(
            seen,
            category=outcome.worst([score.category for score in scores]),
            reason=None,
            scores=scores,
            evidence={name: output.cam[row] for name, output in outputs.items()},
        )


def _unread_image(instance: Instance, reason: Reason) -> ImageReading:
    return ImageReading(instance.sop_instance_uid, Category.NOT_ANALYSED, reason)


def _context(job: Job) -> dict[str, object]:
    return {"study": study_key(job.study_uid), "job": job.job_id, "attempt": job.attempt}


def _passes_gate(output: NetworkOutput, row: int, manifest: Manifest) -> bool:
    if manifest.gate is None or output.gate is None:
        return True
    return bool(1.0 / (1.0 + np.exp(-float(output.gate[row]))) >= manifest.gate.threshold)


def _check_meant_for(header: Dataset, manifest: Manifest) -> None:
    """Compare body part and age with what the package is for; what is absent is not held against.

    The pixels are asked too (the package's gate): a tag alone proves nothing.
    """
    body_part = str(header.get("BodyPartExamined") or "").upper()
    if body_part and body_part not in manifest.body_parts:
        raise NotReadable(Reason.NOT_A_WRIST, "BodyPartExamined names another part of the body")
    age = _age_years(header)
    low, high = manifest.min_age_years, manifest.max_age_years
    if age is not None and ((low is not None and age < low) or (high is not None and age > high)):
        raise NotReadable(Reason.AGE_OUT_OF_RANGE, "the patient's age is outside the model's range")


def _age_years(header: Dataset) -> float | None:
    match = _AGE.match(str(header.get("PatientAge") or ""))
    return int(match[1]) * _YEARS[match[2]] if match else None
