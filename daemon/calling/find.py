"""C-FIND at a destination (PS3.4 C.4.1)."""

from pydicom import Dataset
from pydicom.uid import UID

from daemon.calling.scu import Call
from daemon.dicom.status import is_pending

STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
"""Study Root Query/Retrieve Information Model - FIND."""


def find(call: Call, query: Dataset) -> tuple[list[Dataset], int | None]:
    """Return what matches a query, and the last status; None where the answers broke off."""
    found, last = [], None
    for status, entry in call.association.send_c_find(query, STUDY_ROOT_FIND):
        last = status.get("Status")
        if last is not None and is_pending(last) and entry is not None:
            found.append(entry)
    return found, last
