"""What anonauth refuses, one class a reason.

``code`` is the stable name that clients read. The HTTP status of each code lives in ``anonauth.api.errors`` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class AnonauthError(Exception):
    """Base of every refusal; ``message`` says what happened and what to do about it."""

    code: ClassVar[str] = "error"
    default_message: ClassVar[str | Promise] = _("The request was refused.")

    def __init__(self, message: str | Promise | None = None) -> None:
        self.message = self.default_message if message is None else message
        super().__init__(self.message)


class AnonymousDisabled(AnonauthError):
    """New guests are not accepted now (ANONAUTH_ENABLED, Adapter.is_open_for_guests)."""

    code = "anonymous_disabled"
    default_message = _("Anonymous sign-in is switched off.")


class AutomatedClient(AnonauthError):
    """A known crawler or a prefetch asked for a guest."""

    code = "automated_client"
    default_message = _("Anonymous sign-in is for people; this client announced itself as a robot.")


class CrossSite(AnonauthError):
    """A page of another site made the browser send this request."""

    code = "cross_site"
    default_message = _("This request came from another site.")


class RateLimited(AnonauthError):
    """Too many attempts from this network; ``retry_after`` is in whole seconds."""

    code = "rate_limited"
    default_message = _("Too many attempts. Try again later.")

    def __init__(self, retry_after: int, message: str | Promise | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class RateLimitUnavailable(AnonauthError):
    """The cache that counts attempts does not answer (see ANONAUTH_FAIL_OPEN)."""

    code = "rate_limit_unavailable"
    default_message = _("Attempts cannot be counted at this moment. Try again soon.")


class CaptchaFailed(AnonauthError):
    """The captcha token is missing, wrong, used or not for this site."""

    code = "captcha_failed"
    default_message = _("The captcha was not solved. Solve a new one and try again.")


class CaptchaUnavailable(AnonauthError):
    """The captcha provider does not answer, or refuses our own key."""

    code = "captcha_unavailable"
    default_message = _("The captcha cannot be checked at this moment. Try again soon.")


class CapacityReached(AnonauthError):
    """ANONAUTH_MAX_GUESTS guests exist."""

    code = "capacity_reached"
    default_message = _("No more anonymous users are accepted at this moment.")


class AlreadyPermanent(AnonauthError):
    """A permanent user asked to be signed in anonymously."""

    code = "already_permanent"
    default_message = _("You are signed in to an account already.")


class NotAnonymous(AnonauthError):
    """The act is for guests, and this user is permanent."""

    code = "not_anonymous"
    default_message = _("This is for anonymous users only.")


class Impersonated(AnonauthError):
    """Staff acts as this user (Adapter.is_impersonated); only the person can prove who he is."""

    code = "impersonated"
    default_message = _("You are acting as another user. Only that person can do this.")


class ForPermanentUsers(AnonauthError, PermissionDenied):
    """Refused to a guest as long as he is one; ``facts`` name the ways to an upgrade.

    Where nobody answers refusals of ours, Django and REST framework answer this as the 403 that it is.
    """

    def __init__(
        self,
        upgrade_methods: Iterable[str] = (),
        message: str | Promise | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(message)
        self.facts = {**facts, "upgrade_methods": list(upgrade_methods)}
        # REST framework's own handler makes its body of this.
        self.args = ({"code": self.code, "detail": str(self.message), **self.facts},)

    def __str__(self) -> str:
        return str(self.message)


class PermanentUserRequired(ForPermanentUsers):
    """The act is for permanent users."""

    code = "permanent_user_required"
    default_message = _("Create an account or sign in to do this.")


class QuotaExceeded(ForPermanentUsers):
    """A guest would own more rows of a kind than guests may; ``limit`` says how many those are."""

    code = "quota_exceeded"
    default_message = _("Anonymous users cannot have more of these. Create an account or sign in.")

    def __init__(self, limit: int, upgrade_methods: Iterable[str] = ()) -> None:
        self.limit = limit
        super().__init__(upgrade_methods, limit=limit)


class WouldLoseData(AnonauthError):
    """A guest who signs out can never come back; he has to say that he knows."""

    code = "would_lose_data"
    default_message = _(
        "Signing out ends your access to everything that you made here. "
        'Send {"lose_data": true} if that is what you want.'
    )


class ScopeUnavailable(AnonauthError):
    """This kind of credential cannot be ended alone."""

    code = "scope_unavailable"
    default_message = _("This credential cannot be ended alone; use the scope “global”.")


class IdempotencyKeyUsed(AnonauthError):
    """The guest that this Idempotency-Key once made is no guest any more."""

    code = "idempotency_key_used"
    default_message = _("This Idempotency-Key has been used. Send a new one.")


class UserNotFound(AnonauthError):
    """The user's row is gone."""

    code = "user_not_found"
    default_message = _("This user does not exist any more.")


class UserInactive(AnonauthError):
    """The user is banned."""

    code = "user_inactive"
    default_message = _("This user is not active.")


class MethodUnavailable(AnonauthError):
    """The project does not offer this way to upgrade."""

    code = "method_unavailable"
    default_message = _("This way of upgrading is not available here.")


class NoPendingUpgrade(AnonauthError):
    """Nothing was started, or it has expired, or it was tried too often."""

    code = "no_pending_upgrade"
    default_message = _("There is no code to enter. Ask for a new one.")


class CodeIncorrect(AnonauthError):
    """The code is not the one that was sent; ``attempts_left`` says how often it can still be tried."""

    code = "code_incorrect"
    default_message = _("This is not the code that was sent.")

    def __init__(self, attempts_left: int, message: str | Promise | None = None) -> None:
        self.attempts_left = attempts_left
        super().__init__(message)


class DeliveryFailed(AnonauthError):
    """The mail or text message with the code could not be sent; nothing changed."""

    code = "delivery_failed"
    default_message = _("The code could not be sent at this moment. Try again soon.")


class SignupClosed(AnonauthError):
    """The project takes no new accounts now (allauth's ``is_open_for_signup``)."""

    code = "signup_closed"
    default_message = _("New accounts are not accepted at this moment.")


class InvalidCredentials(AnonauthError):
    """No permanent user with this name and password may sign in; which of it is wrong is not told."""

    code = "invalid_credentials"
    default_message = _("No account was found with these credentials.")


class MfaRequired(AnonauthError):
    """The password is right, and this account or project asks for a second factor."""

    code = "mfa_required"
    default_message = _("This account asks for a second factor; sign in on the login page.")


class EmailNotVerified(AnonauthError):
    """The password is right, and the project lets nobody in before the address is verified."""

    code = "email_not_verified"
    default_message = _("Verify your e-mail address first.")


class PasswordExists(AnonauthError):
    """The user has a password; changing one asks for the old one, at another place."""

    code = "password_exists"
    default_message = _("This account has a password already.")


class Conflict(AnonauthError):
    """The identity that was proved belongs to an account that exists; ``merge_ticket`` is the proof."""

    def __init__(self, merge_ticket: str, message: str | Promise | None = None) -> None:
        self.merge_ticket = merge_ticket
        super().__init__(message)


class EmailTaken(Conflict):
    """The address, proved by its code, belongs to an account that exists."""

    code = "email_taken"
    default_message = _("An account with this e-mail address exists already.")


class PhoneTaken(Conflict):
    """The number, proved by its code, belongs to an account that exists."""

    code = "phone_taken"
    default_message = _("An account with this phone number exists already.")


class IdentityTaken(Conflict):
    """The social account, proved by its provider, is another user's."""

    code = "identity_taken"
    default_message = _("This identity belongs to an account that exists already.")


class MergeConflict(AnonauthError):
    """Rows of guest and account exclude each other, and no rule says which stays; ``conflicts`` names them."""

    code = "merge_conflict"
    default_message = _("Some of the data cannot be joined; nothing was changed.")

    def __init__(self, conflicts: Sequence[Any] = (), message: str | Promise | None = None) -> None:
        self.conflicts = tuple(conflicts)
        super().__init__(message)


class GuestProofInvalid(AnonauthError):
    """The guest's credential in the body is expired, revoked, forged, or no guest's."""

    code = "guest_proof_invalid"
    default_message = _("This is no valid credential of an anonymous user.")


class NoMergeOffer(AnonauthError):
    """Nothing proves which guest is to be merged, and the session remembers none."""

    code = "no_merge_offer"
    default_message = _("There is no anonymous user to be merged.")


class LoginRequired(AnonauthError):
    """The account that an identity belongs to cannot be entered by the proof of that identity alone."""

    code = "login_required"
    default_message = _("Sign in to that account, then send the ticket again.")


class ProviderTokenInvalid(AnonauthError):
    """The provider's token is expired, forged, for another app, or was brought by another user before."""

    code = "provider_token_invalid"
    default_message = _("The provider's token is not valid. Get a new one and try again.")


class ProviderUnavailable(AnonauthError):
    """The provider of a social account does not answer."""

    code = "provider_unavailable"
    default_message = _("The provider cannot be reached at this moment. Try again soon.")


class TicketInvalid(AnonauthError):
    """A ticket or one-time code is unknown, expired, used, or somebody else's."""

    code = "ticket_invalid"
    default_message = _(
        "This link has expired or was used before. Go back to the app and try again."
    )


class DatabaseRefused(AnonauthError):
    """A rule in the database itself refused the statement (``anonauth.contrib.postgres``)."""

    code = "database_refused"
    default_message = _("You may not do this; it may need an account.")


class DatabaseUnavailable(AnonauthError):
    """The database does not answer, or ended the statement for another one's sake."""

    code = "database_unavailable"
    default_message = _("The service is not available at this moment. Try again soon.")


class UsernamesExhausted(AnonauthError):
    """``Adapter.new_username()`` kept returning names that are taken."""

    code = "usernames_exhausted"
    default_message = _("No name could be found for a new anonymous user. Try again.")


class ProtectedData(AnonauthError):
    """Rows that must not be deleted (PROTECT, RESTRICT) belong to this guest."""

    code = "protected_data"
    default_message = _("Some of this user's data must be kept; nothing was deleted.")


class InvalidInput(AnonauthError):
    """The body was understood and is wrong; ``fields`` maps a field's name to its faults."""

    code = "invalid"
    default_message = _("Some of the values sent are not valid.")

    def __init__(
        self,
        fields: Mapping[str, list[dict[str, str]]],
        message: str | Promise | None = None,
    ) -> None:
        self.fields = dict(fields)
        super().__init__(message)
