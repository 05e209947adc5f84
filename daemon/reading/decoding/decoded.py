"""What decoding gives; a module of its own, so that who only passes it on loads no decoder."""

from dataclasses import dataclass

from daemon.dicom.grey import Grey
from daemon.dicom.header import Header
from daemon.reasons import Note
from model.pixels import Radiograph


@dataclass(frozen=True, eq=False)
class Decoded:
    """What an object says, the radiograph it holds, and how its values became grey.

    `notes` are what a reader must know of that.
    """

    header: Header
    radiograph: Radiograph
    grey: Grey
    notes: tuple[Note, ...] = ()
