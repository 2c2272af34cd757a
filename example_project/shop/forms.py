from __future__ import annotations

from django import forms

from example_project.shop.models import MAX_QUANTITY, Product, Review

STARS = [(5, "Excellent"), (4, "Good"), (3, "Fair"), (2, "Poor"), (1, "Bad")]


class AddToCartForm(forms.Form):
    """What the button “Add to cart” sends; the script adds the key, so that a repeated click makes one guest."""

    product = forms.ModelChoiceField(Product.objects.all(), widget=forms.HiddenInput)
    quantity = forms.IntegerField(min_value=1, max_value=MAX_QUANTITY, initial=1)
    idempotency_key = forms.UUIDField(required=False, widget=forms.HiddenInput)


class WishForm(forms.Form):
    product = forms.ModelChoiceField(Product.objects.all(), widget=forms.HiddenInput)
    idempotency_key = forms.UUIDField(required=False, widget=forms.HiddenInput)


class QuantityForm(forms.Form):
    quantity = forms.IntegerField(min_value=0, max_value=MAX_QUANTITY)


class ReviewForm(forms.ModelForm):
    rating = forms.TypedChoiceField(choices=STARS, coerce=int, widget=forms.RadioSelect)

    class Meta:
        model = Review
        fields = ("rating", "text")
        labels = {"text": "What should others know?"}
        widgets = {"text": forms.Textarea(attrs={"rows": 5})}
