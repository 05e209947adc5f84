"""The UIDs of all results: derived from what was read and with what, never drawn.

The same study, images, model and settings give the same objects, however often a job is repeated:
an archive that has them already keeps one copy. Other content of an image gives other objects.
Whether an image could be analysed counts too, so that a reading that failed first and worked later
replaces the first result and does not hide behind it. Times and scores do not count.
"""

from dataclasses import dataclass

from daemon.identity import derived_uid
from daemon.records import Category, StudyReading
from daemon.results.result import ResultKind


@dataclass(frozen=True)
class ResultUids:
    """Names everything that belongs to one reading."""

    key: tuple[str, ...]

    def series(self, kind: ResultKind, *of: str) -> str:
        """Return the Series Instance UID of a kind of results."""
        return derived_uid("series", kind, *of, *self.key)

    def instance(self, kind: ResultKind, *of: str) -> str:
        """Return the SOP Instance UID of one result; `of` says what it shows, if there are more."""
        return derived_uid("instance", kind, *of, *self.key)

    def tracking(self, sop_instance_uid: str, finding: str) -> str:
        """Return the Tracking Unique Identifier (112040, DCM) of one finding on one image."""
        return derived_uid("tracking", sop_instance_uid, finding, *self.key)


def uids_of(reading: StudyReading) -> ResultUids:
    """Return the names that belong to a reading, whatever the order of its images."""
    images = sorted(
        f"{image.sop_instance_uid} {image.reason or 'analysed'}"
        if image.category is Category.NOT_ANALYSED
        else image.sop_instance_uid
        for image in reading.images
    )
    made_from = (reading.study_uid, reading.model.digest, reading.settings_digest)
    content = (reading.inputs_digest,) if reading.inputs_digest else ()
    return ResultUids((*made_from, *content, *images))


def device_uid(model_digest: str) -> str:
    """Return the Device UID (0018,1002); another model, trained anew, is another device."""
    return derived_uid("device", model_digest)
