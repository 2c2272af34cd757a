from django.contrib import admin
from django.urls import path

from benchmarks.project.urls import urlpatterns as others

urlpatterns = [*others, path("admin/", admin.site.urls)]
