from django.urls import path

from example_project.shop.views import account, attempt, cart, catalog, orders

app_name = "shop"
urlpatterns = [
    path("", catalog.product_list, name="products"),
    path("products/<slug:slug>/", catalog.product, name="product"),
    path("products/<slug:slug>/review/", orders.review, name="review"),
    path("cart/", cart.show, name="cart"),
    path("cart/add/", cart.add, name="cart-add"),
    path("cart/items/<int:pk>/", cart.change, name="cart-change"),
    path("wish-list/", cart.wish_list, name="wish-list"),
    path("wish-list/add/", cart.wish, name="wish"),
    path("wish-list/<int:pk>/remove/", cart.unwish, name="unwish"),
    path("checkout/", orders.checkout, name="checkout"),
    path("orders/", orders.order_list, name="orders"),
    path("orders/<int:pk>/", orders.order, name="order"),
    path("account/", account.account, name="account"),
    path("account/erase/", account.erase, name="erase"),
    path("keep/", account.keep, name="keep"),
    path("try/", attempt.try_it, name="try"),
]
