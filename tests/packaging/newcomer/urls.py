from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("auth/", include("anonauth.urls"))]
