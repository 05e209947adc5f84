"""The presentation contexts that the receiver accepts (PS3.8 7.1.1.13).

Negotiation takes the first of our transfer syntaxes that the sender offers; `daemon.dicom.syntaxes`
orders them by our wish.

Every other storage class, private ones too, is accepted to be ignored: routers give up a whole
study when one of its classes is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from daemon.dicom.syntaxes import CODINGS
from daemon.intake.store.admit import ANALYSED_SOP_CLASSES

READ_TRANSFER_SYNTAXES: tuple[UID, ...] = tuple(CODINGS)
"""What the decoders read, in the order of our wish."""


_SERVICE_SYNTAXES: tuple[UID, ...] = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
"""For services other than storage."""
_STANDARD = "1.2.840.10008."
"""The root of DICOM's own UIDs."""
_IMAGES = "1.2.840.10008.5.1.4.1.1."
"""... and of its storage classes, those of coming editions too."""
_NOT_OBJECTS = ("Storage Commitment", "Media Storage Directory")


@dataclass(frozen=True)
class Supported:
    """Which presentation contexts are accepted.

    Attributes
    ----------
    services : frozenset of str
        SOP Class UIDs of the services that are answered besides storage; a peer may take either
        role of them (PS3.7 D.3.3.4).
    """

    services: frozenset[str]

    def syntaxes(self, abstract_syntax: str, offered: Sequence[str]) -> str | None:
        """Return the transfer syntax that is taken; empty for none, None for an unknown class.

        Of what is analysed and of services the first of ours; of what is ignored, and of C-ECHO,
        which has no data set, the first that is offered: it is not looked at.
        """
        if abstract_syntax in self.services:
            ours = _first(_SERVICE_SYNTAXES, offered)
            return next(iter(offered), "") if abstract_syntax == Verification else ours
        if abstract_syntax in ANALYSED_SOP_CLASSES:
            return _first(READ_TRANSFER_SYNTAXES, offered)
        if is_storage(abstract_syntax):
            return next(iter(offered), "")
        return None


@lru_cache(maxsize=1024)
def is_storage(sop_class: str) -> bool:
    """Tell whether a SOP class is one of storage, for all we know: private ones may be."""
    if not sop_class.startswith(_STANDARD):
        return bool(sop_class)
    name, kind, *_ = UID_dictionary.get(sop_class, ("", ""))
    is_named = kind == "SOP Class" and "Storage" in name and not name.startswith(_NOT_OBJECTS)
    return is_named or sop_class.startswith(_IMAGES)


def _first(ours: Sequence[UID], offered: Sequence[str]) -> str:
    return next((one for one in ours if one in offered), "")
