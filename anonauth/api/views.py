"""The endpoints. Each parses, calls a flow, answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings as django_settings
from django.db import connections, transaction
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.metadata import SimpleMetadata
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from anonauth.adapter import get_adapter, refuse_impersonation
from anonauth.api.answers import kind_at_hand, offered, signed_in
from anonauth.api.entrance import admit, enter
from anonauth.api.errors import exception_handler
from anonauth.api.negotiation import JSONOnly
from anonauth.api.parsers import BoundedJSONParser
from anonauth.api.serializers import SignInSerializer, SignOutSerializer
from anonauth.api.throttles import check_rate_limits
from anonauth.captcha import public_config
from anonauth.conf import get_settings
from anonauth.credentials import (
    SessionCredentials,
    allowed_credentials,
    get_credentials,
)
from anonauth.exceptions import AlreadyPermanent, WouldLoseData
from anonauth.flows.purge import purge_guest
from anonauth.flows.sign_out import sign_out_everywhere
from anonauth.guards import check_same_site
from anonauth.models import is_guest, is_permanent, is_trace


class AnonauthView(APIView):
    """What all endpoints share; nothing of it depends on the project's REST_FRAMEWORK settings."""

    renderer_classes = (JSONRenderer,)
    parser_classes = (BoundedJSONParser,)
    content_negotiation_class = JSONOnly
    permission_classes: Any = ()
    throttle_classes = ()
    versioning_class = None
    anonauth_guests_allowed = "anonauth's own endpoint"  # for the access audit
    metadata_class = SimpleMetadata

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Keep the endpoint out of ATOMIC_REQUESTS: each flow opens its own transaction, the network stays outside.

        SECURITY: with it a refusal would also roll back what it counted, e.g. the attempts at a code.
        """
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [made() for made in _authentication_classes(get_settings().credentials)]

    def get_exception_handler(self) -> Any:
        return exception_handler

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        if not answer.has_header("Cache-Control"):
            # SECURITY: a shared cache that kept this answer would give one guest's credentials to many visitors.
            answer["Cache-Control"] = "private, no-store"
            patch_vary_headers(answer, ["Authorization", "Cookie"])
        return answer


@lru_cache(maxsize=8)
def _authentication_classes(_entries: tuple[str, ...]) -> list[type[BaseAuthentication]]:
    # Every request needs them; they depend on ANONAUTH_CREDENTIALS alone.
    return [import_string(kind.authentication_class) for kind in allowed_credentials().values()]


class AnonymousView(AnonauthView):
    """Sign in anonymously."""

    def post(self, request: Request) -> Response:
        """Make the visitor a guest: 201; answer a guest with himself and fresh credentials: 200."""
        if is_permanent(request.user):
            raise AlreadyPermanent
        here = is_guest(request.user)
        ip = None if here else admit(request._request)
        # Nothing sent is the common case; it needs no serializer.
        data = validated(SignInSerializer, request) if request.data else {}
        kind = get_credentials(data.get("credentials"))
        check_same_site(request._request, sets_cookie=kind.sets_cookie)
        kind.check_request(request._request, request.user)
        if here:
            if kind is not kind_at_hand(request):
                # SECURITY: nothing would tell of the new credential that staff has it, and not the guest.
                refuse_impersonation(request._request)
                # SECURITY: each is a row of a session; one guest is enough to fill the table.
                rates = get_settings().token_rate_limits
                limit(request, group="anonauth.credentials", rates=rates)
            return signed_in(request, kind, request.user)
        entered = enter(
            request._request,
            ip=ip,
            credentials=kind.name,
            profile=data.get("profile"),
            captcha_token=data.get("captcha_token"),
            key=request.headers.get("Idempotency-Key"),
        )
        code = status.HTTP_201_CREATED if entered.created else status.HTTP_200_OK
        return signed_in(request, kind, entered.user, code)


class UserView(AnonauthView):
    """The user at hand."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request) -> Response:
        """Tell who is signed in, and whether he was a guest before the login and can take his things along."""
        body = get_adapter().user_payload(request.user)
        guest = offered(request)
        waiting = {} if guest is None or is_trace(guest) else {"merge_offer": True}
        return Response(body | waiting)

    def delete(self, request: Request) -> Response:
        """Delete a guest with all that is his."""
        user = request.user
        purge_guest(user_id=user.pk)
        SessionCredentials().end(request._request, user, {})
        return Response(status=status.HTTP_204_NO_CONTENT)


class SignOutView(AnonauthView):
    """The end of this credential, of the others, or of all."""

    permission_classes = (IsAuthenticated,)

    def post(self, request: Request) -> Response:
        """End what ``scope`` names; a guest has to confirm that he loses his way back."""
        data = validated(SignOutSerializer, request)
        user, scope, kind = request.user, data["scope"], kind_at_hand(request)
        if scope == "others":
            sign_out_everywhere(user)
            return Response(kind.renew(request._request, user))
        if is_guest(user):
            if not data["lose_data"]:
                raise WouldLoseData
            scope = "global"  # nobody can come back as this guest: nothing may stay open
        if scope == "global":
            sign_out_everywhere(user)
            SessionCredentials().end(request._request, user, {})
        else:
            kind.end(request._request, user, data)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SettingsView(AnonauthView):
    """What a client needs to draw its sign-in page."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        return []  # the same answer for everybody, so that it can be cached

    def get(self, request: Request) -> Response:
        """Tell how one signs in here."""
        adapter = get_adapter()
        body = {
            "enabled": adapter.is_open_for_guests(request._request),
            "credentials": list(allowed_credentials()),
            "captcha": public_config(),
            "upgrade_methods": adapter.upgrade_methods(),
            "purge_after": int(get_settings().purge_after.total_seconds()),
        }
        # SECURITY: with that setting the answer carries the cookie of whoever asks; a cache would give it to all.
        whose = "private" if django_settings.SESSION_SAVE_EVERY_REQUEST else "public"
        return Response(body, headers={"Cache-Control": f"{whose}, max-age=60"})


def validated(serializer_class: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the validated body of a request."""
    serializer = serializer_class(data=request.data, context={"request": request})
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def limit(request: Request, *, group: str, rates: Sequence[str]) -> None:
    """Count this attempt of the client's network.

    Raises:
        RateLimited, RateLimitUnavailable
    """
    ip = get_adapter().client_ip(request._request)
    check_rate_limits(group=group, rates=rates, ip=ip)
