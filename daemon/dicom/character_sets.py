"""Text in the character sets of PS3.3 C.12.1.1.2, decoded to the letter or not at all."""

import re
import warnings
from collections.abc import Sequence

from pydicom.charset import decode_bytes, python_encoding

ASCII = ("ascii",)
"""The default repertoire (PS3.5 6.1.2.1)."""

_ESCAPE = b"\x1b"
_DELIMITERS = {ord("\\"), ord("^"), ord("=")}
_ALONE = ("UTF8", "GB18030", "GBK")
"""Character sets that know no others beside them."""


def _folded(name: str) -> str:
    """Leave out what writers get wrong in a defined term: "ISO-IR 100", "iso_ir_100"."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


_KNOWN = {_folded(name): encoding for name, encoding in python_encoding.items()}
_KNOWN |= {_folded(name): "ascii" for name in ("", "ISO_IR 6", "ISO 2022 IR 6")}


def encodings_of(terms: Sequence[str]) -> tuple[str, ...] | None:
    """Return Python's names for the values of SpecificCharacterSet; None when one is unknown."""
    found = [_KNOWN.get(_folded(term)) for term in terms]
    known = tuple(one for one in found if one is not None)
    if len(known) < len(found):
        return None
    return known[:1] if known[0] in _ALONE else known


def decoded(data: bytes, encodings: Sequence[str]) -> str | None:
    """Return the text; None when the bytes are not text of these character sets.

    Bytes beyond ASCII for which no character set was named, and that are UTF-8, can hardly be
    anything else: they are taken as such.
    """
    try:
        if data.isascii() and _ESCAPE not in data:
            return data.decode("ascii")
        if encodings[0] == "ascii" and len(encodings) == 1:
            return data.decode("utf-8")
        if _ESCAPE not in data:
            return data.decode(encodings[0])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydicom only warns of what it replaces
            return decode_bytes(data, encodings, _DELIMITERS)
    except (UnicodeError, LookupError, ValueError, UserWarning):
        return None
