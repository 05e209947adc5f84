"""From the outbox to the destinations: each result at each destination is settled alone.

::

    courier.py -> senders.py -> c_store.py, stow.py  what is due, over one association or connection
          |-> answer.py               what an answer means
          |-> backoff.py              when to try again
          `-> breaker.py              whether to try at all
"""
