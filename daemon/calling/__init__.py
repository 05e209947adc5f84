"""How peers are called: every association and HTTP session that we open, and that can be cut.

::

    outgoing.py    both callers, built from the settings, hung up together
      |-> scu.py   one association: line.py (its socket), transport.py (pynetdicom over it),
      |            exchange.py (which answer is to which request), find.py (C-FIND over it)
      `-> web.py   one HTTP session
"""
