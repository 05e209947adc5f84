"""Whether the images of a study speak of one patient: what differs is held, never merged."""

import re
from collections.abc import Sequence

from pydicom import Dataset

_COMPARED = ("PatientID", "IssuerOfPatientID", "PatientBirthDate", "StudyInstanceUID")
_GROUPS = re.compile(r"=+")


def disagreements(headers: Sequence[Dataset]) -> list[str]:
    """Name the identifying attributes in which headers contradict each other.

    An empty value contradicts nothing: many devices leave out what they were not told. Names are
    compared without regard to case, spaces and empty components at the end; of a name written in
    several scripts (PS3.5 6.2.1), one group that all have in common is enough.

    Parameters
    ----------
    headers : sequence of Dataset

    Returns
    -------
    list of str
        Keywords; never values.
    """
    found = [keyword for keyword in _COMPARED if len(_values(headers, keyword)) > 1]
    names = [spelt for header in headers if (spelt := _spellings(header))]
    if names and not frozenset.intersection(*names):
        found.append("PatientName")
    return found


def _values(headers: Sequence[Dataset], keyword: str) -> set[str]:
    return {text for header in headers if (text := str(header.get(keyword) or "").strip())}


def _spellings(header: Dataset) -> frozenset[str]:
    """Return a name in each script it is written in, reduced to what tells people apart."""
    groups = _GROUPS.split(str(header.get("PatientName") or ""))
    reduced = ("^".join(" ".join(part.split()) for part in one.split("^")) for one in groups)
    return frozenset(one.rstrip("^").casefold() for one in reduced if one.rstrip("^"))
