"""What operators are shown by `wristd studies`."""

from collections.abc import Sequence

from rich.table import Table

from daemon.ledger.overview import StudyState
from daemon.logs import study_key


def studies_table(states: Sequence[StudyState]) -> Table:
    """Return one row a study."""
    table = Table("study", "images", "state", "outcome", "score", "results", "marks", "on")
    is_shared = any(state.places for state in states)
    if is_shared:
        table.add_column("lies at")
    for state in states:
        table.add_row(*_cells(state), *([", ".join(state.places)] if is_shared else []))
    return table


def _cells(state: StudyState) -> list[str]:
    outcome = f"{state.category or '-'}{f': {state.reason}' if state.reason else ''}"
    if len(state.models) > 1:
        each = (f"{one.model}: {one.category or one.state}" for one in state.models)
        outcome = f"{outcome} ({', '.join(each)})"
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
