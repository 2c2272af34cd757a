"""The API of the shop. Guests have a cart and a wish list; ordering and reviewing is for permanent users."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from anonauth.api.permissions import IsPermanentUser
from anonauth.decorators import guests_allowed
from example_project.shop import cart, orders, reviews
from example_project.shop.api import serializers
from example_project.shop.models import CartItem, Order, Product
from example_project.shop.requests import ApiRequest


class ProductList(generics.ListAPIView):
    """Everything that is on the shelf."""

    permission_classes = [AllowAny]
    serializer_class = serializers.ProductSerializer
    queryset = Product.objects.all()


@guests_allowed(reason="guests have a cart")
class Cart(APIView):
    """The cart of the user who asks."""

    @extend_schema(responses=serializers.CartSerializer)
    def get(self, request: ApiRequest) -> Response:
        items = list(request.user.cart_items.select_related("product"))
        body = serializers.CartSerializer(serializers.cart_of(items), context={"request": request})
        return Response(body.data)


@guests_allowed(reason="guests fill it")
class CartItems(APIView):
    """Put something into the cart."""

    @extend_schema(
        request=serializers.AddToCartSerializer,
        responses={
            201: serializers.CartItemSerializer,
            403: OpenApiResponse(description="`quota_exceeded`"),
            409: OpenApiResponse(description="`not_enough_stock`, `too_many`"),
        },
    )
    def post(self, request: ApiRequest) -> Response:
        form = serializers.AddToCartSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        item = cart.add(user=request.user, **form.validated_data)
        body = serializers.CartItemSerializer(item, context={"request": request})
        return Response(body.data, status=status.HTTP_201_CREATED)


@guests_allowed(reason="and change it")
class CartItemDetail(APIView):
    """One line of the cart."""

    @extend_schema(
        request=serializers.ChangeCartItemSerializer, responses=serializers.CartItemSerializer
    )
    def patch(self, request: ApiRequest, pk: int) -> Response:
        item = self._item(request, pk)
        form = serializers.ChangeCartItemSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        cart.change(item, quantity=form.validated_data["quantity"])
        return Response(serializers.CartItemSerializer(item, context={"request": request}).data)

    @extend_schema(responses={204: None})
    def delete(self, request: ApiRequest, pk: int) -> Response:
        self._item(request, pk).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _item(self, request: ApiRequest, pk: int) -> CartItem:
        items = CartItem.objects.filter(user=request.user).select_related("product")
        return get_object_or_404(items, pk=pk)


@guests_allowed(reason="guests have a wish list")
class WishList(APIView):
    """What the user would like to have."""

    @extend_schema(responses=serializers.ProductSerializer(many=True))
    def get(self, request: ApiRequest) -> Response:
        return Response(self._products(request))

    @extend_schema(
        request=serializers.WishSerializer,
        responses={201: serializers.ProductSerializer(many=True)},
    )
    def post(self, request: ApiRequest) -> Response:
        form = serializers.WishSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        request.user.wish_list.add(form.validated_data["product"])
        return Response(self._products(request), status=status.HTTP_201_CREATED)

    def _products(self, request: ApiRequest) -> Any:
        products = request.user.wish_list.all()
        return serializers.ProductSerializer(products, many=True, context={"request": request}).data


@guests_allowed(reason="and take things off it")
class Wish(APIView):
    """One product of the wish list."""

    @extend_schema(operation_id="wish_list_remove", responses={204: None})
    def delete(self, request: ApiRequest, product: int) -> Response:
        request.user.wish_list.remove(get_object_or_404(Product, pk=product))
        return Response(status=status.HTTP_204_NO_CONTENT)


class Orders(generics.ListAPIView):
    """Orders of the user; placing one empties the cart. For permanent users."""

    permission_classes = [IsPermanentUser]
    serializer_class = serializers.OrderSerializer
    queryset = Order.objects.none()

    def get_queryset(self) -> QuerySet[Order]:
        return Order.objects.filter(user=self.request.user.pk).prefetch_related("lines")

    @extend_schema(
        request=None,
        responses={
            201: serializers.OrderSerializer,
            409: OpenApiResponse(description="`cart_empty`, `not_enough_stock`"),
        },
    )
    def post(self, request: ApiRequest) -> Response:
        order = orders.place(user=request.user)
        return Response(self.get_serializer(order).data, status=status.HTTP_201_CREATED)


class Reviews(APIView):
    """Write a review. For permanent users."""

    permission_classes = [IsPermanentUser]

    @extend_schema(
        request=serializers.ReviewSerializer,
        responses={
            201: serializers.ReviewSerializer,
            409: OpenApiResponse(description="`already_reviewed`"),
        },
    )
    def post(self, request: ApiRequest) -> Response:
        form = serializers.ReviewSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        review = reviews.write(user=request.user, **form.validated_data)
        return Response(serializers.ReviewSerializer(review).data, status=status.HTTP_201_CREATED)
