"""The SQL of the declared rules. It names no column, so that renaming and dropping columns never touches it."""

from __future__ import annotations

CLAIMS = "NULLIF(current_setting('request.jwt.claims', true), '')::jsonb"

#: The letter of each command in pg_policy.polcmd.
COMMANDS = {"SELECT": "r", "INSERT": "a", "UPDATE": "w", "DELETE": "d"}

#: TRUE for a permanent user and for the site itself, FALSE for everybody else, never NULL. The subquery makes
#: PostgreSQL evaluate it once for the statement instead of once for each row.
PERMANENT = (
    "(SELECT COALESCE((c.claims ->> 'role') = 'service_role', false)"
    " OR ((c.claims ->> 'is_anonymous')::boolean) IS FALSE"
    f" FROM (SELECT {CLAIMS} AS claims) AS c)"
)

#: The same the other way round, for WHEN of a trigger, which takes no subquery.
REFUSED = (
    f"NOT (COALESCE(({CLAIMS} ->> 'role') = 'service_role', false)"
    f" OR (({CLAIMS} ->> 'is_anonymous')::boolean) IS FALSE)"
)

CLAUSES = {
    "SELECT": f"USING ({PERMANENT})",
    "INSERT": f"WITH CHECK ({PERMANENT})",
    # USING (true): a refused UPDATE is an error then, and not an UPDATE of no rows.
    "UPDATE": f"USING (true) WITH CHECK ({PERMANENT})",
    "DELETE": f"USING ({PERMANENT})",
}

#: INSERT is refused once for the statement, which costs a bulk insert nothing. UPDATE and DELETE are refused for a row:
#: what cascades from elsewhere sends them to every related table, mostly for no row at all.
TIMINGS = {"INSERT": "STATEMENT", "UPDATE": "ROW", "DELETE": "ROW"}

#: 42501 insufficient_privilege, what a policy answers.
BODY = """
BEGIN
  RAISE insufficient_privilege USING
    MESSAGE = 'only permanent users may ' || lower(TG_OP) || ' rows of table ' || quote_ident(TG_TABLE_NAME),
    TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA, CONSTRAINT = TG_NAME;
END
"""


def create_policy(command: str) -> str:
    """Return the restrictive policy for a command; the name is filled in for the command in lower case."""
    return (
        f"CREATE POLICY %({command.lower()})s ON %(table)s AS RESTRICTIVE"
        f" FOR {command} {CLAUSES[command]}"
    )


def create_function() -> str:
    """Return the function that refuses, which the triggers of a rule share."""
    return (
        "CREATE FUNCTION %(function)s() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog AS $body${BODY}$body$"
    )


def create_trigger(command: str) -> str:
    """Return the trigger for a command; unlike a policy it holds for the table's owner and for superusers as well."""
    return (
        f"CREATE TRIGGER %({command.lower()})s BEFORE {command} ON %(table)s"
        f" FOR EACH {TIMINGS[command]} WHEN ({REFUSED}) EXECUTE FUNCTION %(function)s()"
    )
