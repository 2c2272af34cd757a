"""What the demo shows: products, two accounts, one with a cart, reviews, guests. Loading it twice changes nothing."""

from __future__ import annotations

from decimal import Decimal

from allauth.account.models import EmailAddress
from django.db import transaction

from anonauth.contrib.postgres.identity import as_service
from example_project.accounts.models import User
from example_project.shop import demo_guests
from example_project.shop.demo_history import load_history
from example_project.shop.models import CartItem, Product, Review

PASSWORD = "salt-and-seagulls"
CUSTOMER = "customer@example.com"
STAFF = "staff@example.com"

# slug, name, price, stock, summary, description
PRODUCTS = [
    (
        "enamel-mug", "Enamel mug", "14.00", 40,
        "Half a liter, chips with dignity",
        "Steel with two coats of enamel. Goes on the stove, on the rocks and into the dishwasher. "
        "When the rim chips, it keeps working; most of ours have.",
    ),
    (
        "storm-lantern", "Storm lantern", "38.50", 12,
        "Burns through a gale, and a whole evening",
        "A paraffin lantern with a guarded glass. One filling lasts about eleven hours, which is "
        "longer than anybody has stayed on our beach.",
    ),
    (
        "diamond-kite", "Diamond kite", "27.00", 18,
        "Flies itself from three knots up",
        "Ripstop nylon, two fiberglass rods and forty meters of line. Packs into a sleeve as long "
        "as your arm.",
    ),
    (
        "knit-beanie", "Knit beanie", "24.00", 30,
        "Ribbed wool, pulled over cold ears",
        "Knit from undyed and indigo wool in a mill two towns away. Washes by hand, dries on the "
        "radiator, smells of sheep when it rains.",
    ),
    (
        "rain-boots", "Rain boots", "59.00", 9,
        "Yellow, so that they find you",
        "Natural rubber with a cotton lining and a sole that holds on wet stone. Order one size up "
        "for thick socks.",
    ),
    (
        "field-notebook", "Field notebook", "9.50", 120,
        "Paper that can be written on in the rain",
        "Ninety-six dotted pages of stone paper, sewn, with a rubber band. Pencil works best; ink "
        "works until the tide comes in.",
    ),
    (
        "steel-flask", "Steel flask", "32.00", 25,
        "Tea at seven, still tea at four",
        "Three quarters of a liter, double-walled, with a lid that is a cup. The gasket can be "
        "replaced, and we send you one for nothing.",
    ),
    (
        "wool-blanket", "Wool blanket", "89.00", 7,
        "For two people, or one and a dog",
        "One and a half by two meters of recycled wool with a striped border. Heavy enough to stay "
        "where you put it in the wind.",
    ),
    (
        "brass-compass", "Brass compass", "46.00", 14,
        "Points north, shuts with a click",
        "A liquid-filled capsule in a turned brass case. The lid has a mirror, for bearings and for "
        "sunburn.",
    ),
    (
        "tin-bucket", "Tin bucket", "16.00", 22,
        "Sand, shells, ice, potatoes",
        "Galvanized, with a wooden grip. Holds six liters and one reluctant crab.",
    ),
    (
        "wooden-boat", "Wooden boat", "19.50", 16,
        "Floats upright, mostly",
        "Pine hull, beech mast, cotton sail. Comes with a meter of string so that it comes back.",
    ),
    (
        "sea-salt", "Jar of sea salt", "7.50", 0,
        "Flakes from our own bay",
        "Dried in the sun behind the shop from May to September. The next batch is on the trays.",
    ),
]  # fmt: skip

# slug, quantity: what the customer's account has, so that a guest who signs in to it has something to choose from
CART = [("enamel-mug", 1), ("wool-blanket", 1)]
WISHES = ["storm-lantern", "brass-compass"]

# e-mail, first name, slug, rating, text
REVIEWS = [
    ("maren@example.com", "Maren", "enamel-mug", 5,
     "Dropped it off the pier, fished it out, made coffee in it."),
    ("jonas@example.com", "Jonas", "enamel-mug", 4, "Keeps its looks. The handle gets hot, though."),
    ("maren@example.com", "Maren", "diamond-kite", 5, "My daughter flew it alone after ten minutes."),
    ("jonas@example.com", "Jonas", "storm-lantern", 5, "Three power cuts last winter. Enough said."),
    ("ife@example.com", "Ife", "rain-boots", 4, "Dry feet all November. Do order one size up."),
    ("ife@example.com", "Ife", "wool-blanket", 5, "The dog has taken it. I am buying another one."),
]  # fmt: skip


def load() -> None:
    """Create what is missing; what exists is left as it is."""
    # Nobody's request: on PostgreSQL, only the shop itself may write reviews here.
    with as_service(), transaction.atomic():
        products = {row[0]: _product(*row) for row in PRODUCTS}
        is_new = not User.objects.filter(username=CUSTOMER).exists()
        customer = account(CUSTOMER, first_name="Robin", last_name="Customer")
        if is_new:
            _fill(customer, products)
        account(STAFF, first_name="Sam", last_name="Staff", is_staff=True, is_superuser=True)
        for email, first_name, slug, rating, text in REVIEWS:
            user = account(email, first_name=first_name, password=None)
            Review.objects.get_or_create(
                user=user, product=products[slug], defaults={"rating": rating, "text": text}
            )
        load_history()
        demo_guests.load(list(products.values()))


def account(email: str, *, password: str | None = PASSWORD, **fields: object) -> User:
    """Return a permanent user with a verified address, created where there is none."""
    user, created = User.objects.get_or_create(username=email, defaults={"email": email, **fields})
    if created:
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(
        user=user, email=email, defaults={"verified": True, "primary": True}
    )
    return user


def _fill(customer: User, products: dict[str, Product]) -> None:
    for slug, quantity in CART:
        CartItem.objects.create(user=customer, product=products[slug], quantity=quantity)
    customer.wish_list.add(*(products[slug] for slug in WISHES))


def _product(
    slug: str, name: str, price: str, stock: int, summary: str, description: str
) -> Product:
    product, _created = Product.objects.get_or_create(
        slug=slug,
        defaults={
            "name": name,
            "price": Decimal(price),
            "stock": stock,
            "summary": summary,
            "description": description,
            "picture": f"shop/pictures/{slug}.svg",
        },
    )
    return product
