"""The packages, each as a small project: what it needs in the settings, and where its views are."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Project:
    """One package from PyPI with views of its own.

    ``modules`` are the prefixes of the views that count as the package's: neither Django's admin nor what others wrote.
    """

    packages: tuple[str, ...]
    modules: tuple[str, ...]
    apps: tuple[str, ...]
    includes: tuple[tuple[str, str], ...]
    settings: dict[str, Any] = field(default_factory=dict)
    middleware: tuple[str, ...] = ()
    context_processors: tuple[str, ...] = ()


ALLAUTH = ("allauth", "allauth.account", "allauth.socialaccount")
ALLAUTH_MIDDLEWARE = ("allauth.account.middleware.AccountMiddleware",)
HAYSTACK = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
DRF = ("rest_framework", "rest_framework.authtoken")

OSCAR = (
    "oscar.config.Shop",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    *(
        f"oscar.apps.dashboard.{name}.apps.{config}DashboardConfig"
        for name, config in (
            ("reports", "Reports"),
            ("users", "Users"),
            ("orders", "Orders"),
            ("catalogue", "Catalogue"),
            ("offers", "Offers"),
            ("partners", "Partners"),
            ("pages", "Pages"),
            ("ranges", "Ranges"),
            ("reviews", "Reviews"),
            ("vouchers", "Vouchers"),
            ("communications", "Communications"),
            ("shipping", "Shipping"),
        )
    ),
    "widget_tweaks",
    "haystack",
    "treebeard",
    "sorl.thumbnail",
    "django_tables2",
    "django.contrib.flatpages",
)

MACHINA = (
    "mptt",
    "haystack",
    "widget_tweaks",
    "machina",
    *(
        f"machina.apps.{name}"
        for name in (
            "forum",
            "forum_conversation",
            "forum_conversation.forum_attachments",
            "forum_conversation.forum_polls",
            "forum_feeds",
            "forum_moderation",
            "forum_search",
            "forum_tracking",
            "forum_member",
            "forum_permission",
        )
    ),
)

SPIRIT = (
    "django.contrib.humanize",
    "spirit.core",
    "spirit.admin",
    "spirit.search",
    "spirit.user",
    "spirit.user.admin",
    "spirit.user.auth",
    "spirit.category",
    "spirit.category.admin",
    "spirit.topic",
    "spirit.topic.admin",
    "spirit.topic.favorite",
    "spirit.topic.moderate",
    "spirit.topic.notification",
    "spirit.topic.private",
    "spirit.topic.unread",
    "spirit.comment",
    "spirit.comment.bookmark",
    "spirit.comment.flag",
    "spirit.comment.flag.admin",
    "spirit.comment.history",
    "spirit.comment.like",
    "spirit.comment.poll",
    "djconfig",
    "haystack",
)

#: The audit was mended after its verdicts on these had been looked at.
FIRST = {
    "wagtail": Project(
        packages=("wagtail",),
        modules=("wagtail",),
        apps=(
            *(
                "wagtail.contrib." + n
                for n in ("forms", "redirects", "settings", "search_promotions")
            ),
            *("wagtail." + n for n in ("embeds", "sites", "users", "snippets", "documents")),
            *("wagtail." + n for n in ("images", "search", "admin", "locales")),
            "wagtail",
            "wagtail.api.v2",
            "modelcluster",
            "taggit",
            "rest_framework",
        ),
        includes=(
            ("cms/", "wagtail.admin.urls"),
            ("documents/", "wagtail.documents.urls"),
            ("images/", "wagtail.images.urls"),
            ("", "wagtail.urls"),
        ),
        settings={"WAGTAIL_SITE_NAME": "foreign", "WAGTAILADMIN_BASE_URL": "https://localhost"},
        middleware=("wagtail.contrib.redirects.middleware.RedirectMiddleware",),
    ),
    "oscar": Project(
        packages=("django-oscar", "sorl-thumbnail", "django-tables2"),
        modules=("oscar",),
        apps=OSCAR,
        includes=(("", "oscar:"),),
        settings={"HAYSTACK_CONNECTIONS": HAYSTACK},
        middleware=("oscar.apps.basket.middleware.BasketMiddleware",),
        context_processors=(
            "oscar.apps.search.context_processors.search_form",
            "oscar.apps.checkout.context_processors.checkout",
            "oscar.core.context_processors.metadata",
        ),
    ),
    "helpdesk": Project(
        packages=("django-helpdesk",),
        modules=("helpdesk",),
        apps=(
            "django.contrib.humanize",
            "bootstrap4form",
            "rest_framework",
            "helpdesk",
        ),
        includes=(("helpdesk/", "helpdesk.urls"),),
        settings={"HELPDESK_TEAMS_MODE_ENABLED": False, "HELPDESK_ACTIVATE_API_ENDPOINT": True},
    ),
    "wiki": Project(
        packages=("wiki",),
        modules=("wiki", "django_nyt"),
        apps=(
            "django.contrib.humanize",
            "django_nyt.apps.DjangoNytConfig",
            "mptt",
            "sekizai",
            "sorl.thumbnail",
            "wiki.apps.WikiConfig",
            "wiki.plugins.attachments.apps.AttachmentsConfig",
            "wiki.plugins.notifications.apps.NotificationsConfig",
            "wiki.plugins.images.apps.ImagesConfig",
            "wiki.plugins.macros.apps.MacrosConfig",
        ),
        includes=(("notifications/", "django_nyt.urls"), ("wiki/", "wiki.urls")),
    ),
    "machina": Project(
        packages=("django-machina",),
        modules=("machina",),
        apps=MACHINA,
        includes=(("forum/", "machina.urls"),),
        settings={
            "HAYSTACK_CONNECTIONS": HAYSTACK,
            "CACHES": {
                "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
                "machina_attachments": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
            },
        },
        middleware=("machina.apps.forum_permission.middleware.ForumPermissionMiddleware",),
        context_processors=("machina.core.context_processors.metadata",),
    ),
    "oauth2_provider": Project(
        packages=("django-oauth-toolkit",),
        modules=("oauth2_provider",),
        apps=("oauth2_provider",),
        includes=(("o/", "oauth2_provider.urls"),),
    ),
    "djoser": Project(
        packages=("djoser", "djangorestframework-simplejwt"),
        modules=("djoser", "rest_framework_simplejwt"),
        apps=(*DRF, "djoser"),
        includes=(
            ("a/", "djoser.urls"),
            ("a/", "djoser.urls.authtoken"),
            ("a/", "djoser.urls.jwt"),
        ),
    ),
    "dj_rest_auth": Project(
        packages=("dj-rest-auth", "django-allauth[socialaccount]"),
        modules=("dj_rest_auth",),
        apps=(*DRF, *ALLAUTH, "dj_rest_auth", "dj_rest_auth.registration"),
        includes=(("r/", "dj_rest_auth.urls"), ("r/sign-up/", "dj_rest_auth.registration.urls")),
        middleware=ALLAUTH_MIDDLEWARE,
    ),
    "organizations": Project(
        packages=("django-organizations",),
        modules=("organizations",),
        apps=("organizations",),
        includes=(("organizations/", "organizations.urls"),),
    ),
    "explorer": Project(
        packages=("django-sql-explorer",),
        modules=("explorer",),
        apps=("explorer",),
        includes=(("explorer/", "explorer.urls"),),
        settings={
            "EXPLORER_CONNECTIONS": {"Default": "default"},
            "EXPLORER_DEFAULT_CONNECTION": "default",
        },
    ),
}

#: Drawn and labelled afterwards, from packages at which nobody had looked.
SECOND = {
    "spirit": Project(
        packages=("django-spirit",),
        modules=("spirit",),
        apps=SPIRIT,
        includes=(("", "spirit.urls"),),
        settings={
            "AUTHENTICATION_BACKENDS": [
                "spirit.user.auth.backends.UsernameAuthBackend",
                "spirit.user.auth.backends.EmailAuthBackend",
            ],
            "CACHES": {
                name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
                for name in ("default", "st_rate_limit")
            },
            "HAYSTACK_CONNECTIONS": HAYSTACK,
            "LOGIN_URL": "spirit:user:auth:login",
            "ST_SITE_URL": "https://localhost/",
        },
        middleware=(
            "spirit.user.middleware.TimezoneMiddleware",
            "spirit.user.middleware.LastIPMiddleware",
            "spirit.user.middleware.LastSeenMiddleware",
            "spirit.user.middleware.ActiveUserMiddleware",
            "spirit.core.middleware.PrivateForumMiddleware",
            "djconfig.middleware.DjConfigMiddleware",
        ),
    ),
    "ledger": Project(
        packages=("django-ledger",),
        modules=("django_ledger",),
        apps=("django_ledger",),
        includes=(("ledger/", "django_ledger.urls"),),
        context_processors=("django_ledger.context.django_ledger_context",),
    ),
    "postman": Project(
        packages=("django-postman",),
        modules=("postman",),
        apps=("postman",),
        includes=(("messages/", "postman.urls"),),
    ),
    "newsletter": Project(
        packages=("django-newsletter",),
        modules=("newsletter",),
        apps=("sorl.thumbnail", "newsletter"),
        includes=(("newsletter/", "newsletter.urls"),),
        settings={"NEWSLETTER_THUMBNAIL": "sorl-thumbnail"},
    ),
    "two_factor": Project(
        packages=("django-two-factor-auth", "phonenumbers"),
        modules=("two_factor",),
        apps=(
            "django_otp",
            "django_otp.plugins.otp_static",
            "django_otp.plugins.otp_totp",
            "two_factor",
        ),
        includes=(("", "two_factor.urls:urlpatterns"),),
        middleware=("django_otp.middleware.OTPMiddleware",),
    ),
    "comments_xtd": Project(
        packages=("django-comments-xtd",),
        modules=("django_comments_xtd", "django_comments"),
        apps=("rest_framework", "django_comments_xtd", "django_comments"),
        includes=(("comments/", "django_comments_xtd.urls"),),
        settings={"COMMENTS_APP": "django_comments_xtd"},
    ),
    "silk": Project(
        packages=("django-silk",),
        modules=("silk",),
        apps=("silk",),
        includes=(("silk/", "silk.urls"),),
        settings={"SILKY_AUTHENTICATION": True, "SILKY_AUTHORISATION": True},
    ),
    "todo": Project(
        packages=("django-todo",),
        modules=("todo",),
        apps=("todo",),
        includes=(("todo/", "todo.urls"),),
    ),
    "friendship": Project(
        packages=("django-friendship",),
        modules=("friendship",),
        apps=("friendship",),
        includes=(("friendship/", "friendship.urls"),),
    ),
}

PROJECTS = FIRST | SECOND


def chosen() -> str:
    """Return the name of the project of this process."""
    return os.environ["FOREIGN_PROJECT"]
