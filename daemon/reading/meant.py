"""Whether an image is one that a model is meant for, by what its header says."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from daemon.dicom.body_parts import contradicts
from daemon.dicom.header import Header
from daemon.records import Origin, Reason
from daemon.settings import Reading
from model.chain_package import ChainManifest
from model.package import Manifest

NOBODY = Origin()
"""Where it is not known who sent an image."""


def always(_header: Header, _origin: Origin) -> bool:
    """Ask a model of every image."""
    return True


@dataclass(frozen=True)
class Meant:
    """What one model package is meant for, and a site's words.

    Attributes
    ----------
    manifest : Manifest or ChainManifest
    settings : Reading
    count : callable
        Counts an image by the term of BodyPartExamined that spoke against it.
    is_asked : callable
        Tells by its header and its origin whether the model is asked of an image.
    """

    manifest: Manifest | ChainManifest
    settings: Reading
    count: Callable[[str], None]
    is_asked: Callable[[Header, Origin], bool] = always

    def objection(self, header: Header, origin: Origin = NOBODY) -> Reason | None:
        """Return why an image is not to be analysed; None where nothing speaks against it.

        An absent value speaks against nothing; the pixels are asked too (the package's gate).
        """
        if self._is_quality_control(header):
            return Reason.QUALITY_CONTROL
        meant, words = self.manifest.body_parts, self.settings.body_parts
        if term := contradicts(header.body_part, meant, words):
            self.count(term)
            return Reason.OTHER_BODY_PART
        if not self.is_asked(header, origin):
            return Reason.NOT_ASKED
        age, low, high = header.age_years, self.manifest.min_age_years, self.manifest.max_age_years
        is_younger = age is not None and low is not None and age < low
        is_older = age is not None and high is not None and age > high
        return Reason.AGE_OUT_OF_RANGE if is_younger or is_older else None

    def _is_quality_control(self, header: Header) -> bool:
        if header.quality_control:
            return True
        texts = (header.patient_name, header.patient_id, header.body_part, *header.descriptions)
        said = " | ".join(re.sub(r"[\W_]+", " ", text) for text in texts).upper()
        return any(
            re.search(rf"\b{re.escape(word.upper())}\b", said)
            for word in self.settings.quality_control_words
        )
