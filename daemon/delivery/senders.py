"""What sends to a destination, by its kind."""

from collections.abc import Callable, Mapping
from typing import Any

from daemon.calling.outgoing import Outgoing
from daemon.delivery.answer import Sender
from daemon.delivery.c_store import StorageUser
from daemon.delivery.recheck import PatientCheck
from daemon.delivery.stow import StowUser
from daemon.settings import Destination, DimseDestination, StowDestination


def sender_for(destination: Destination, outgoing: Outgoing) -> Sender:
    """Return what sends to a destination."""
    return _BY_KIND[destination.kind](destination, outgoing)


def _dimse(destination: DimseDestination, outgoing: Outgoing) -> Sender:
    user = StorageUser(destination, outgoing.dimse)
    if destination.check_patient:
        return PatientCheck(user, destination, outgoing.dimse)
    return user


def _stow(destination: StowDestination, outgoing: Outgoing) -> Sender:
    return StowUser(destination, outgoing.web)


_BY_KIND: Mapping[str, Callable[[Any, Outgoing], Sender]] = {"dimse": _dimse, "stow": _stow}
