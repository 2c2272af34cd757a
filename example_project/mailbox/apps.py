from django.apps import AppConfig


class MailboxConfig(AppConfig):
    name = "example_project.mailbox"
    label = "mailbox"
