"""The person who waits reads each step; on a terminal the pictures are counted."""

import io

import numpy as np
import pytest
from rich.console import Console

from export.steps import Steps


def answer(image, target):
    return len(image)


def ask(steps, batches=(2, 1)):
    counted = steps.counted(answer, "comparing 3 pictures", sum(batches))
    return [counted(np.zeros((n, 3, 2, 2), np.float32), np.zeros(n, np.int64)) for n in batches]


def test_a_step_is_one_line_when_it_begins_and_answers_go_through(capsys):
    with Steps() as steps:
        steps.say(f"tracing [network] in /{'long' * 40}")
        steps.counted(answer, "never begun", 1)
        assert ask(steps) == [2, 1]
        steps.say("writing")
    captured = capsys.readouterr()
    first, *rest = captured.err.splitlines()
    assert first.startswith("tracing [network] in")
    assert rest == ["comparing 3 pictures", "writing"]
    assert captured.out == ""


def test_quiet_says_nothing(capsys):
    with Steps(quiet=True) as steps:
        steps.say("tracing")
        assert ask(steps) == [2, 1]
    assert capsys.readouterr().err == ""


def interrupted(steps):
    with steps:
        ask(steps)
        raise ValueError("differs")


def test_on_a_terminal_pictures_are_counted_and_no_bar_is_left_after_an_error():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with pytest.raises(ValueError, match="differs"):
        interrupted(Steps(console=console))
    assert "3/3" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the bar's line is wiped
