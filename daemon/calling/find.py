"""C-FIND over an association (PS3.4 C.4.1); answers become plain records, in DICOM JSON too.

What an archive answers is as foreign as what it sends: a value that cannot be read is empty, and
nothing in it can raise.
"""

from collections.abc import Collection, Mapping
from typing import cast

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.uid import UID
from pynetdicom import _config as pynetdicom_config

from daemon.calling.scu import Call
from daemon.dicom.attributes import Attributes
from daemon.dicom.status import is_pending

pynetdicom_config.LOG_RESPONSE_IDENTIFIERS = False  # it would convert each answer to log it
STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
"""Study Root Query/Retrieve Information Model - FIND."""

Record = Mapping[str, str]
"""What an archive says of one study, series or object: value by keyword, empty where none is."""


def find(call: Call, query: Dataset) -> tuple[list[Record], int | None]:
    """Ask for the keys of a query.

    Returns
    -------
    list of Record
        What matches, with the keys that were asked for.
    int or None
        The last status; None where the answers broke off, or one could not be taken apart.
    """
    keywords = [element.keyword for element in query]
    found, last, is_whole = [], None, True
    for status, entry in call.association.send_c_find(query, STUDY_ROOT_FIND):
        last = status.get("Status")
        if last is not None and is_pending(last):
            if entry is None:
                is_whole = False
            else:
                found.append(record_of(entry, keywords))
    return found, last if is_whole else None


def record_of_json(entry: object, keywords: Collection[str]) -> Record:
    """Return what an object of the DICOM JSON model says (PS3.18 F.2): the first value of each."""
    return {keyword: _first(entry, f"{tag_for_keyword(keyword):08X}") for keyword in keywords}


def record_of(entry: Dataset, keywords: Collection[str]) -> Record:
    """Return what an answer says; pydicom has split it, and opened sequences only."""
    came = (cast(object, entry.get_item(tag)) for tag in entry.keys())  # noqa: SIM118  # as it is
    said = Attributes.of_raw([one for one in came if isinstance(one, RawDataElement)])
    return {keyword: said.text(keyword) for keyword in keywords}


def _first(entry: object, tag: str) -> str:
    element = entry.get(tag) if isinstance(entry, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else None
    return first.strip() if isinstance(first, str) else ""
