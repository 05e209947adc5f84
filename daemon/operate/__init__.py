"""What keeps the daemon going, and what a person asks of it.

By itself::

    lease_watch jobs of silent workers come back; by a stopwatch, as every wait
    neighbours  hosts that share the ledger: which live, which are silent
    purge       what is settled and old goes, and old refused objects
    vigil       is the ledger still the same one, was the clock set?
    bells       the nightly bells (APScheduler)

Asked by a command::

    node_status, listing  how the node is, which studies there are
    check, echo           what the daemon would open, whom it would call
    bench, chart          how fast a model package is here
    batch                 studies from an archive, with its progress
    redecide              stored readings at other operating points
    withdraw              a study's results are rejected
    adopt, holder         the state folder of a host that is gone
    offline               files read for a person, without a ledger
"""
