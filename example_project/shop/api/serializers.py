from __future__ import annotations

from decimal import Decimal

from django.templatetags.static import static
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from example_project.shop.models import MAX_QUANTITY, CartItem, Order, OrderLine, Product, Review


class ProductSerializer(serializers.ModelSerializer):
    picture = serializers.SerializerMethodField()

    class Meta:
        model = Product
        fields = ("id", "name", "slug", "summary", "description", "picture", "price", "stock")

    @extend_schema_field(OpenApiTypes.URI)
    def get_picture(self, product: Product) -> str:
        url: str = self.context["request"].build_absolute_uri(static(product.picture))
        return url


class CartItemSerializer(serializers.ModelSerializer):
    product = ProductSerializer(read_only=True)
    total = serializers.DecimalField(max_digits=10, decimal_places=2, read_only=True)

    class Meta:
        model = CartItem
        fields = ("id", "product", "quantity", "total", "added_at")
        read_only_fields = fields


class CartSerializer(serializers.Serializer):
    items = CartItemSerializer(many=True)
    total = serializers.DecimalField(max_digits=10, decimal_places=2)


class AddToCartSerializer(serializers.Serializer):
    product = serializers.PrimaryKeyRelatedField(queryset=Product.objects.all())
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY, default=1)


class ChangeCartItemSerializer(serializers.Serializer):
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)


class WishSerializer(serializers.Serializer):
    product = serializers.PrimaryKeyRelatedField(queryset=Product.objects.all())


class OrderLineSerializer(serializers.ModelSerializer):
    total = serializers.DecimalField(max_digits=10, decimal_places=2, read_only=True)

    class Meta:
        model = OrderLine
        fields = ("product", "name", "price", "quantity", "total")


class OrderSerializer(serializers.ModelSerializer):
    lines = OrderLineSerializer(many=True, read_only=True)

    class Meta:
        model = Order
        fields = ("id", "placed_at", "total", "lines")
        read_only_fields = fields


class ReviewSerializer(serializers.ModelSerializer):
    product = serializers.PrimaryKeyRelatedField(queryset=Product.objects.all())

    class Meta:
        model = Review
        fields = ("id", "product", "rating", "text", "written_at")
        read_only_fields = ("id", "written_at")
        # The unique pair is kept by reviews.write(), which also holds when two requests come at once.
        validators = ()


def cart_of(items: list[CartItem]) -> dict[str, object]:
    """Return what CartSerializer shows."""
    return {"items": items, "total": sum((item.total for item in items), Decimal(0))}
