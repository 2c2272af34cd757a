"""What the endpoints take and answer. Component names begin with ``Anonauth``, so that a project's own stay free."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from django.utils.module_loading import import_string
from drf_spectacular.utils import PolymorphicProxySerializer
from drf_spectacular.utils import inline_serializer as inline
from rest_framework import serializers

from anonauth.api.serializers import SignInSerializer, SignOutSerializer
from anonauth.captcha import URLS
from anonauth.conf import get_settings
from anonauth.contrib.spectacular.fields import NamedEnum, OrNull
from anonauth.credentials import allowed_credentials

SCOPES = cast("serializers.ChoiceField", SignOutSerializer().fields["scope"]).choices


class AnonauthUserSerializer(serializers.Serializer[Any]):
    """The user at hand, guest or permanent."""

    id = serializers.CharField()
    is_anonymous = serializers.BooleanField(help_text="Whether the user is a guest.")
    email = serializers.EmailField(allow_null=True)
    identities = serializers.ListField(
        child=serializers.DictField(), help_text="The identities that the user has proved."
    )
    created_at = serializers.DateTimeField(allow_null=True)
    last_seen_at = serializers.DateTimeField(allow_null=True)
    purge_at = serializers.DateTimeField(
        allow_null=True,
        help_text="From then on a guest who does not return may be deleted; null for a permanent user.",
    )
    upgrade_methods = serializers.ListField(
        child=serializers.CharField(),
        help_text="The ways in which this guest can become permanent.",
    )


class AnonauthUserAtHandSerializer(AnonauthUserSerializer):
    """The user at hand, and what waits for him."""

    merge_offer = serializers.BooleanField(
        required=False,
        help_text="There, and true, while the guest who logged in to this account can be merged into it.",
    )


class _TokenSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds that the access token has left.")
    token_type = NamedEnum("AnonauthTokenType", ["Bearer"])


class AnonauthRefreshSerializer(serializers.Serializer[Any]):
    """The token to renew."""

    refresh = serializers.CharField(max_length=8192)


class AnonauthRefreshedSerializer(_TokenSerializer):
    """Fresh tokens."""

    refresh = serializers.CharField(
        required=False, help_text="Where tokens are rotated: replaces the one sent."
    )


class AnonauthRenewedSerializer(serializers.Serializer[Any]):
    """Fresh tokens for a token; empty for a session, whose cookie was replaced."""

    access = serializers.CharField(required=False)
    refresh = serializers.CharField(required=False)
    expires_in = serializers.IntegerField(required=False)
    token_type = NamedEnum("AnonauthTokenType", ["Bearer"], required=False)


class AnonauthSignOutSerializer(SignOutSerializer):
    """What to end; a guest has to confirm."""

    scope = NamedEnum(
        "AnonauthScope",
        SCOPES,
        default="local",
        help_text="This credential, the others, or all; a guest's `local` is always `global`.",
    )
    lose_data = serializers.BooleanField(
        default=False, help_text="A guest cannot come back; say that this is known."
    )
    refresh = serializers.CharField(
        required=False,
        max_length=4096,
        help_text="With a token and the scope `local`: the refresh token to end.",
    )


AnonauthCaptcha = inline(
    "AnonauthCaptcha",
    {
        "provider": serializers.CharField(
            help_text=f"{', '.join(URLS)}, or a name of the project's."
        ),
        "site_key": serializers.CharField(allow_blank=True),
        "action": serializers.CharField(allow_null=True),
    },
)


class AnonauthSettingsSerializer(serializers.Serializer[Any]):
    """What a client needs to draw its sign-in page."""

    enabled = serializers.BooleanField(help_text="Whether new guests are accepted now.")
    credentials = serializers.ListField(
        child=serializers.CharField(), help_text="The kinds that sign-in issues, the default first."
    )
    captcha = OrNull(AnonauthCaptcha)
    upgrade_methods = serializers.ListField(child=serializers.CharField())
    purge_after = serializers.IntegerField(
        help_text="Seconds for which a guest who does not return is kept."
    )


class _StartSerializer(serializers.Serializer[Any]):
    password = serializers.CharField(
        required=False,
        max_length=4096,
        help_text="Worth nothing until the code is typed; can also be set later.",
    )
    name = serializers.CharField(required=False, allow_blank=True, max_length=150)


class AnonauthStartEmailSerializer(_StartSerializer):
    """The address that the guest wants to prove."""

    email = serializers.EmailField(max_length=254)


class AnonauthStartPhoneSerializer(_StartSerializer):
    """The number that the guest wants to prove."""

    phone = serializers.CharField(max_length=32, help_text="With the country code: `+4930123456`.")


class AnonauthCodeSentSerializer(serializers.Serializer[Any]):
    """The same whether the address is free or taken."""

    expires_in = serializers.IntegerField(help_text="Seconds that the code is good for.")
    resend_after = serializers.IntegerField(help_text="Seconds until another one can be asked for.")


class AnonauthCodeSerializer(serializers.Serializer[Any]):
    """The code as it was typed."""

    code = serializers.CharField(
        max_length=64, help_text="Dashes, spaces and capitals do not matter."
    )


class AnonauthPasswordSerializer(serializers.Serializer[Any]):
    """The password to be."""

    password = serializers.CharField(max_length=4096)


class AnonauthTokenSerializer(serializers.Serializer[Any]):
    """A name or an address, one of both, and the password."""

    username = serializers.CharField(required=False, max_length=254)
    email = serializers.EmailField(required=False, max_length=254)
    password = serializers.CharField(max_length=4096)


def sign_in_body() -> type[serializers.Serializer[Any]]:
    """Return the body of ``POST anonymous/`` as this project's settings have it."""
    return _sign_in_body(tuple(allowed_credentials()), get_settings().profile_serializer)


def signed_in_with_tokens() -> Any:
    """Return the answer of ``POST token/``."""
    return _signed_in_with("jwt") if "jwt" in allowed_credentials() else signed_in()


def signed_in() -> Any:
    """Return the answer of ``POST anonymous/`` for the kinds of credentials that this project issues."""
    return _signed_in(tuple(allowed_credentials()))


# Cached: drf-spectacular takes two classes of one name for a collision.
@lru_cache(maxsize=8)
def _sign_in_body(kinds: tuple[str, ...], profile: str | None) -> type[serializers.Serializer[Any]]:
    credentials = NamedEnum(
        "AnonauthCredentials", kinds, required=False, help_text=f"Default: `{kinds[0]}`."
    )
    captcha_token = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=8192,
        help_text="What the captcha's widget gave; needed where `settings/` names a captcha.",
    )
    fields: dict[str, Any] = {
        "__doc__": "Everything may be left out.",
        "captcha_token": captcha_token,
        "credentials": credentials,
        "profile": import_string(profile)(required=False) if profile else None,
    }
    return type("AnonauthSignInSerializer", (SignInSerializer,), fields)


@lru_cache(maxsize=8)
def _signed_in(kinds: tuple[str, ...]) -> Any:
    return PolymorphicProxySerializer(
        component_name="AnonauthSignedIn",
        serializers={kind: _signed_in_with(kind) for kind in kinds},
        resource_type_field_name="credentials",
    )


@lru_cache(maxsize=8)
def _signed_in_with(kind: str) -> type[serializers.Serializer[Any]]:
    name = "".join(word.capitalize() for word in kind.replace("-", "_").split("_"))
    fields: dict[str, Any] = {
        "__doc__": f"Signed in with the credentials `{kind}`.",
        "user": AnonauthUserSerializer(),
        "credentials": NamedEnum(f"AnonauthCredentials{name}", [kind]),
    }
    bases: tuple[type[serializers.Serializer[Any]], ...] = (serializers.Serializer,)
    if kind == "jwt":
        bases = (_TokenSerializer,)
        fields["refresh"] = serializers.CharField()
    return type(f"AnonauthSignedIn{name}Serializer", bases, fields)
