"""What reading lacks at the moment: disk, ledger, memory, device. It costs time, never attempts.

::

    a study fails for it        it is given back; nothing is claimed for a moment, then one study
                                is tried at a time, at intervals that grow up to `LONGEST_S`
    a study is read             nothing is lacking any more: all that was given back is due
    a study fails for it while  something is wrong with this one: it alone waits, longer each time
    others are read             up to `LONGEST_ALONE_S`, and a person is told; it holds up nobody

Disk and ledger say nothing of a study, however often. Memory, device and decoder may be worn out by
the study itself (`daemon.errors.Strained`): when it has failed `MOST_ALONE` times while others were
read, or while the device answered the golden input, it is treated as any study that fails.
"""

from dataclasses import dataclass, field
from threading import Lock

from daemon.clock import Stopwatch
from daemon.errors import Strained, Unavailable, system_words
from daemon.guarded import Said

FIRST_S, LONGEST_S = 0.5, 5.0
FIRST_ALONE_S, LONGEST_ALONE_S = 5.0, 120.0
LONGEST_TURN_S = 600.0
ALONE_IS_SAID_AT, MOST_ALONE = 3, 8


@dataclass(frozen=True)
class Lacking:
    """What a failure means for the study that met it.

    Attributes
    ----------
    cause : str
        In words, without patient data.
    wait_s : float
        When it is tried again.
    alone : int
        How often it has failed while others were read.
    is_to_be_told : bool
        A person shall know now.
    is_its_own : bool
        It is the study itself that cannot be done.
    """

    cause: str
    wait_s: float
    alone: int
    is_to_be_told: bool
    is_its_own: bool


@dataclass(frozen=True)
class _Met:
    """A study's last failure: how many studies had been read then, and how often it was alone."""

    done: int
    alone: int


@dataclass(eq=False)
class Lack:
    """What one worker lacks; safe to share between threads."""

    stopwatch: Stopwatch
    _said: Said = field(default_factory=lambda: Said("reading"), init=False)
    _lock: Lock = field(default_factory=Lock, init=False)
    _pauses: int = field(default=0, init=False)
    _until: float = field(default=0.0, init=False)
    _done: int = field(default=0, init=False)
    _met: dict[int, _Met] = field(default_factory=dict, init=False)

    def may_claim(self) -> bool:
        """Tell whether a study may be begun now."""
        with self._lock:
            return not self._pauses or self.stopwatch() >= self._until

    def claimed(self) -> None:
        """Note that one was begun: while something is lacking, no other for a while."""
        with self._lock:
            if self._pauses:
                self._pauses += 1
                self._until = self.stopwatch() + self._pause_s()

    def failed(self, job_id: int, error: Exception) -> Lacking:
        """Note that a study failed for want of something."""
        cause = in_words(error)
        with self._lock:
            met = self._met.get(job_id)
            is_one_more = met is not None and (self._done > met.done or _others_work(error))
            alone = is_one_more + (met.alone if met is not None else 0)
            self._met[job_id] = _Met(self._done, alone)
            if alone:
                wait_s = min(FIRST_ALONE_S * 2.0 ** (alone - 1), LONGEST_ALONE_S)
            else:
                self._said.waits(cause)
                wait_s = self._wait()
        is_its_own = alone >= MOST_ALONE and isinstance(error, Strained | MemoryError)
        is_to_be_told = is_one_more and alone == ALONE_IS_SAID_AT
        return Lacking(cause, wait_s, alone, is_to_be_told, is_its_own)

    def settled(self, job_id: int, *, is_read: bool) -> list[int]:
        """Note the end of a job; a job that was read proves that nothing is lacking.

        Returns
        -------
        list of int
            The jobs that need not wait any longer.
        """
        with self._lock:
            self._met.pop(job_id, None)
            if not is_read:
                return []
            self._done += 1
            was_lacking, self._pauses = self._pauses > 0, 0
            self._said.worked()
            return [one for one, met in self._met.items() if not met.alone] if was_lacking else []

    def _wait(self) -> float:
        """Begin a pause, unless one is going on; what failed waits until the others had their turn.

        A study that was not tried yet is among them: it may be the one that works.
        """
        now = self.stopwatch()
        self._pauses = self._pauses or 1
        if now >= self._until:
            self._until = now + self._pause_s()
        return min(self._pause_s() * (len(self._met) + 1), LONGEST_TURN_S)

    def _pause_s(self) -> float:
        return min(FIRST_S * 2.0 ** (min(self._pauses, 32) - 1), LONGEST_S)


def _others_work(error: Exception) -> bool:
    return isinstance(error, Strained) and error.others_work


def in_words(error: Exception) -> str:
    """Say what was not there; nothing of it comes from an image."""
    if isinstance(error, Unavailable):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory: the machine has none left"
    return f"system: {system_words(error)}"
