"""How long to wait after a failed attempt: longer each time, and never all at once."""

import hashlib

from daemon.settings import Delivery

_MAX_DOUBLINGS = 64
_JITTER = 0.5
"""The delay is shortened by up to this share, so that what failed together is spread."""


def delay_s(failures: int, delivery_id: int, settings: Delivery) -> float:
    """Return the wait before the next attempt, in seconds.

    Parameters
    ----------
    failures : int
        Failed attempts so far, at least 1.
    delivery_id : int
        Decides the jitter: the same delivery and attempt always wait equally long.
    settings : Delivery
        `first_delay_s` doubles with each failure up to `max_delay_s`.
    """
    doublings = min(failures - 1, _MAX_DOUBLINGS)
    longest = min(settings.first_delay_s * 2.0**doublings, settings.max_delay_s)
    digest = hashlib.sha256(f"{delivery_id}\x1f{failures}".encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64
    return longest * (1.0 - _JITTER * share)
