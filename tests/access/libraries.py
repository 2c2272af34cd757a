"""Routers, operations, and the pages that libraries bring, each with the verdict that it deserves."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import include, path, re_path
from ninja import NinjaAPI
from ninja.security import HttpBearer, django_auth
from rest_framework import permissions, routers, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.response import Response

from anonauth.api.permissions import IsPermanentUser
from anonauth.models import is_permanent
from tests.access.lab import body, fresh
from tests.testapp.models import Note


class NoteSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    class Meta:
        model = Note
        fields = ["id", "text"]


class Notes(viewsets.ModelViewSet):  # type: ignore[type-arg]
    queryset = Note.objects.all()
    serializer_class = NoteSerializer

    def get_permissions(self) -> Any:
        if self.action in ("list", "retrieve"):
            return [permissions.AllowAny()]
        if self.action == "destroy":
            return [permissions.IsAdminUser()]
        return super().get_permissions() if self.action == "stats" else [IsPermanentUser()]

    @action(detail=False, permission_classes=[permissions.IsAuthenticated])
    def stats(self, request: Any) -> Response:
        return Response(body(request).status_code)


class ModelRights(Notes):
    def get_permissions(self) -> Any:
        return [permissions.DjangoModelPermissions()]


router = routers.DefaultRouter()
router.register("notes", Notes, "notes")
router.register("rights", ModelRights, "rights")

# --- django-ninja

api = NinjaAPI(urls_namespace="lab")


class Bearer(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> Any:
        return token == "x"


def permanent_auth(request: HttpRequest) -> bool:
    return is_permanent(request.user)


@api.get("/open")
@api.post("/open", auth=django_auth)
def ninja_open(request: HttpRequest, text: str = "") -> str:
    return body(request).content.decode()


@api.post("/permanent", auth=permanent_auth)
def ninja_permanent(request: HttpRequest, number: int) -> str:
    return body(request).content.decode()


@api.post("/either", auth=[Bearer(), django_auth])
def ninja_either(request: HttpRequest) -> str:
    return body(request).content.decode()


@api.post("/bearer", auth=Bearer())
def ninja_bearer(request: HttpRequest) -> str:
    return body(request).content.decode()


V, G, P, C, U = "visitor", "guest", "permanent", "closed", "unknown"

MORE: dict[str, dict[str, Any]] = {
    "/api/notes/": {"GET": V, "POST": P},
    "/api/notes/stats/": {"GET": G},
    "/api/notes/(?P<pk>[^/.]+)/": {"GET": V, "PUT": P, "PATCH": P, "DELETE": C},
    "/api/rights/": {"GET": G, "POST": C},
    "/ninja/open": {"GET": V, "POST": G},
    "/ninja/permanent": {"POST": P},
    "/ninja/either": {"POST": G},
    "/ninja/bearer": {"POST": U},
    "/admin/": {"GET": C},
    "/admin/login/": {"GET": V},
    "/accounts/login/": {"GET": V, "POST": V},
    "/accounts/email/": {"GET": G, "POST": G},
    "/accounts/password/change/": {"GET": P},
    "/_allauth/app/v1/auth/signup": {"POST": V},
    "/_allauth/app/v1/account/email": {"GET": G},
    "/_allauth/browser/v1/account/authenticators/totp": {"POST": G},
    "/auth/user/": {"GET": G, "DELETE": G},
    "/auth/user/password/": {"POST": P},
    "/named/<slug:slug>/<uuid:key>/": {"GET": V, "POST": V},
    "/numbered/(\\d+)/": {"GET": V, "POST": V},
}

urlpatterns = [
    path("api/", include(router.urls)),
    path("ninja/", api.urls),
    path("admin/", admin.site.urls),
    path("auth/", include("anonauth.urls")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("named/<slug:slug>/<uuid:key>/", fresh()),
    re_path(r"^numbered/(\d+)/$", fresh()),
]
