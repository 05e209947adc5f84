"""Whether two person names are one: PS3.5 6.2.1, and what writers leave out or pad."""

import unicodedata
from collections.abc import Iterator

_PARTS = 3
"""Family, given and middle name; prefixes and suffixes come and go."""

_Parts = tuple[str, ...]


def same_name(one: str, other: str) -> bool:
    """Tell whether two names are certainly the same; an empty one is the same as every other.

    Case, blanks and the form of Unicode do not count, nor do prefixes and suffixes; a component
    that one of them lacks contradicts nothing. Of a name that is written in several scripts, one
    that both have in common is enough.
    """
    ours, theirs = list(_scripts(one)), list(_scripts(other))
    if not ours or not theirs:
        return True
    return any(_agree(a, b) for a in ours for b in theirs)


def _scripts(name: str) -> Iterator[_Parts]:
    """Give the components of each component group that holds any."""
    for group in unicodedata.normalize("NFKC", name).casefold().split("="):
        parts = [" ".join(part.split()) for part in group.split("^")]
        if any(parts):
            yield tuple((parts + [""] * _PARTS)[:_PARTS])


def _agree(one: _Parts, other: _Parts) -> bool:
    both = [(a, b) for a, b in zip(one, other, strict=True) if a and b]
    return bool(both) and all(a == b for a, b in both)
