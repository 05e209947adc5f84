"""Read a settings file as text, from whichever system it comes, or say what to do with it."""

import codecs
import unicodedata
from pathlib import Path

from daemon.errors import Misconfigured

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_PLAIN = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb\u00a0\u202f\u2007\u200b\u2013\u2014"
"""What word processors and web pages put in the place of quotes, blanks and hyphens."""


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8; a byte order mark, and how its lines end, do not count.

    Raises
    ------
    Misconfigured
        It cannot be read, or is not written in UTF-8; the message says what to do.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"{path}: {error.strerror}; copy the shipped settings.toml there"
        ) from error
    if data.startswith(_UTF_16) or b"\0" in data:
        raise Misconfigured(f"{path}: is written in UTF-16, or is no text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = data[: error.start].count(b"\n") + 1, data[error.start]
        raise Misconfigured(
            f"{path}: line {line} has byte {byte:02X}, which is not UTF-8 (in Latin-1 it is "
            f"{chr(byte)!r}); save the file as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def not_plain(text: str) -> str:
    """Name the first character that looks like a plain one and is none; empty for none."""
    for number, line in enumerate(text.split("\n"), start=1):
        for character in line.partition("#")[0]:
            if character in _NOT_PLAIN:
                name = unicodedata.name(character, "an invisible character").lower()
                return f"; line {number} has a {name}: type it as a plain quote, blank or hyphen"
    return ""


def stripped(value: object) -> object:
    """Take off the blanks at both ends of every text, and make tuples of lists."""
    if isinstance(value, dict):
        return {key: stripped(item) for key, item in value.items()}
    if isinstance(value, list):
        return tuple(stripped(item) for item in value)
    return value.strip() if isinstance(value, str) else value
