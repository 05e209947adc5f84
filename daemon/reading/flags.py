"""What is so now: names in the ledger that `wristd status` shows apart from the counters."""

from collections.abc import Mapping
from typing import Literal

Kind = Literal["degraded", "reads on"]

DEVICE_LOST = "device lost"
SLOWER = "slower than at start"
NO_DEVICE = "no CUDA device"
DEGRADED = (DEVICE_LOST, SLOWER, NO_DEVICE)
"""Why reading is degraded."""

_NAME_LENGTH = 64
_PREFIXES = ("reads on: ", "degraded: ")


def flag_of(kind: Kind, words: str, worker: str) -> str:
    """Name the ledger's flag; several workers may share the ledger."""
    return f"{kind}: {words} ({worker})"[:_NAME_LENGTH]


def flags_of(counters: Mapping[str, int], worker: str) -> list[str]:
    """Return the flags that are up and that a worker has set, as far as names tell."""
    flags = [name for name, value in counters.items() if value and name.startswith(_PREFIXES)]
    return [name for name in flags if worker in name]


def split_flags(counters: Mapping[str, int]) -> tuple[dict[Kind, list[str]], dict[str, int]]:
    """Part a ledger's counters into what is so now, and how often something happened."""
    flags: dict[Kind, list[str]] = {"reads on": [], "degraded": []}
    counts = dict(counters)
    for kind, found in flags.items():
        for name in [name for name in counts if name.startswith(f"{kind}: ")]:
            if counts.pop(name):
                found.append(name.removeprefix(f"{kind}: "))
    return flags, counts
