from django.urls import path

from anonauth.api import merge, views

urlpatterns = [
    path("anonymous/", views.AnonymousView.as_view(), name="anonymous"),
    path("user/", views.UserView.as_view(), name="user"),
    path("sign-out/", views.SignOutView.as_view(), name="sign_out"),
    path("merge/preview/", merge.MergePreviewView.as_view(), name="merge_preview"),
    path("merge/", merge.MergeView.as_view(), name="merge"),
    path("settings/", views.SettingsView.as_view(), name="settings"),
]
