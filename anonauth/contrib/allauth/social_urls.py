from django.db.transaction import non_atomic_requests
from django.urls import path

from anonauth.contrib.allauth.views import social

# Under ATOMIC_REQUESTS a refusal would undo that a ticket, a code or a token has been used up.
urlpatterns = [
    path("token/", social.ProviderTokenView.as_view(), name="social_token"),
    path("start/", social.StartView.as_view(), name="social_start"),
    path("go/", non_atomic_requests(social.go), name="social_go"),
    path("finish/", social.FinishView.as_view(), name="social_finish"),
]
