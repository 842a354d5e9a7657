"""Give everything in a copied PostgreSQL database to its role: an owner that stays the golden's would lock the app out.

`REASSIGN OWNED` would do it in one word, but it takes databases along, the goldens among them, and refuses the server's
first superuser. So each object is named, in one round trip.
"""

from typing import TYPE_CHECKING

from layersite.model.contract import Quiet
from layersite.model.errors import DatabaseError

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.sql import Composable

__all__ = ["hand_over", "quieten"]

_OWNED = """
DO $$
DECLARE statement text;
BEGIN
  FOR statement IN
    SELECT format('ALTER %s %s OWNER TO %I', replace(found.type, 'statistics object', 'statistics'), found.identity,
      current_setting('layersite.owner'))
    FROM (
      SELECT 0 AS step, 'pg_namespace'::regclass AS catalog, oid AS object, nspowner AS owner FROM pg_namespace
        WHERE (oid >= 16384 OR nspname = 'public') AND nspowner <> 'pg_database_owner'::regrole
          AND nspname NOT LIKE 'pg\\_%'
      UNION ALL SELECT 1, 'pg_class'::regclass, oid, relowner FROM pg_class c
        WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE relkind = 'S' AND d.classid = 'pg_class'::regclass
            AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
      UNION ALL SELECT 2, 'pg_type'::regclass, t.oid, typowner FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
        WHERE t.oid >= 16384 AND typtype IN ('b', 'c', 'd', 'e', 'r') AND coalesce(relkind, 'c') = 'c'
          AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
      UNION ALL SELECT 2, 'pg_proc'::regclass, oid, proowner FROM pg_proc WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_collation'::regclass, oid, collowner FROM pg_collation WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_conversion'::regclass, oid, conowner FROM pg_conversion WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_operator'::regclass, oid, oprowner FROM pg_operator WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_opfamily'::regclass, oid, opfowner FROM pg_opfamily WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_opclass'::regclass, oid, opcowner FROM pg_opclass WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_ts_config'::regclass, oid, cfgowner FROM pg_ts_config WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_ts_dict'::regclass, oid, dictowner FROM pg_ts_dict WHERE oid >= 16384
      UNION ALL SELECT 2, 'pg_statistic_ext'::regclass, oid, stxowner FROM pg_statistic_ext
      UNION ALL SELECT 2, 'pg_foreign_server'::regclass, oid, srvowner FROM pg_foreign_server
      UNION ALL SELECT 2, 'pg_largeobject'::regclass, oid, lomowner FROM pg_largeobject_metadata
    ) owned, pg_identify_object(catalog, object, 0) found
    WHERE owner <> current_setting('layersite.owner')::regrole AND NOT EXISTS (
      SELECT FROM pg_depend e WHERE e.classid = catalog AND e.objid = object AND e.deptype = 'e')
    ORDER BY step, object
  LOOP EXECUTE statement; END LOOP;
END $$
"""


def hand_over(connection: "Connection", owner: str) -> None:
    """Give every object of the connection's database to the role `owner`, but what belongs to an extension."""
    with connection.transaction():
        connection.execute("SELECT set_config('layersite.owner', %s, true)", [owner])
        connection.execute(_OWNED)


def quieten(connection: "Connection", quiet: Quiet) -> None:
    """Set the columns and empty the tables that `quiet` names; emptied last, for triggers may write to them.

    Raises:
        DatabaseError: it names a table that the database does not have.
    """
    from psycopg.sql import SQL, Identifier

    with connection.transaction():
        for table, columns in quiet.set.items():
            pairs = SQL(", ").join(SQL("{} = %s").format(Identifier(column)) for column in columns)
            connection.execute(SQL("UPDATE {} SET {}").format(_table(connection, table), pairs), list(columns.values()))
        if quiet.empty:
            tables = SQL(", ").join(_table(connection, table) for table in quiet.empty)
            connection.execute(SQL("TRUNCATE {}").format(tables))


def _table(connection: "Connection", name: str) -> "Composable":
    from psycopg.sql import Identifier

    found = connection.execute(
        "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE c.oid = to_regclass(%s)",
        [name],
    ).fetchone()
    if found is None:
        raise DatabaseError(f"the contract quietens the table `{name}`, which the golden does not have; mend its name")
    return Identifier(*found)
