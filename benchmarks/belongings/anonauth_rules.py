from __future__ import annotations

from anonauth.merge_rules import add_up, combine, keep_existing_row, merge_rule

merge_rule("belongings.CartItem.user", combine, on_conflict=add_up("quantity"))
merge_rule("belongings.Wish.user", combine, on_conflict=keep_existing_row)
