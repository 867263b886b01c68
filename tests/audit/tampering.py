"""What somebody does to the record who has its database."""

from medpipe.audit.sqlite import Sqlite


def sql(place, statement, *values):
    """What somebody does who has the database, past medpipe."""
    connection = place.database.connect(create=True)
    try:
        cursor = connection.cursor()
        cursor.execute(statement, values)
        return cursor.fetchall() if statement.startswith("SELECT") else None
    finally:
        connection.close()


def lifted(place, statement, *values):
    """`statement` past the triggers, as whoever owns the table can."""
    if isinstance(place.database, Sqlite):
        for trigger in ("no_update", "no_delete", "at_the_end"):
            sql(place, f"DROP TRIGGER IF EXISTS medpipe_audit_{trigger}")
    else:
        sql(place, "ALTER TABLE medpipe_audit DISABLE TRIGGER ALL")
    sql(place, statement, *values)
