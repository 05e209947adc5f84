"""Which studies are on their way."""

from daemon.intake.sending import Sending


def test_a_study_is_being_sent_while_its_association_brings_another_object():
    sending = Sending()
    sending.begins("a")
    assert sending.studies() == set()
    sending.ends("a", "1.2.3")
    assert sending.studies() == set()
    sending.begins("a")
    assert sending.studies() == {"1.2.3"}


def test_an_association_that_is_idle_or_gone_sends_nothing():
    sending = Sending()
    sending.ends("a", "1.2.3")
    sending.begins("b")
    assert sending.studies() == set()
    sending.begins("a")
    sending.left("a")
    assert sending.studies() == set()
