"""Files as arrivals: found, opened, and judged by the rules of the receiver."""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from daemon.dicom.file import PREAMBLE
from daemon.dicom.source import Unreadable
from daemon.dicom.syntaxes import CODINGS
from daemon.errors import system_words
from daemon.intake.store.admit import Admitted, Ignored, Offer, Refusal, Refused, admit, glance
from daemon.intake.store.part10 import file_start, offer_of
from daemon.intake.store.spool import digest_of
from daemon.logs import escaped
from daemon.records import Arrival, Origin

_LONGEST_START = 1 << 16
"""Bytes that may stand before a data set, beyond the limit for the data set itself."""
_WORDS = {
    Ignored.SOP_CLASS: "no CR or DX image",
    Ignored.SELF_OUTPUT: "a result of wristd",
}


class Fate(StrEnum):
    """What became of a file."""

    READ = "read"
    """It is an image of a study, and its content counts."""
    DUPLICATE = "duplicate"
    """The same bytes are there already."""
    REPLACED = "replaced"
    """A later file has other content under the same SOP Instance UID."""
    IGNORED = "ignored"
    """A DICOM object that no model is asked about."""
    REFUSED = "refused"
    """No DICOM file, or not readable."""


@dataclass(frozen=True)
class Judged:
    """A file, and what is known of it; `arrival` is None where it is not taken."""

    name: str
    fate: Fate
    reason: str | None = None
    arrival: Arrival | None = None


def found(paths: Sequence[Path]) -> list[Path]:
    """Return all files that are named, or lie in a folder that is named, sorted.

    A folder that cannot be listed stands for itself: opening it says why. Links to folders are not
    followed.
    """
    return sorted({file for path in paths for file in _below(path)})


def judged(file: Path, max_bytes: int, origin: Origin, now: datetime) -> Judged:
    """Judge a file as if it came from a peer; whatever is wrong with it is its fate.

    Parameters
    ----------
    file : Path
    max_bytes : int
        Largest data set that is taken, bytes.
    origin : Origin
        The AE titles by which it would come.
    now : datetime
    """
    try:
        verdict = _arrival(file, max_bytes, origin, now)
    except Refused as refused:
        return Judged(shown(file), Fate.REFUSED, str(refused))
    except OSError as error:
        return Judged(shown(file), Fate.REFUSED, f"cannot be read: {system_words(error)}")
    if isinstance(verdict, Ignored):
        return Judged(shown(file), Fate.IGNORED, _WORDS[verdict])
    return Judged(shown(file), Fate.READ, arrival=verdict)


def shown(file: Path) -> str:
    """Return a path as text that every terminal and every JSON reader takes."""
    return escaped(os.fsencode(file).decode("utf-8", "backslashreplace"))


def _below(path: Path) -> Iterator[Path]:
    if not os.path.isdir(path):  # noqa: PTH112  # Path raises where a folder above is closed
        yield path
        return
    unlisted: list[OSError] = []
    for folder, _, names in os.walk(path, onerror=unlisted.append):
        yield from (Path(folder, name) for name in names)
    yield from (Path(error.filename) for error in unlisted)


def _arrival(file: Path, max_bytes: int, origin: Origin, now: datetime) -> Arrival | Ignored:
    offer = _offer(file, max_bytes)
    ignored = glance(offer)
    if ignored is None and offer.transfer_syntax not in CODINGS:
        raise Refused(Refusal.CANNOT_UNDERSTAND, "transfer syntax is none that is read")
    verdict = ignored or admit(offer, max_bytes)
    if not isinstance(verdict, Admitted):
        return verdict
    return Arrival(
        study_uid=verdict.study_uid,
        sop_instance_uid=verdict.sop_instance_uid,
        sop_class_uid=verdict.sop_class_uid,
        transfer_syntax_uid=verdict.transfer_syntax_uid,
        patient_key=verdict.patient_key,
        digest=digest_of(file_start(offer), offer.data_set),  # of the file that a receiver makes
        file=str(file.absolute()),
        size=len(offer.data_set),
        calling_ae=origin.calling_ae,
        received_at=now,
        called_ae=origin.called_ae,
    )


def _offer(file: Path, max_bytes: int) -> Offer:
    """Read a file; one that does not begin as a DICOM file is read no further.

    It is read and not mapped: a medium that fails then gives an error instead of a signal.
    """
    if not stat.S_ISREG(file.stat().st_mode) and not file.is_dir():
        raise Refused(Refusal.CANNOT_UNDERSTAND, "is neither a file nor a folder")
    with file.open("rb") as stream:
        start = stream.read(len(PREAMBLE))
        if start[-4:] != PREAMBLE[-4:]:
            raise Refused(Refusal.CANNOT_UNDERSTAND, "file does not begin as a DICOM file")
        size = os.fstat(stream.fileno()).st_size
        if size > max_bytes + _LONGEST_START:
            raise Refused(Refusal.TOO_LARGE, "object is larger than this node takes")
        stream.seek(0)
        content = stream.read(size)
    try:
        return offer_of(content)
    except Unreadable as error:
        raise Refused(Refusal.CANNOT_UNDERSTAND, str(error)) from error
