"""DIMSE statuses: the one table of those that we send or understand.

Where a comment names no other clause they are those of PS3.7 annex C, for every service.
"""

from enum import IntEnum


class Status(IntEnum):
    """(0000,0900) Status, and (0008,1197) Failure Reason, which has the same values."""

    SUCCESS = 0x0000
    OPTIONAL_ATTRIBUTES_NOT_SUPPORTED = 0x0001
    """A warning: requested optional attributes are not supported (PS3.4 annex Z)."""
    ATTRIBUTE_LIST_ERROR = 0x0107
    """A warning (PS3.7 C.4.2)."""
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_SOP_INSTANCE = 0x0111
    NO_SUCH_SOP_INSTANCE = 0x0112
    INVALID_ARGUMENT = 0x0115
    ATTRIBUTE_VALUE_OUT_OF_RANGE = 0x0116
    """A warning (PS3.7 C.4.3)."""
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    NOT_AUTHORISED = 0x0124
    UNRECOGNISED_OPERATION = 0x0211
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    """The first of a range (PS3.4 table B.2-1 for C-STORE, table C.4-1 for C-FIND)."""
    DATA_SET_MISMATCH = 0xA900
    """The first of a range (PS3.4 table B.2-1; for queries: identifier and class, table C.4-1)."""
    COERCION = 0xB000
    """The first of the warnings (PS3.4 table B.2-1)."""
    ELEMENTS_DISCARDED = 0xB006
    """A warning (PS3.4 table B.2-1)."""
    DATA_SET_MISMATCH_WARNING = 0xB007
    """A warning (PS3.4 table B.2-1)."""
    CANNOT_UNDERSTAND = 0xC000
    """The first of a range (PS3.4 table B.2-1)."""
    CANCEL = 0xFE00
    PENDING = 0xFF00
    """Another answer follows (PS3.4 table C.4-1)."""
    PENDING_WITHOUT_OPTIONAL_KEYS = 0xFF01
    """Another answer follows; some optional keys were not matched (PS3.4 table C.4-1)."""


_SINGLE_WARNINGS = (
    Status.OPTIONAL_ATTRIBUTES_NOT_SUPPORTED,
    Status.ATTRIBUTE_LIST_ERROR,
    Status.ATTRIBUTE_VALUE_OUT_OF_RANGE,
)
_WARNINGS = range(Status.COERCION, 0xC000)
_OUT_OF_RESOURCES = range(Status.OUT_OF_RESOURCES, 0xA800)


def is_done(status: int) -> bool:
    """Tell whether what was asked was done: success, or a warning."""
    return status == Status.SUCCESS or status in _SINGLE_WARNINGS or status in _WARNINGS


def is_out_of_resources(status: int) -> bool:
    """Tell whether the peer has no room now; it may have some another time."""
    return status in _OUT_OF_RESOURCES


def is_pending(status: int) -> bool:
    """Tell whether another answer follows."""
    return status in (Status.PENDING, Status.PENDING_WITHOUT_OPTIONAL_KEYS)
