"""How the credentials are named in the schema; drf-spectacular knows only the classes that ours extend."""

# mypy: allow-untyped-calls
# Reason: the extensions of drf-spectacular register themselves in an __init_subclass__ without annotations.

from __future__ import annotations

from drf_spectacular.authentication import SessionScheme
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme


class JWTScheme(SimpleJWTScheme):
    """``jwtAuth``, as simplejwt's own class: to a client they are one scheme."""

    target_class = "anonauth.contrib.simplejwt.authentication.JWTAuthentication"


class CookieScheme(SessionScheme):
    """``cookieAuth``, as REST framework's own class."""

    target_class = "anonauth.api.authentication.SessionAuthentication"
