from __future__ import annotations

from anonauth.merge_rules import add_up, combine, merge_rule

merge_rule("things.Thing.owner", combine, on_conflict=add_up("amount"))
