from django.urls import path

from example_project.shop.api import views

app_name = "shop-api"
urlpatterns = [
    path("products/", views.ProductList.as_view(), name="products"),
    path("cart/", views.Cart.as_view(), name="cart"),
    path("cart/items/", views.CartItems.as_view(), name="cart-items"),
    path("cart/items/<int:pk>/", views.CartItemDetail.as_view(), name="cart-item"),
    path("wish-list/", views.WishList.as_view(), name="wish-list"),
    path("wish-list/<int:product>/", views.Wish.as_view(), name="wish"),
    path("orders/", views.Orders.as_view(), name="orders"),
    path("reviews/", views.Reviews.as_view(), name="reviews"),
]
