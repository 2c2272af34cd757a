"""The URLs of one foreign project."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.urls import URLResolver, include, path
from django.utils.module_loading import import_string

from tests.access.foreign.projects import PROJECTS, Project, chosen


def _included(project: Project) -> list[URLResolver]:
    found: list[URLResolver] = []
    for prefix, name in project.includes:
        app, colon, attribute = name.partition(":")
        if colon and not attribute:
            config: Any = apps.get_app_config(app)
            found.append(path(prefix, include(config.urls[0])))
        elif colon:
            found.append(path(prefix, include(import_string(f"{app}.{attribute}"))))
        else:
            found.append(path(prefix, include(app)))
    return found


urlpatterns = [path("admin/", admin.site.urls), *_included(PROJECTS[chosen()])]
