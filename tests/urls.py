"""What a project that uses anonauth beside allauth includes."""

from __future__ import annotations

from allauth.account.views import confirm_email
from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView


def here(request: HttpRequest) -> JsonResponse:
    """Tell who the page sees, as any page of a project would."""
    user = request.user
    return JsonResponse({"id": str(user.pk), "is_authenticated": user.is_authenticated})


urlpatterns = [
    path("", here, name="here"),
    # allauth leaves the route out where codes are sent; its tests turn codes off.
    re_path(
        r"^accounts/confirm-email/(?P<key>[-:\w]+)/$", confirm_email, name="account_confirm_email"
    ),
    path("auth/", include("anonauth.urls")),
    path("rows/", include("tests.contrib.postgres.urls")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("admin/", admin.site.urls),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
]
