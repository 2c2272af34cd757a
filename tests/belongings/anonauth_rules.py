"""What becomes of these things in a merge."""

from __future__ import annotations

from anonauth.merge_rules import (
    add_up,
    combine,
    keep_anonymous_row,
    keep_existing,
    keep_existing_row,
    keep_newest,
    leave,
    merge_rule,
)

merge_rule(
    "belongings.CartItem.user", combine, on_conflict=add_up("quantity", at_most=20), choice=True
)
merge_rule("belongings.Address.user", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Comment.user", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Follow.followed", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Follow.follower", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Gift.user", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Like.thing", combine, on_conflict=keep_anonymous_row)
merge_rule("belongings.Club.members", combine, on_conflict=keep_newest("since"))
merge_rule("belongings.Paper.user", combine, on_conflict=keep_anonymous_row)
merge_rule("belongings.Review.user", keep_existing)
merge_rule("belongings.Seat.user", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Slot.user", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Statistic.user", leave("It is a view."))
merge_rule("belongings.Tie.one", combine, on_conflict=keep_existing_row)
merge_rule("belongings.Tie.other", combine, on_conflict=keep_existing_row)
