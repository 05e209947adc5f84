"""The presentation contexts that the receiver accepts (PS3.8 7.1.1.13).

Negotiation takes the first of our transfer syntaxes that the sender offers; `daemon.dicom.syntaxes`
orders them by our wish.
"""

from collections.abc import Iterable

from pydicom.uid import UID
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, build_context
from pynetdicom.presentation import PresentationContext

from daemon.dicom.syntaxes import CODINGS
from daemon.intake.admit import ANALYSED_SOP_CLASSES

READ_TRANSFER_SYNTAXES: tuple[UID, ...] = tuple(CODINGS)
"""What the decoders read, in the order of our wish."""


def supported_contexts(services: Iterable[str]) -> list[PresentationContext]:
    """Return what is analysed, every other storage class, to be ignored, and other services.

    Parameters
    ----------
    services : iterable of str
        SOP Class UIDs of the services that are answered besides storage; a peer may take either
        role of them (PS3.7 D.3.3.4).
    """
    analysed = [
        build_context(sop_class, list(READ_TRANSFER_SYNTAXES)) for sop_class in ANALYSED_SOP_CLASSES
    ]
    ignored = [
        build_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)
        for context in AllStoragePresentationContexts
        if context.abstract_syntax not in ANALYSED_SOP_CLASSES
    ]
    return [*(_either_role(sop_class) for sop_class in set(services)), *analysed, *ignored]


def _either_role(sop_class: str) -> PresentationContext:
    context = build_context(sop_class)
    context.scu_role = context.scp_role = True
    return context
