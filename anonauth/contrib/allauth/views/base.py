"""What the endpoints that prove something have in common."""

from __future__ import annotations

from anonauth.api.permissions import IsGuest
from anonauth.api.views import AnonauthView


class GuestProofView(AnonauthView):
    """For guests alone: a permanent user is answered 403 ``not_anonymous``, a visitor 401."""

    permission_classes = (IsGuest,)
