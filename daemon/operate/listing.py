"""What operators are shown: `wristd studies` and `wristd status`."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from daemon.ledger.holding import label
from daemon.ledger.ledger import Ledger
from daemon.ledger.overview import StudyState, backlog, oldest
from daemon.ledger.places import Places
from daemon.logs import study_key
from daemon.reading.flags import split_flags


def studies_table(states: Sequence[StudyState]) -> Table:
    """Return one row a study."""
    table = Table("study", "images", "state", "outcome", "score", "results", "marks", "on")
    is_shared = any(state.places for state in states)
    if is_shared:
        table.add_column("lies at")
    for state in states:
        table.add_row(*_cells(state), *([", ".join(state.places)] if is_shared else []))
    return table


def status(ledger: Ledger, now: datetime, ours: str | None) -> dict[str, object]:
    """Return what `wristd status` prints; with the places where hosts share the ledger.

    Parameters
    ----------
    ledger : Ledger
    now : datetime
    ours : str or None
        The identity of this host's state folder; None where it has none.
    """
    flags, counters = split_flags(ledger.counters())
    ages = {name: round((now - since).total_seconds()) for name, since in oldest(ledger).items()}
    shown: dict[str, object] = {
        "reads_on": flags["reads on"],
        "degraded": flags["degraded"],
        "backlog": backlog(ledger),
        "oldest_s": ages,
        "counters": counters,
    }
    places = _places(ledger, now, ours)
    return shown | {"places": places} if places else shown


def _places(ledger: Ledger, now: datetime, ours: str | None) -> list[dict[str, object]]:
    """Return what each place holds, and for how long its host has been silent."""
    return [
        {
            "place": label(one.name, one.uid) if one.uid else one.name,
            "is_this_host": one.is_ours,
            "silent_s": None if one.seen_at is None else round((now - one.seen_at).total_seconds()),
            "images": one.images,
            "open_jobs": one.jobs,
            "open_deliveries": one.deliveries,
        }
        for one in Places(ledger).states(ours)
    ]


def _cells(state: StudyState) -> list[str]:
    outcome = f"{state.category or '-'}{f': {state.reason}' if state.reason else ''}"
    score = "-" if state.highest_score is None else f"{state.highest_score:.3f}"
    sent = ", ".join(f"{number} {name}" for name, number in sorted(state.deliveries.items()))
    marks = {"superseded": state.superseded, "withdrawn": state.withdrawn}
    return [
        study_key(state.study_uid),
        str(state.instances),
        f"{'held' if state.is_held else state.state}{', released' if state.is_released else ''}",
        outcome,
        score,
        sent or "-",
        ", ".join(f"{number} {name}" for name, number in marks.items() if number) or "-",
        (state.provider or "-").removesuffix("ExecutionProvider"),
    ]
