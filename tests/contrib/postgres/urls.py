from django.urls import path

from tests.contrib.postgres import views

urlpatterns = [
    *(
        path(f"{view.__name__}/", view)
        for view in (
            views.orm,
            views.raw,
            views.raw_without_parameters,
            views.composed,
            views.commented,
            views.bulk,
            views.many,
            views.after_a_savepoint,
            views.failing,
            views.update,
            views.delete,
            views.stream,
            views.async_orm,
            views.async_stream,
            views.knowing,
            views.look,
            views.claims,
        )
    ),
    path("api/", views.Api.as_view()),
    path("our_api/", views.OurApi.as_view()),
]
