from django.urls import path

from anonauth.contrib.simplejwt import views

urlpatterns = [
    path("token/refresh/", views.TokenRefreshView.as_view(), name="token_refresh"),
]
