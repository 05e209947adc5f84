"""The receiving side of an association (PS3.8), with a deadline on every byte.

::

    listener.py -> association.py -> conversation.py
      connections, handshake, wire    pdu, command, requests
                    associate.py, negotiate.py, contexts.py    what is asked, and what is accepted
"""
