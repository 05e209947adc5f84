"""What is so now is told apart from what happened, and from what another worker says."""

from daemon.reading.flags import flag_of, flags_of, split_flags

COUNTERS = {
    flag_of("reads on", "CPU", "wrist one-WRISTD"): 1,
    flag_of("degraded", "model knee out of service", "one-WRISTD"): 1,
    flag_of("degraded", "device lost", "one-WRISTD"): 0,
    flag_of("degraded", "device lost", "two-WRISTD"): 1,
    "alert_no_report": 3,
}


def test_the_flags_of_a_worker_are_those_that_are_up():
    assert flags_of(COUNTERS, "one-") == list(COUNTERS)[:2]
    assert flags_of(COUNTERS, "") == [*list(COUNTERS)[:2], list(COUNTERS)[3]]


def test_counters_are_no_flags():
    flags, counters = split_flags(COUNTERS)
    assert counters == {"alert_no_report": 3}
    assert flags["reads on"] == ["CPU (wrist one-WRISTD)"]
