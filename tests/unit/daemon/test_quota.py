"""The first few of a kind pass, the rest is counted, and nothing grows without end."""

import logging

from daemon.quota import OTHERS, MessageKind, Quota


class Stopwatch:
    """Stands still until it is moved."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def kind(words="refused", host="192.0.2.1"):
    return MessageKind("daemon.intake", logging.WARNING, words, host)


def test_the_first_few_of_a_kind_pass_and_the_rest_is_counted():
    watch = Stopwatch()
    quota = Quota(2, 60.0, stopwatch=watch)
    assert [quota.passes(kind()) for _ in range(5)] == [True, True, False, False, False]
    assert quota.held_back() == []
    watch.seconds = 60.0
    assert quota.held_back() == [(kind(), 3)]
    assert quota.held_back() == []
    assert quota.passes(kind())


def test_another_kind_and_another_host_have_quotas_of_their_own():
    quota = Quota(1, 60.0)
    kinds = [kind(), kind(words="rejected"), kind(host="192.0.2.2")]
    assert [quota.passes(one) for one in kinds * 2] == [True] * 3 + [False] * 3


def test_what_was_held_back_is_not_lost_when_its_kind_comes_again_later():
    watch = Stopwatch()
    quota = Quota(1, 60.0, stopwatch=watch)
    for _ in range(4):
        quota.passes(kind())
    watch.seconds = 100.0
    assert quota.passes(kind())
    assert quota.is_holding
    assert quota.held_back() == [(kind(), 3)]
    assert not quota.is_holding


def test_at_the_end_everything_is_told():
    quota = Quota(1, 60.0)
    for _ in range(3):
        quota.passes(kind())
    assert quota.held_back(everything=True) == [(kind(), 2)]


def test_many_hosts_share_what_room_is_left():
    quota = Quota(1, 60.0, most_kinds=10)
    passed = sum(quota.passes(kind(host=f"10.0.{n // 256}.{n % 256}")) for n in range(5000))
    assert passed == 11
    assert quota.held_back(everything=True) == [(kind(host=OTHERS), 4989)]
