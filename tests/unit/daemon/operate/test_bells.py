"""What is repeated goes on whatever happens in a turn, and whatever the wall clock does."""

from threading import Event, Thread

from daemon.errors import Unavailable
from daemon.guarded import repeat
from daemon.operate.bells import Bells


class Turns:
    """Fails twice, then works."""

    def __init__(self):
        self.rung = Event()
        self.taken = 0

    def turn(self):
        self.taken += 1
        if self.taken <= 2:
            raise Unavailable("not now")
        if self.taken == 3:
            raise ZeroDivisionError
        self.rung.set()


def test_a_turn_that_fails_is_tried_again_at_the_next_bell():
    turns = Turns()
    bells = Bells(turns.turn, 0.01)
    bells.start()
    assert turns.rung.wait(5)
    bells.stop()


def test_bells_ring_at_once_after_the_clock_was_set():
    turns = Turns()
    turns.taken = 3
    bells = Bells(turns.turn, 3600.0)
    bells.start()
    bells.plan_anew()
    assert turns.rung.wait(5)
    bells.stop()


def test_a_loop_says_once_what_it_waits_for_and_once_that_it_goes_on(caplog):
    turns, stop = Turns(), Event()
    thread = Thread(target=repeat, args=("the test", turns.turn, 0.001, stop))
    thread.start()
    assert turns.rung.wait(5)
    stop.set()
    thread.join()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["the test waits: not now", "the test goes on, after it waited for: not now"]
