from django.urls import include, path

from benchmarks.project.rows import page
from benchmarks.project.views import FloorView

urlpatterns = [
    path("floor/", FloorView.as_view()),
    path("page/<str:table>/", page),
    path("auth/", include("anonauth.urls")),
]
