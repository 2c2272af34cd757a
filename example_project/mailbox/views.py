from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from example_project.mailbox.models import Mail


@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """Show the mail that was sent, newest first; only in development, where everybody may read it."""
    if not settings.DEBUG:
        raise Http404
    return render(request, "mailbox/mailbox.html", {"mails": Mail.objects.all()[:50]})
