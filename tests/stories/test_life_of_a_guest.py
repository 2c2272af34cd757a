"""The whole life of a guest over HTTP: in an app with tokens, and in a browser with a session."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.urls import path
from rest_framework import serializers
from rest_framework.generics import ListCreateAPIView

from anonauth.api.authentication import SessionAuthentication
from anonauth.api.permissions import IsPermanentUser
from anonauth.contrib.simplejwt.authentication import JWTAuthentication
from anonauth.decorators import permanent_required, sign_in_guest
from tests import pages
from tests.client import Api
from tests.testapp.models import Note, Receipt

# As in production: no transaction around the request.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]
User = get_user_model()
ADDRESS = "ada@example.org"


# --- the project: notes are everybody's, receipts are for those whom one can reach


class NoteSerializer(serializers.ModelSerializer[Note]):
    class Meta:
        model = Note
        fields = ("id", "text")


class ReceiptSerializer(serializers.ModelSerializer[Receipt]):
    class Meta:
        model = Receipt
        fields = ("id", "number")


class Mine(ListCreateAPIView[Any]):
    """What belongs to whoever asks."""

    authentication_classes = (JWTAuthentication, SessionAuthentication)
    model: Any

    def get_queryset(self) -> Any:
        return self.model._default_manager.filter(owner_id=self.request.user.pk)

    def perform_create(self, serializer: Any) -> None:
        serializer.save(owner=self.request.user)


class Notes(Mine):
    model = Note
    serializer_class = NoteSerializer


class Receipts(Mine):
    model = Receipt
    serializer_class = ReceiptSerializer
    permission_classes = (IsPermanentUser,)


@sign_in_guest
def note_page(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    if request.method == "POST":
        request.session["draft"] = "kept"
        Note.objects.create(owner=user, text=request.POST["text"])
    texts = Note.objects.filter(owner_id=user.pk).order_by("pk").values_list("text", flat=True)
    return JsonResponse({"notes": list(texts)})


@permanent_required(upgrade_url="/keep/")
def receipt_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("yours")


urlpatterns = [
    *pages.urlpatterns,
    path("notes/", Notes.as_view()),
    path("receipts/", Receipts.as_view()),
    path("note-page/", note_page),
    path("receipt-page/", receipt_page),
]


# --- the client


def call(api: Api, method: str, url: str, tokens: dict[str, str] | None = None, **body: Any) -> Any:
    """Send a request to a view of the project's, with the tokens at hand unless others are given."""
    tokens = tokens or api.tokens
    headers = {"Authorization": f"Bearer {tokens['access']}"} if tokens else {}
    if "csrftoken" in api.http.cookies:
        headers["X-CSRFToken"] = api.http.cookies["csrftoken"].value
    send = getattr(api.http, method)
    data = {"data": body, "content_type": "application/json"} if method == "post" else {}
    return send(url, headers=headers, **data)


def code_in_mail() -> str:
    (message,) = mail.outbox
    assert message.to == [ADDRESS]
    (code,) = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", str(message.body), re.MULTILINE)
    return str(code)


def test_the_life_of_a_guest_in_an_app() -> None:
    api = Api()

    # He looks around: nobody is made by that, and he learns what there is.
    offer = api.get("settings/").json()
    assert offer["enabled"] is True
    assert offer["credentials"][0] == "jwt"
    assert "email" in offer["upgrade_methods"]
    assert api.get("user/").status_code == 401
    assert call(api, "get", "/notes/").status_code == 200
    assert not User.objects.exists()

    # He signs in without telling anything about himself, and writes a note.
    him = api.sign_in()
    assert him["is_anonymous"] is True
    assert him["email"] is None
    assert call(api, "post", "/notes/", text="milk").status_code == 201
    refusal = call(api, "post", "/receipts/", number=7)
    assert (refusal.status_code, refusal.json()["code"]) == (403, "permanent_user_required")
    assert not Receipt.objects.exists()

    # He comes back later.
    from_the_first_day = dict(api.tokens)
    assert api.refresh().status_code == 200
    assert api.tokens["access"] != from_the_first_day["access"]
    assert [note["text"] for note in call(api, "get", "/notes/").json()] == ["milk"]

    # He proves an address. Until he has, nothing of it is on him.
    assert api.post("upgrade/email/", {"email": ADDRESS}).status_code == 202
    assert api.get("user/").json()["is_anonymous"] is True
    assert not EmailAddress.objects.exists()
    as_a_guest = dict(api.tokens)
    answer = api.post("upgrade/email/verify/", {"code": code_in_mail()})
    assert answer.status_code == 200
    api.tokens = {name: answer.json()[name] for name in ("access", "refresh")}

    # Whatever was issued to the guest is dead: it may have been copied from a device he gave away.
    for old in (from_the_first_day, as_a_guest):
        assert api.get("user/", Authorization=f"Bearer {old['access']}").status_code == 401
        assert call(api, "get", "/notes/", old).status_code == 401
        dead = api.post("token/refresh/", {"refresh": old["refresh"]}, Authorization="")
        assert dead.status_code == 401

    # He is the same, and permanent.
    me = api.get("user/").json()
    assert me == answer.json()["user"]
    assert me["id"] == him["id"]
    assert me["created_at"] == him["created_at"]
    assert me["is_anonymous"] is False
    assert me["email"] == ADDRESS
    assert me["identities"] == [{"type": "email", "email": ADDRESS, "primary": True}]
    assert me["purge_at"] is None
    assert me["upgrade_methods"] == []
    assert [note["text"] for note in call(api, "get", "/notes/").json()] == ["milk"]
    assert call(api, "post", "/receipts/", number=7).status_code == 201
    assert api.refresh().status_code == 200
    assert api.get("user/").json()["id"] == him["id"]
    assert str(User.objects.get().pk) == him["id"]
    assert str(Receipt.objects.get().owner_id) == him["id"]

    # He is no guest any more for anything that is for guests.
    assert api.post("anonymous/").json()["code"] == "already_permanent"
    assert api.post("upgrade/email/", {"email": "b@example.org"}).json()["code"] == "not_anonymous"
    assert api.delete("user/").status_code == 403


def test_the_life_of_a_guest_in_a_browser() -> None:
    api = Api()
    browser, elsewhere = api.http, Client()
    browser.cookies["csrftoken"] = "a" * 32
    csrf = {"csrfmiddlewaretoken": "a" * 32}

    # He looks around.
    assert browser.get("/note-page/").json() == {"notes": []}
    assert browser.get("/receipt-page/")["Location"] == "/accounts/login/?next=/receipt-page/"
    assert not User.objects.exists()

    # The first form that he sends makes him a guest.
    assert browser.post("/note-page/", {"text": "milk", **csrf}).json() == {"notes": ["milk"]}
    him = User.objects.get()
    assert him.is_guest
    assert browser.get("/receipt-page/")["Location"] == "/keep/?next=/receipt-page/"
    assert api.get("user/").json()["id"] == str(him.pk)
    assert [note["text"] for note in call(api, "get", "/notes/").json()] == ["milk"]
    assert call(api, "post", "/notes/", text="bread").status_code == 201

    # Somebody has copied his cookie.
    stolen = browser.cookies["sessionid"].value
    elsewhere.cookies["sessionid"] = stolen
    assert elsewhere.get("/note-page/").json() == {"notes": ["milk", "bread"]}

    # He keeps what he has by proving an address.
    assert api.post("upgrade/email/", {"email": ADDRESS}).status_code == 202
    answer = api.post("upgrade/email/verify/", {"code": code_in_mail()})
    assert answer.status_code == 200
    assert answer.json()["credentials"] == "session"
    assert "access" not in answer.json()

    # The session goes on, under another key, with all that was in it; the copy is worth nothing.
    assert browser.cookies["sessionid"].value != stolen
    assert browser.session["draft"] == "kept"
    assert elsewhere.get("/note-page/").json() == {"notes": []}
    assert elsewhere.get("/receipt-page/").status_code == 302

    # He is the same, and permanent.
    me = api.get("user/").json()
    assert me["id"] == str(him.pk)
    assert me["is_anonymous"] is False
    assert me["identities"] == [{"type": "email", "email": ADDRESS, "primary": True}]
    assert browser.get("/receipt-page/").content == b"yours"
    assert browser.get("/note-page/").json() == {"notes": ["milk", "bread"]}
    assert User.objects.get().pk == him.pk

    # He signs out without losing anything, and nobody is made by his next look around.
    assert api.post("sign-out/", {}).status_code == 204
    assert api.get("user/").status_code == 401
    assert browser.get("/note-page/").json() == {"notes": []}
    assert User.objects.count() == 1
    assert Note.objects.filter(owner=him).count() == 2
