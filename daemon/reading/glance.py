"""What the headers of a study say before it is read: its views, and whether it is urgent."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydicom import Dataset

from daemon.dicom.parse import read_header
from daemon.reading.decoding.refusal import NotReadable

_POSITIONS = {
    "PA": "PA",
    "AP": "AP",
    "LL": "LAT",
    "RL": "LAT",
    "LAT": "LAT",
    "LATERAL": "LAT",
    "LLO": "OBL",
    "RLO": "OBL",
    "OBL": "OBL",
    "OBLIQUE": "OBL",
}
"""Values of ViewPosition (0018,5101)."""
_CODES = {
    "272479007": "PA",
    "399348003": "AP",
    "399067008": "LAT",
    "399173006": "LAT",
    "399198007": "LAT",
    "399182000": "OBL",
    "R-10214": "PA",
    "R-10206": "AP",
    "R-10236": "LAT",
    "R-10232": "LAT",
}
"""Codes of ViewCodeSequence (PS3.16 CID 4010), SNOMED CT and its older SRT codes."""
_URGENT = ("STAT", "HIGH")
"""Values of RequestedProcedurePriority (0040,1003)."""


@dataclass(frozen=True)
class Glance:
    """What one or several headers say; `views` holds "PA", "AP", "LAT", "OBL"."""

    views: frozenset[str] = frozenset()
    urgent: bool = False


def glance(files: Iterable[Path]) -> Glance:
    """Look at the headers of stored images; one that cannot be read says nothing."""
    seen = [_glance(file) for file in files]
    return Glance(
        views=frozenset().union(*(one.views for one in seen)),
        urgent=any(one.urgent for one in seen),
    )


@lru_cache(maxsize=4096)
def _glance(file: Path) -> Glance:
    """Remember what a file says: files in the spool never change."""
    try:
        header = read_header(file)
    except NotReadable:
        return Glance()
    codes = [str(item.get("CodeValue", "")) for item in header.get("ViewCodeSequence") or ()]
    said = [_POSITIONS.get(str(header.get("ViewPosition") or "").strip().upper())]
    said += [_CODES.get(code) for code in codes]
    return Glance(frozenset(view for view in said if view), _is_urgent(header))


def _is_urgent(header: Dataset) -> bool:
    places = (header, *(header.get("RequestAttributesSequence") or ()))
    said = {str(place.get("RequestedProcedurePriority") or "").strip().upper() for place in places}
    return bool(said & set(_URGENT))
