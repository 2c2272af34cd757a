"""Who is to be merged into whom. Both have to be proved in one request, each by something that only he has.

| at hand | in the body | |
| --- | --- | --- |
| the account's credentials | a credential of the guest | |
| the account's credentials | a merge ticket | the guest has proved an identity of this very account |
| the account's session | nothing | allauth's login has left the guest in it |
| the guest's credentials | a merge ticket | he is signed in to the account, if the proof is a login here |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request

from anonauth.adapter import get_adapter
from anonauth.api.answers import offered
from anonauth.conf import get_settings
from anonauth.credentials import Credentials, allowed_credentials
from anonauth.exceptions import (
    AnonauthError,
    GuestProofInvalid,
    LoginRequired,
    NoMergeOffer,
    NotAnonymous,
    PermanentUserRequired,
    TicketInvalid,
    UserInactive,
    UserNotFound,
)
from anonauth.models import find_user, is_guest, is_permanent, is_trace, trace_of
from anonauth.registry import ticket_logins
from anonauth.tickets import MergeTicket, read_merge_ticket

#: How the guest was proved, in the record of a merge, where it was neither a ticket nor a credential.
BY_LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Parties:
    """The guest and the account, both proved, and how; ``refusal`` is what is wrong if it is not true any more."""

    guest: Any
    account: Any
    method: str
    refusal: AnonauthError

    @contextmanager
    def still_true(self) -> Iterator[None]:
        """Blame the proof, and not who sent it, for what has happened to one of both in this very moment.

        Clients forget their credentials when they are told that a user is gone or banned: those at hand may be good.
        """
        try:
            yield
        except (UserNotFound, UserInactive, NotAnonymous) as error:
            raise self.refusal from error


def proof_fields() -> dict[str, Credentials]:
    """Return the kinds of credentials by the names under which a body can bring one of a guest."""
    kinds = allowed_credentials().values()
    return {kind.proof_field: kind for kind in kinds if kind.proof_field is not None}


def find_parties(request: Request, data: Mapping[str, Any]) -> Parties:
    """Return who is proved by a request, whose body brings no more than one proof.

    Args:
        request: an authenticated one.
        data: its validated body.

    Raises:
        GuestProofInvalid, TicketInvalid, NoMergeOffer: the proof is not good, or there is none.
        PermanentUserRequired: a guest is at hand, and no ticket says for which account.
        LoginRequired, MfaRequired, EmailNotVerified: the same, and the proof alone is no login to the account.
    """
    if "merge_ticket" in data:
        return _by_ticket(request, data["merge_ticket"])
    if not is_permanent(request.user):
        raise PermanentUserRequired(get_adapter().upgrade_methods())
    for name, kind in proof_fields().items():
        if name in data:
            guest = kind.prove(data[name])
            return Parties(guest, request.user, kind.name, GuestProofInvalid())
    guest = offered(request)
    if guest is None:
        raise NoMergeOffer
    return Parties(guest, request.user, BY_LOGIN, NoMergeOffer())


def _by_ticket(request: Request, encoded: str) -> Parties:
    refusal = TicketInvalid(
        _("This proof has expired or belongs to somebody else. Prove it again.")
    )
    ticket = read_merge_ticket(encoded, lifetime=get_settings().ticket_lifetime)
    if ticket is None:
        raise refusal
    here: Any = request.user
    guest = here if is_guest(here) else _guest_of(ticket)
    account = find_user(ticket.account_id) if is_guest(here) else here
    known = account is not None and ticket.is_accounts(account)
    if not known or not (is_trace(guest) or _is_good(ticket, guest)):
        raise refusal
    if is_guest(here):
        # SECURITY: without this a ticket would be a way around the second factor of the account.
        _check_login(request, account, ticket.method)
    return Parties(guest, account, ticket.method, refusal)


def _guest_of(ticket: MergeTicket) -> Any:
    return find_user(ticket.guest_id) or trace_of(ticket.guest_id)


def _is_good(ticket: MergeTicket, guest: Any) -> bool:
    # SECURITY: whoever is banned must not get rid of it by a merge.
    return is_guest(guest) and guest.is_active and ticket.is_guests(guest)


def _check_login(request: Request, account: Any, method: str) -> None:
    # Not UserInactive where the account is banned: a client would forget its guest, who is not.
    if method not in ticket_logins or not is_permanent(account) or not account.is_active:
        raise LoginRequired
    ticket_logins[method](request._request, account)
