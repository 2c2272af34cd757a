"""Signals of the life cycle of a guest.

Each is sent after the commit; a receiver that fails is logged and changes nothing.

``guest_created``
    ``sender`` the user model, ``user`` the new guest, ``facts`` a
    :class:`~anonauth.flows.sign_in.SignInFacts` about the request.
``guest_upgraded``
    ``sender`` the user model, ``user`` the user, ``method`` how he proved his identity, ``age`` how long he had been a
    guest (a ``timedelta``).
``guest_merged``
    ``sender`` the user model, ``user`` the account, ``guest_id`` the key that the guest had, ``report`` a
    :class:`~anonauth.merging.report.MergeReport`, ``method`` how it was proved that both are one person.
``guest_purged``
    ``sender`` the user model, ``user_id`` the key that the row had.
``guest_expiring``
    ``sender`` the user model, ``user`` the guest, ``purge_at`` from when on he may be deleted if he does not return;
    only by ``purge_anonymous --warn-before``.
"""

from django.dispatch import Signal

guest_created = Signal()
guest_upgraded = Signal()
guest_merged = Signal()
guest_purged = Signal()
guest_expiring = Signal()
