"""Several hosts on one ledger.

holding   where files lie
places    the hosts that share the ledger
adoption  what a dead host leaves
"""
