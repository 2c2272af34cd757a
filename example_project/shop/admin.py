from __future__ import annotations

from django.contrib import admin

from example_project.shop.models import CartItem, Order, OrderLine, Product, Review


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("name", "price", "stock")
    search_fields = ("name",)
    prepopulated_fields = {"slug": ("name",)}
    raw_id_fields = ("wished_by",)


@admin.register(CartItem)
class CartItemAdmin(admin.ModelAdmin):
    list_display = ("product", "quantity", "user", "added_at")
    list_select_related = ("product", "user")
    list_filter = ("user__is_guest",)
    raw_id_fields = ("user",)


class OrderLineInline(admin.TabularInline):
    model = OrderLine
    extra = 0


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("__str__", "user", "placed_at", "total")
    list_select_related = ("user",)
    date_hierarchy = "placed_at"
    raw_id_fields = ("user",)
    inlines = (OrderLineInline,)


@admin.register(Review)
class ReviewAdmin(admin.ModelAdmin):
    list_display = ("product", "rating", "user", "written_at")
    list_select_related = ("product", "user")
    list_filter = ("rating",)
    raw_id_fields = ("user",)
