from __future__ import annotations

from django.apps import apps
from django.db.transaction import non_atomic_requests
from django.urls import URLPattern, URLResolver, include, path

from anonauth.contrib.allauth.views import codes, merge, passwords

urlpatterns: list[URLPattern | URLResolver] = [
    path("upgrade/email/", codes.StartEmailView.as_view(), name="upgrade_email"),
    path("upgrade/email/verify/", codes.VerifyEmailView.as_view(), name="upgrade_email_verify"),
    path("upgrade/email/resend/", codes.ResendEmailView.as_view(), name="upgrade_email_resend"),
    path("upgrade/phone/", codes.StartPhoneView.as_view(), name="upgrade_phone"),
    path("upgrade/phone/verify/", codes.VerifyPhoneView.as_view(), name="upgrade_phone_verify"),
    path("upgrade/phone/resend/", codes.ResendPhoneView.as_view(), name="upgrade_phone_resend"),
    path("user/password/", passwords.PasswordView.as_view(), name="user_password"),
    path("merge/offer/", non_atomic_requests(merge.MergeOfferView.as_view()), name="merge_offer"),
    path("token/", passwords.TokenView.as_view(), name="token"),
]

if apps.is_installed("allauth.socialaccount"):
    urlpatterns += [
        path("upgrade/social/<provider>/", include("anonauth.contrib.allauth.social_urls"))
    ]
