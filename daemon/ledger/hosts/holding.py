"""Where files lie: the conditions and counts that every question about places is made of.

An instance lies at the place that received it first, and at those that received the same content
later. A ledger that one state folder has for itself knows no places: there everything lies at None.
"""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, SQLColumnExpression, func, or_, select

from daemon.ledger.tables import InstanceCopyRow, InstanceRow, PlaceRow, insert_into
from daemon.place import Home

_LABEL_LENGTH = 6


def is_here(place: int | None) -> ColumnElement[bool]:
    """Return the condition that an instance lies at a place."""
    came_first = InstanceRow.place == place
    if place is None:
        return came_first
    came_later = select(InstanceCopyRow.place).where(
        InstanceCopyRow.instance_id == InstanceRow.id, InstanceCopyRow.place == place
    )
    return or_(came_first, came_later.exists())


def present(study_id: SQLColumnExpression[int] | int) -> ColumnElement[bool]:
    """Return the condition that an instance is of a study, and its content counts."""
    return (InstanceRow.study_id == study_id) & InstanceRow.replaced.is_(False)


def held_by(connection: Connection, which: ColumnElement[bool]) -> "Counter[int | None]":
    """Return how many of the instances that fulfil a condition lie at each place."""
    first = select(InstanceRow.place, func.count()).where(which).group_by(InstanceRow.place)
    later = (
        select(InstanceCopyRow.place, func.count())
        .join(InstanceRow, InstanceRow.id == InstanceCopyRow.instance_id)
        .where(which)
        .group_by(InstanceCopyRow.place)
    )
    held: Counter[int | None] = Counter()
    for query in (first, later):
        for place, number in connection.execute(query):
            held[place] += number
    return held


def most_first(held: "Counter[int | None]") -> list[int | None]:
    """Return the places that hold anything, those that hold the most first; always the same."""
    return sorted(held, key=lambda place: (-held[place], place or 0))


def label(name: str, uid: str) -> str:
    """Return what people call a place: several may be on one host."""
    return f"{name}/{uid[:_LABEL_LENGTH]}"


def places_of(connection: Connection, studies: Sequence[int]) -> dict[int, list[str]]:
    """Return the labels of the places where images of studies lie, by the study's id."""
    first = select(InstanceRow.study_id, PlaceRow.name, PlaceRow.uid).join(
        PlaceRow, PlaceRow.id == InstanceRow.place
    )
    later = (
        select(InstanceRow.study_id, PlaceRow.name, PlaceRow.uid)
        .join(InstanceCopyRow, InstanceCopyRow.instance_id == InstanceRow.id)
        .join(PlaceRow, PlaceRow.id == InstanceCopyRow.place)
    )
    found: dict[int, set[str]] = {}
    for query in (first, later):
        for row in connection.execute(query.where(InstanceRow.study_id.in_(studies)).distinct()):
            found.setdefault(row.study_id, set()).add(label(row.name, row.uid))
    return {study_id: sorted(labels) for study_id, labels in found.items()}


def register(connection: Connection, home: Home) -> int:
    """Return the number of a place, which is new to the ledger or is called by its newest name."""
    new = insert_into(PlaceRow, connection.dialect.name).values(uid=home.uid, name=home.name)
    known = new.on_conflict_do_update(index_elements=[PlaceRow.uid], set_={"name": home.name})
    return int(connection.scalars(known.returning(PlaceRow.id)).one())
