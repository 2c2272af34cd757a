"""A project that keeps simplejwt's own views."""

from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from anonauth.contrib.simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

urlpatterns = [
    path("pair/", TokenObtainPairView.as_view(serializer_class=TokenObtainPairSerializer)),
    path("refresh/", TokenRefreshView.as_view(serializer_class=TokenRefreshSerializer)),
]
