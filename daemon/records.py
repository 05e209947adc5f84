"""The plain records that the rooms of the daemon hand to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from daemon.dicom.grey import Grey
from daemon.dicom.header import Header
from daemon.reasons import HELD as HELD
from daemon.reasons import Category as Category
from daemon.reasons import Note as Note
from daemon.reasons import Reason as Reason
from daemon.settings import OperatingPoints
from daemon.signals import Tally
from model.cropping import CropPlacement
from model.pixels import Placement, Radiograph


@dataclass(frozen=True)
class Arrival:
    """One instance that is safely in the spool.

    Attributes
    ----------
    study_uid, sop_instance_uid, sop_class_uid, transfer_syntax_uid : str
        From the data set; valid UIDs.
    patient_key : str
        Hash of PatientID and its issuer: tells patients apart without naming them.
    digest : str
        BLAKE3 of the stored file, hexadecimal.
    file : str
        Path relative to the spool.
    size : int
        Bytes of the stored file.
    calling_ae : str
        Who sent it.
    received_at : datetime
    called_ae : str
        The title of ours that it was sent to; empty where we fetched it.
    """

    study_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    patient_key: str
    digest: str
    file: str
    size: int
    calling_ae: str
    received_at: datetime
    called_ae: str = ""


class Receipt(StrEnum):
    """What the ledger says of an arrival."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """Identical bytes are there already: nothing changes."""
    REPLACED = "replaced"
    """Other content under a known SOP Instance UID: it is the input now; the study is read anew."""


@dataclass(frozen=True)
class WaitingStudy:
    """A study with instances that no job has yet."""

    study_id: int
    study_uid: str
    waiting_since: datetime
    last_arrival_at: datetime


NO_MODEL = ""
"""In the place of a model's name: none is asked of what an image shows."""


@dataclass(frozen=True)
class Origin:
    """The AE titles of the association by which an image came first.

    `called_ae` is empty where no association of a peer brought it.
    """

    calling_ae: str = ""
    called_ae: str = ""


@dataclass(frozen=True)
class WaitingInput:
    """One image of a study that is not read yet; `file` is relative to the spool."""

    file: str
    origin: Origin
    header: Header | None = None


@dataclass(frozen=True)
class Instance:
    """One stored image, as a job sees it; `header` is None where nobody has read it yet."""

    instance_id: int
    sop_instance_uid: str
    sop_class_uid: str
    patient_key: str
    file: str
    digest: str
    header: Header | None = None
    revision: int = 0
    """0 for the first content under this SOP Instance UID; rises when other content takes its
    place, and when its study loses an image to another study."""
    is_here: bool = True
    """Whether its file lies in this host's state folder."""
    origin: Origin = Origin()


@dataclass(frozen=True)
class PredecessorObject:
    """A result object that a newer result set replaces."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class Withdrawal:
    """Result objects of a study that must not stand any more.

    `header` is that of an image that they were made from: patient and study as they say them.
    """

    objects: tuple[PredecessorObject, ...]
    header: Header


@dataclass(frozen=True)
class Job:
    """One complete study for one model, claimed by one worker until its lease ends.

    `supersedes` lists the result objects of the model's previous result set of the study, if there
    is one, and it is not withdrawn. `withdrawal` names what was made from content that was replaced
    since. `reason` is set when it is clear already that the study is not to be analysed.
    `is_released` says that a person let a held study go.
    """

    job_id: int
    study_uid: str
    attempt: int
    worker: str
    lease_until: datetime
    instances: tuple[Instance, ...]
    supersedes: tuple[PredecessorObject, ...] = ()
    reason: Reason | None = None
    withdrawal: Withdrawal | None = None
    is_released: bool = False
    model_name: str = NO_MODEL
    """As the settings name it."""


@dataclass(frozen=True)
class FindingScore:
    """One finding on one image: the calibrated score and what it was judged by.

    `probability`, `high_sensitivity` and `high_specificity` lie in [0, 1]. Where the scores of
    several views were fused, `probability` is that of all, and `alone` that of this image.
    """

    finding: str
    probability: float
    category: Category
    high_sensitivity: float
    high_specificity: float
    alone: float | None = None


@dataclass(frozen=True, eq=False)
class ImageReading:
    """What was read from one image, or why nothing was.

    Attributes
    ----------
    sop_instance_uid : str
    category : Category
        The worst category of its findings, or NOT_ANALYSED.
    reason : Reason or None
        Set exactly when not analysed.
    scores : tuple of FindingScore
        Empty when not analysed.
    evidence : mapping finding -> float32 array (h, w)
        Grad-CAM over the square network input, >= 0, not normalised.
    radiograph, placement : Radiograph, Placement or CropPlacement, or None
        The decoded image and where it and the network input lie in each other; None when it was
        not decoded.
    input_size : int
        Side of the network input, pixels; 0 when nothing was decoded.
    header : Header
        What the image says of itself.
    grey : Grey or None
        How its stored values became grey values; None when it was not decoded.
    notes : tuple of Note
        What a reader must know of how it was read.
    landmarks : mapping name -> (x, y)
        What a localiser found, in source pixels from the outer corner of the first one.
    """

    sop_instance_uid: str
    category: Category
    reason: Reason | None = None
    scores: tuple[FindingScore, ...] = ()
    evidence: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    radiograph: Radiograph | None = None
    placement: Placement | CropPlacement | None = None
    input_size: int = 0
    header: Header | None = None
    grey: Grey | None = None
    notes: tuple[Note, ...] = ()
    landmarks: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelIdentity:
    """Which model on which device made a reading; repeated in every result."""

    name: str
    version: str
    digest: str
    calibration: str
    provider: str
    """The ONNX Runtime execution provider that ran, e.g. "CUDAExecutionProvider"."""


@dataclass(frozen=True, eq=False)
class StudyReading:
    """What was read from a study: exactly one category, and a reason when not analysed.

    `model_name` is the name by which the settings know the model, and `site_points` the operating
    points that the site has set for it. `settings_digest` names the settings that shape results;
    with the inputs and the model's digest it makes the UIDs of all result objects. `inputs_digest`
    names the content that was read. `disagreements` names, by keyword, in what the images of a
    study that a person released differ.
    """

    study_uid: str
    category: Category
    reason: Reason | None
    images: tuple[ImageReading, ...]
    model: ModelIdentity
    settings_digest: str
    read_at: datetime
    supersedes: tuple[PredecessorObject, ...] = ()
    inputs_digest: str = ""
    disagreements: tuple[str, ...] = ()
    model_name: str = NO_MODEL
    site_points: tuple[OperatingPoints, ...] = ()


@dataclass(frozen=True)
class ResultFile:
    """A result object in the outbox."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    file: str
    """Path relative to the outbox."""
    destinations: tuple[str, ...] = ()
    """Names of those that get it; empty: all of them."""


@dataclass(frozen=True)
class Reported:
    """The result objects of a reading; `counts` says what happened while they were made."""

    files: Sequence[ResultFile] = ()
    counts: Tally = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """One result at one destination, due to be sent."""

    delivery_id: int
    destination: str
    attempts: int
    created_at: datetime
    result: ResultFile
    study_uid: str
