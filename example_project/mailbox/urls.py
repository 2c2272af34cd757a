from django.urls import path

from example_project.mailbox import views

app_name = "mailbox"
urlpatterns = [path("", views.mailbox, name="mailbox")]
