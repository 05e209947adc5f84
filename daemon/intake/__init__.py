"""From the association to the ledger: what is answered with Success is on the disk.

::

    receive.py -> processes.py -> reception.py      here or in processes that share the port
    reception.py -> listener.py -> association.py -> conversation.py
                      connections, tls, wire          negotiate, pdu, command, requests
    conversation.py -> intake.py                    a C-STORE, piece by piece
         |-> admit.py -> header.py                  may it come in, and what is it?
         |-> disk.py, spool.py, quarantine.py       the file, whole or not at all
         `-> commit.py                              name and row durable; then Success
"""
