"""What can be said of a study, an image or a finding: closed lists, whose values readers see."""

from collections.abc import Sequence
from enum import StrEnum


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


_WORST_FIRST = (Category.POSITIVE, Category.DOUBT, Category.NEGATIVE)


def worst(categories: Sequence[Category]) -> Category:
    """Return the worst of several categories; not analysed when nothing was."""
    return next((one for one in _WORST_FIRST if one in categories), Category.NOT_ANALYSED)


class Reason(StrEnum):
    """Why a study or an image was not analysed: a closed list. Values are what readers see."""

    NO_MODEL = "no model for this image"
    """None of the models of the settings is asked about such an image."""
    OTHER_BODY_PART = "not the expected body part"
    """The pixels or the body part say that this is another part than the model is made for."""
    NOT_ASKED = "not asked of this model"
    """Other images of the study are; this one is for another model, or for none."""
    NOT_A_RADIOGRAPH = "not a radiograph"
    """No CR or DX image, or no pixel data."""
    UNREADABLE = "image unreadable"
    """Truncated, undecodable, or without contrast."""
    TOO_LARGE = "image too large"
    """More pixels than the settings allow."""
    AGE_OUT_OF_RANGE = "age out of range"
    """The model package is not meant for this age."""
    QUALITY_CONTROL = "quality control"
    """A phantom, a calibration or a test exposure: no patient is on it."""
    TOO_SMALL = "image too small"
    """Too few rows or columns, or too narrow, to show anything."""
    VIEW_NOT_READ = "view not read by this model"
    """The model package reads some views only, and this is none of them, or no view is stated."""
    LANDMARKS_MISSING = "landmarks not found"
    """What shows the model where to look was not found on the image."""
    REGION_OUTSIDE = "region not on the image"
    """Too much of the region that the model reads lies beyond the image."""
    NO_SPACING = "no pixel spacing"
    """The model reads a region of a size in millimetres, and nothing tells the scale."""
    FOR_PROCESSING = "for processing only"
    """Raw detector values of which nobody says how they become grey values."""
    PRESENTATION_READ = "the image for presentation is read"
    """Raw detector values; the same exposure came processed, too."""
    IDENTITY_CONFLICT = "patient identity conflict"
    """Two patients in one study: held for a person, nothing is sent."""
    CONTENT_CHANGED = "image content changed"
    """Other content came under a known SOP Instance UID, and the site has such studies held."""
    HELD_BY_RULE = "held by a rule of this site"
    """A rule recognises such images, and says that a person shall look; nothing is sent."""
    MODEL_OFFLINE = "model offline"
    """No usable provider or package."""
    FAILED_REPEATEDLY = "analysis failed repeatedly"
    """Every attempt ended in an error: the study is in quarantine."""
    ON_ANOTHER_HOST = "image is on another host"
    """The study came to several hosts, and this image lies where its reader cannot reach it."""
    VIEWS_MISSING = "required views missing"
    """The site asks for views that did not come before the hard cap."""
    INVALID_RESULT = "result could not be encoded"
    """A result object broke DICOM's rules and was not sent: a fault of ours to report."""


HELD = (Reason.IDENTITY_CONFLICT, Reason.CONTENT_CHANGED, Reason.HELD_BY_RULE)
"""Reasons for which a study is held until a person releases it, or it is mended and sent again."""


class Note(StrEnum):
    """What a reader must know of how an image was read: a closed list. Values are what they see."""

    WINDOW_LEFT_OUT = "window left out: made for other values"
    TABLE_LEFT_OUT = "VOI LUT left out: made for other values"
    MODALITY_LEFT_OUT = "modality LUT left out: it cannot be true"
    BITS_LEFT_OUT = "bits stored left out: they cannot be true"
    FUNCTION_UNKNOWN = "unknown VOI LUT function taken as linear"
    LOGARITHM = "for processing: read after a logarithm"
    VIEWS_FUSED = "score of the views together"
    SECOND_DECODER = "read by the second decoder"
