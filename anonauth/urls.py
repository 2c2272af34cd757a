"""What a project includes: ``path("auth/", include("anonauth.urls"))``."""

from django.apps import apps
from django.urls import include, path

app_name = "anonauth"

urlpatterns = [path("", include("anonauth.api.urls"))]

if apps.is_installed("anonauth.contrib.simplejwt"):
    urlpatterns += [path("", include("anonauth.contrib.simplejwt.urls"))]
if apps.is_installed("anonauth.contrib.allauth"):
    urlpatterns += [path("", include("anonauth.contrib.allauth.urls"))]
