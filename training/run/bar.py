"""The progress bar of a run: loss, time spent, time to go."""

from rich.progress import Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def progress_bar(disable: bool = False) -> Progress:
    """Return a progress bar with the loss, the time spent and the time to go."""
    return Progress(
        *Progress.get_default_columns()[:3],
        TextColumn("loss {task.fields[loss]}"),
        TimeElapsedColumn(),
        TextColumn("to go"),
        TimeRemainingColumn(),
        refresh_per_second=0.2,
        disable=disable,
    )
