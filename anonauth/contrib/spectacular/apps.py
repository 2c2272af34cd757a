from django.apps import AppConfig


class SpectacularConfig(AppConfig):
    name = "anonauth.contrib.spectacular"
    label = "anonauth_spectacular"
