"""The plain records that the rooms of the daemon hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from model.pixels import Placement, Radiograph


class Category(StrEnum):
    """The outcome of a study, an image or a finding; there is always exactly one."""

    POSITIVE = "positive"
    """The score reached the high-specificity operating point."""
    DOUBT = "doubt"
    """The score lies between the two operating points."""
    NEGATIVE = "negative"
    """The score stayed below the high-sensitivity operating point."""
    NOT_ANALYSED = "not analysed"
    """No score exists; a `Reason` says why."""


class Reason(StrEnum):
    """Why a study or an image was not analysed: a closed list. Values are what readers see."""

    NOT_A_WRIST = "not a wrist"
    """The pixels or the body part say that this is another part of the body."""
    NOT_A_RADIOGRAPH = "not a radiograph"
    """No CR or DX image, or no pixel data."""
    UNREADABLE = "image unreadable"
    """Truncated, undecodable, or without contrast."""
    TOO_LARGE = "image too large"
    """More pixels than the settings allow."""
    AGE_OUT_OF_RANGE = "age out of range"
    """The model package is not meant for this age."""
    IDENTITY_CONFLICT = "patient identity conflict"
    """Two patients in one study: held for a person, nothing is sent."""
    MODEL_OFFLINE = "model offline"
    """No usable provider or package."""
    FAILED_REPEATEDLY = "analysis failed repeatedly"
    """Every attempt ended in an error: the study is in quarantine."""
    VIEWS_MISSING = "required views missing"
    """The site asks for views that did not come before the hard cap."""
    INVALID_RESULT = "result could not be encoded"
    """A result object broke DICOM's rules and was not sent: a fault of ours to report."""


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


class Receipt(StrEnum):
    """What the ledger says of an arrival."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """Identical bytes are there already: nothing changes."""
    CONFLICT = "conflict"
    """The same SOP Instance UID with other content: kept beside and flagged, not analysed."""


@dataclass(frozen=True)
class WaitingStudy:
    """A study with instances that no job has yet."""

    study_id: int
    study_uid: str
    waiting_since: datetime
    last_arrival_at: datetime


@dataclass(frozen=True)
class WaitingInput:
    """One image of a study that is not read yet; `file` is relative to the spool."""

    file: str
    calling_ae: str


@dataclass(frozen=True)
class Instance:
    """One stored image, as a job sees it."""

    instance_id: int
    sop_instance_uid: str
    sop_class_uid: str
    patient_key: str
    file: str
    digest: str


@dataclass(frozen=True)
class PredecessorObject:
    """A result object that a newer result set replaces."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class Job:
    """One complete study, claimed by one worker until its lease ends.

    `supersedes` lists the result objects of the study's previous result set, if there is one.
    `reason` is set when it is clear already that the study is not to be analysed.
    """

    job_id: int
    study_uid: str
    attempt: int
    worker: str
    lease_until: datetime
    instances: tuple[Instance, ...]
    supersedes: tuple[PredecessorObject, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True)
class FindingScore:
    """One finding on one image: the calibrated score and what it was judged by.

    `probability`, `high_sensitivity` and `high_specificity` lie in [0, 1].
    """

    finding: str
    probability: float
    category: Category
    high_sensitivity: float
    high_specificity: float


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
    radiograph, placement : Radiograph, Placement or None
        The decoded image and where it lies in the network input; None when it was not decoded.
    input_size : int
        Side of the network input, pixels; 0 when nothing was decoded.
    """

    sop_instance_uid: str
    category: Category
    reason: Reason | None = None
    scores: tuple[FindingScore, ...] = ()
    evidence: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    radiograph: Radiograph | None = None
    placement: Placement | None = None
    input_size: int = 0


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

    `settings_digest` names the settings that shape results; with the inputs and the model's digest
    it makes the UIDs of all result objects.
    """

    study_uid: str
    category: Category
    reason: Reason | None
    images: tuple[ImageReading, ...]
    model: ModelIdentity
    settings_digest: str
    read_at: datetime
    supersedes: tuple[PredecessorObject, ...] = ()


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
class Delivery:
    """One result at one destination, due to be sent."""

    delivery_id: int
    destination: str
    attempts: int
    created_at: datetime
    result: ResultFile
    study_uid: str
