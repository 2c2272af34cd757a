from django.urls import include, path

from benchmarks.project.views import FloorView

urlpatterns = [
    path("floor/", FloorView.as_view()),
    path("auth/", include("anonauth.urls")),
]
