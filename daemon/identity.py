"""Who we are on the wire: names, the implementation class UID, and UIDs of our own making.

Every UID we make is ``2.25.`` followed by a UUID of version 8 (RFC 9562 5.8, PS3.5 B.2) whose
first 32 bits are `UID_TAG`, so that our own objects are recognised by their UID alone, whatever
else a router has changed in them.
"""

import hashlib
from importlib.metadata import version

PRODUCT = "wristd"
MANUFACTURER = "wristd project"
VERSION = version("wristd")
IMPLEMENTATION_VERSION_NAME = f"WRISTD_{VERSION}"[:16]

UID_TAG = 0x77726973
"""The bytes "wris"."""

_UUID_BITS = 128
_TAG_SHIFT = _UUID_BITS - 32
_UID_ROOT = "2.25."


def derived_uid(*parts: str) -> str:
    """Return the UID that belongs to these parts: the same parts always give the same UID.

    90 bits of SHA-256 keep two different sets of parts apart.
    """
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    number &= (1 << _TAG_SHIFT) - 1
    number |= UID_TAG << _TAG_SHIFT
    number = number & ~(0xF << 76) | (0x8 << 76)  # version 8
    number = number & ~(0x3 << 62) | (0x2 << 62)  # variant of RFC 9562
    return f"{_UID_ROOT}{number}"


def is_own_uid(uid: str) -> bool:
    """Tell whether a UID is one that `derived_uid` made."""
    suffix = uid.removeprefix(_UID_ROOT)
    if suffix == uid or not suffix.isascii() or not suffix.isdigit():
        return False
    return int(suffix) >> _TAG_SHIFT == UID_TAG


IMPLEMENTATION_CLASS_UID = derived_uid("implementation class", PRODUCT)
