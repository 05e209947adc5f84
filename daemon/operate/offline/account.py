"""What `results.json` says: its schema, and how it is made from readings (docs/read.md).

Identifiers and scores, no names: a number that changes its meaning changes `SCHEMA`.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from daemon.dicom.header import Side
from daemon.dicom.views import View
from daemon.identity import VERSION
from daemon.logs import study_key
from daemon.operate.offline.admission import Fate, Judged
from daemon.reasons import Category, Note, Reason, worst
from daemon.records import FindingScore, ImageReading, StudyReading
from daemon.results.region import region_of
from daemon.results.wording import leading
from daemon.settings import Settings

SCHEMA: Literal["wristd.read/1"] = "wristd.read/1"
_DECIMALS = 6
"""Of a score, as in the report."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileSaid(_Said):
    """A file that was given."""

    file: str
    fate: Fate
    reason: str | None
    sop_instance_uid: str | None


class RegionSaid(_Said):
    """The box around the evidence, in pixels of the source, from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float


class ScoreSaid(_Said):
    """A finding on an image; `region` where it is not negative and there is usable evidence."""

    finding: str
    probability: float
    category: Category
    high_sensitivity: float
    high_specificity: float
    region: RegionSaid | None


class ImageSaid(_Said):
    """An image as one model reads it; view and laterality as its header states them."""

    sop_instance_uid: str
    outcome: Category
    reason: Reason | None
    view: View | None
    laterality: Side | None
    notes: tuple[Note, ...]
    scores: tuple[ScoreSaid, ...]


class ResultSaid(_Said):
    """A result object, and the picture of it as PNG where it is one."""

    kind: str
    file: str
    picture: str | None
    sop_class_uid: str
    sop_instance_uid: str


class ModelSaid(_Said):
    """What one model makes of a study; `model` is empty where none is asked."""

    model: str
    package: str
    version: str
    digest: str
    calibration: str
    provider: str
    settings_digest: str
    inputs_digest: str
    outcome: Category
    reason: Reason | None
    read_at: datetime
    images: tuple[ImageSaid, ...]
    results: tuple[ResultSaid, ...]


class StudySaid(_Said):
    """A study: the worst outcome of its models."""

    study: str
    study_uid: str
    outcome: Category
    reason: Reason | None
    models: tuple[ModelSaid, ...]


class Account(_Said):
    """The whole of `results.json`."""

    schema_name: Literal["wristd.read/1"] = Field(default=SCHEMA, alias="schema")
    wristd: str = VERSION
    settings_digest: str
    read_at: datetime
    files: tuple[FileSaid, ...]
    studies: tuple[StudySaid, ...]

    def to_json(self) -> str:
        """Write it down."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def digest_of_all(settings: Settings) -> str:
    """Name all settings (16 hex digits): those that route and judge count besides the results'."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:16]


def file_said(one: Judged) -> FileSaid:
    """Say what became of a file."""
    uid = one.arrival.sop_instance_uid if one.arrival is not None else None
    return FileSaid(file=one.name, fate=one.fate, reason=one.reason, sop_instance_uid=uid)


def model_said(reading: StudyReading, results: Sequence[ResultSaid]) -> ModelSaid:
    """Say what one model made of a study."""
    model = reading.model
    return ModelSaid(
        model=reading.model_name,
        package=model.name,
        version=model.version,
        digest=model.digest,
        calibration=model.calibration,
        provider=model.provider,
        settings_digest=reading.settings_digest,
        inputs_digest=reading.inputs_digest,
        outcome=reading.category,
        reason=reading.reason,
        read_at=reading.read_at,
        images=tuple(map(_image, reading.images)),
        results=tuple(results),
    )


def study_said(study_uid: str, models: Sequence[ModelSaid]) -> StudySaid:
    """Sum a study up as `wristd studies` does: the worst outcome, the first model's reason."""
    outcome = worst([one.outcome for one in models])
    is_unread = outcome is Category.NOT_ANALYSED
    return StudySaid(
        study=study_key(study_uid),
        study_uid=study_uid,
        outcome=outcome,
        reason=next((one.reason for one in models if one.reason), None) if is_unread else None,
        models=tuple(models),
    )


def _image(image: ImageReading) -> ImageSaid:
    header, seen = image.header, leading(image)
    return ImageSaid(
        sop_instance_uid=image.sop_instance_uid,
        outcome=image.category,
        reason=image.reason,
        view=header.view if header is not None else None,
        laterality=header.side if header is not None else None,
        notes=image.notes,
        scores=tuple(
            _score(one, _region(image, one) if one in seen else None) for one in image.scores
        ),
    )


def _score(score: FindingScore, region: RegionSaid | None) -> ScoreSaid:
    return ScoreSaid(
        finding=score.finding,
        probability=round(score.probability, _DECIMALS),
        category=score.category,
        high_sensitivity=score.high_sensitivity,
        high_specificity=score.high_specificity,
        region=region,
    )


def _region(image: ImageReading, score: FindingScore) -> RegionSaid | None:
    box = region_of(image, score.finding)
    if box is None:
        return None
    return RegionSaid(left=box.left, top=box.top, right=box.right, bottom=box.bottom)
