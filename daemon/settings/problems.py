"""Say in words what is wrong with a key of the settings, and what to do."""

from typing import TYPE_CHECKING

from daemon.settings.peers import KINDS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]
"""The way to a key: names, and the numbers of blocks."""

MOVED = {
    "delivery.web": '[[destinations]] with kind = "stow", one block for each entry',
    "pull.sources": '[[sources]] with kind = "move" or "get", one block for each entry',
    "pull.web": '[[sources]] with kind = "wado", one block for each entry',
    "sources.retrieve": "kind",
    "reading.package": "package of a [[models]] block",
    "report.operating_points": "operating_points of a [[models]] block",
}
"""Keys of settings of before, and their present places."""


def words_of(problem: "ErrorDetails") -> str:
    """Return the key and what is wrong with it, in one line."""
    location = _as_written(problem["loc"])
    key = ".".join(map(str, location)) or "file"
    moved = MOVED.get(".".join(part for part in location if isinstance(part, str)))
    if moved:
        return f"{key}: is now {moved}; see settings.toml"
    match problem["type"]:
        case "extra_forbidden":
            return f"{key}: is unknown; remove it or correct its spelling"
        case "missing":
            return f"{key}: is missing"
        case "union_tag_not_found":
            return f"{key}.kind: is missing; add {_kinds(location)}"
        case "union_tag_invalid":
            return f"{key}.kind: {problem['ctx']['tag']!r} is unknown; write {_kinds(location)}"
        case _:
            return f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def _as_written(location: Location) -> Location:
    """Leave the kind of a block out: it stands in the block, not in the way to it."""
    is_inside = len(location) > 2 and location[0] in KINDS  # noqa: PLR2004  # name, number, kind
    return (*location[:2], *location[3:]) if is_inside else location


def _kinds(location: Location) -> str:
    *others, last = (f'"{kind}"' for kind in KINDS[str(location[0])])
    return f"kind = {', '.join(others)} or {last}"
