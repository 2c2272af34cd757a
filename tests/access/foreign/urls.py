"""The URLs of one foreign project."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.utils.module_loading import import_string

from tests.access.foreign.projects import PROJECTS, Project


def _included(project: Project) -> list[object]:
    found = []
    for prefix, name in project.includes:
        app, colon, attribute = name.partition(":")
        if colon and not attribute:
            found.append(path(prefix, include(apps.get_app_config(app).urls[0])))
        elif colon:
            found.append(path(prefix, include(import_string(f"{app}.{attribute}"))))
        else:
            found.append(path(prefix, include(app)))
    return found


urlpatterns = [path("admin/", admin.site.urls), *_included(PROJECTS[settings.NAME])]
