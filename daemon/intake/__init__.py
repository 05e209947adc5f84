"""From the association to the ledger: what is answered with Success is on the disk.

::

    receive.py -> processes.py -> reception.py      here or in processes that share the port
    reception.py -> association/                    what a peer says, and what we answer
    association/ -> store/                          a C-STORE, piece by piece, to file and row
    sending.py                                      what is on the wire at the moment
"""
