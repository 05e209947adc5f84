"""Whether a value may stand in an attribute: its VR's rules (PS3.5 6.2), and what is put right.

Nothing is invented: a value that breaks the rules is put right where there is one right reading,
otherwise it is left out.
"""

import re
from datetime import date

_DATE = re.compile(r"([12]\d{3})[.-]?(\d{2})[.-]?(\d{2})")
"""With the separators of ACR-NEMA, and of those who write dates as ISO 8601 does."""
_TIME = re.compile(r"([01]\d|2[0-3]):?([0-5]\d)?:?([0-5]\d(?:\.\d{1,6})?)?")
_AGE = re.compile(r"(\d{1,3})([DWMY])")
_CODE = re.compile(r"[A-Z0-9 _]{1,16}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
"""Zeros at the front of a component are not allowed, but kept: another UID is another object's."""
_OFFSET = re.compile(r"([+-]?)(\d{2}):?(\d{2})")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}
_SHORT, _LONG, _GROUP, _UID_LENGTH = 16, 64, 64, 64
_GROUPS, _COMPONENTS = 3, 5
_MOST_MINUTES, _LEAST_MINUTES = 14 * 60, -12 * 60
_DECIMAL_LENGTH = 16


def short_text(text: str) -> str:
    """Return a text that fits a VR SH, else nothing."""
    return text if len(text) <= _SHORT else ""


def long_text(text: str) -> str:
    """Return a text that fits a VR LO, else nothing."""
    return text if len(text) <= _LONG else ""


def uid_text(text: str) -> str:
    """Return a text that names an object as a VR UI does, else nothing."""
    return text if is_uid(text) else ""


def is_uid(text: str) -> bool:
    """Tell whether a text is a UID, be it one whose components begin with zeros."""
    return len(text) <= _UID_LENGTH and _UID.fullmatch(text) is not None


def code_string(text: str) -> str:
    """Return a text as a VR CS, in capitals, else nothing."""
    text = text.upper()
    return text if _CODE.fullmatch(text) else ""


def date_text(text: str) -> str:
    """Return a date as a VR DA, else nothing."""
    match = _DATE.fullmatch(text)
    if match is None:
        return ""
    try:
        date(*map(int, match.groups()))
    except ValueError:
        return ""
    return "".join(match.groups())


def time_text(text: str) -> str:
    """Return a time as a VR TM, else nothing."""
    match = _TIME.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        return ""
    return "".join(part for part in match.groups() if part)


def age_text(text: str) -> str:
    """Return an age as a VR AS, else nothing."""
    match = _AGE.fullmatch(text.upper())
    return f"{int(match[1]):03}{match[2]}" if match else ""


def age_years(text: str) -> float | None:
    """Return an age of a VR AS in years."""
    match = _AGE.fullmatch(text)
    return int(match[1]) * _YEARS[match[2]] if match else None


def offset_text(text: str) -> str:
    """Return an offset from UTC as "+0500", which a missing sign means too, else nothing."""
    match = _OFFSET.fullmatch(text)
    if match is None:
        return ""
    minutes = int(match[2]) * 60 + int(match[3])
    signed = -minutes if match[1] == "-" else minutes
    if int(match[3]) > 59 or not _LEAST_MINUTES <= signed <= _MOST_MINUTES:  # noqa: PLR2004
        return ""
    if not minutes:
        return "+0000"
    return f"{match[1] or '+'}{match[2]}{match[3]}"


def name_text(text: str) -> str:
    """Return a person name whose groups fit a VR PN: what is too long is cut, not left out."""
    groups = [_component_group(group) for group in text.split("=")[:_GROUPS]]
    return "=".join(groups).rstrip("=")


def decimal_text(value: float) -> str:
    """Return a number as a VR DS, with as many digits as fit."""
    for digits in range(_DECIMAL_LENGTH, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= _DECIMAL_LENGTH:
            return text
    return "0"


def _component_group(group: str) -> str:
    parts = group.split("^")[:_COMPONENTS]
    return "^".join(part.strip() for part in parts).rstrip("^")[:_GROUP].rstrip()
