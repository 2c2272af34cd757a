from django.urls import path

from anonauth.api import views

urlpatterns = [
    path("anonymous/", views.AnonymousView.as_view(), name="anonymous"),
    path("user/", views.UserView.as_view(), name="user"),
    path("sign-out/", views.SignOutView.as_view(), name="sign_out"),
    path("settings/", views.SettingsView.as_view(), name="settings"),
]
