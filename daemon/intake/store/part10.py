"""The start of a DICOM file: preamble and file meta information (PS3.10 7.1), made and read back.

What we write depends on the object alone, not on our version or on the sender: the same object
always makes the same file, so that a resend is recognised by its hash.
"""

import struct

from pydicom.uid import UID

from daemon.dicom.file import PREAMBLE, file_meta
from daemon.dicom.source import Unreadable
from daemon.identity import IMPLEMENTATION_CLASS_UID
from daemon.intake.store.admit import Announced, Offer

_META_GROUP = 0x0002
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x00020002, 0x00020003, 0x00020010
_GROUP_LENGTH = struct.Struct("<HH2sHL")
_UI = struct.Struct("<HH2sH")
_VERSION = struct.pack("<HH2sHL2s", _META_GROUP, 0x0001, b"OB", 0, 2, b"\0\1")


def file_start(announced: Announced) -> bytes:
    """Return what stands before the data set in the file of an object."""
    elements_of_group = b"".join(
        (
            _VERSION,
            _ui(0x0002, announced.sop_class_uid),
            _ui(0x0003, announced.sop_instance_uid),
            _ui(0x0010, announced.transfer_syntax),
            _ui(0x0012, IMPLEMENTATION_CLASS_UID),
        )
    )
    length = _GROUP_LENGTH.pack(_META_GROUP, 0x0000, b"UL", 4, len(elements_of_group))
    return PREAMBLE + length + elements_of_group


def offer_of(file: bytes | memoryview) -> Offer:
    """Return a file as the object that was once offered to us.

    Raises
    ------
    Unreadable
        It is no DICOM file.
    """
    content = memoryview(file)
    values, start = file_meta(content)
    try:
        return Offer(
            sop_class_uid=values[_SOP_CLASS].decode("ascii"),
            sop_instance_uid=values[_SOP_INSTANCE].decode("ascii"),
            transfer_syntax=UID(values[_TRANSFER_SYNTAX].decode("ascii")),
            data_set=content[start:],
        )
    except (KeyError, UnicodeDecodeError) as error:
        raise Unreadable("file meta information is incomplete") from error


def _ui(number: int, uid: str) -> bytes:
    """Encode a UID, padded to even length with NUL (PS3.5 9.4)."""
    value = uid.encode("latin-1")
    value += b"\0" * (len(value) % 2)
    return _UI.pack(_META_GROUP, number, b"UI", len(value)) + value
