"""The tables of the state store, as named steps in the order they are applied. Append; never edit a released one."""

from typing import NamedTuple


class SchemaStep(NamedTuple):
    """One change of the schema, applied in one transaction and remembered by its name."""

    name: str
    statements: tuple[str, ...]


HOW = "CASE WHEN json_valid(report) THEN json_extract(report, '$.how') END"
"""Of a report in the history: how the server was restarted. Written as it is indexed, or SQLite reads every report."""
STEPS: tuple[SchemaStep, ...] = (
    SchemaStep(
        "0001 history",
        (
            """CREATE TABLE history (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                operation TEXT NOT NULL,
                profile TEXT NOT NULL,
                verdict TEXT NOT NULL,
                summary TEXT NOT NULL,
                started_at TEXT NOT NULL,
                seconds REAL NOT NULL,
                exit_code INTEGER NOT NULL,
                report TEXT NOT NULL
            )""",
            "CREATE INDEX history_by_operation ON history (operation, profile, id)",
        ),
    ),
    SchemaStep(
        "0002 migration checkpoints",
        (
            """CREATE TABLE migration_runs (
                run TEXT PRIMARY KEY,
                source TEXT NOT NULL,
                target TEXT NOT NULL,
                plan TEXT NOT NULL,
                state TEXT NOT NULL,
                created_at TEXT NOT NULL,
                updated_at TEXT NOT NULL
            )""",
            """CREATE TABLE migration_checkpoints (
                run TEXT NOT NULL REFERENCES migration_runs (run) ON DELETE CASCADE,
                collection TEXT NOT NULL,
                cursor TEXT,
                read INTEGER NOT NULL DEFAULT 0,
                written INTEGER NOT NULL DEFAULT 0,
                skipped INTEGER NOT NULL DEFAULT 0,
                rejected INTEGER NOT NULL DEFAULT 0,
                done INTEGER NOT NULL DEFAULT 0,
                updated_at TEXT NOT NULL,
                PRIMARY KEY (run, collection)
            )""",
        ),
    ),
    SchemaStep(
        "0003 migration reject files",
        ("ALTER TABLE migration_checkpoints ADD COLUMN reject_bytes INTEGER NOT NULL DEFAULT 0",),
    ),
    SchemaStep(
        "0004 migration spans",
        (
            """CREATE TABLE migration_spans (
                run TEXT NOT NULL REFERENCES migration_runs (run) ON DELETE CASCADE,
                collection TEXT NOT NULL,
                span INTEGER NOT NULL,
                cursor TEXT,
                read INTEGER NOT NULL DEFAULT 0,
                written INTEGER NOT NULL DEFAULT 0,
                skipped INTEGER NOT NULL DEFAULT 0,
                rejected INTEGER NOT NULL DEFAULT 0,
                reject_bytes INTEGER NOT NULL DEFAULT 0,
                done INTEGER NOT NULL DEFAULT 0,
                updated_at TEXT NOT NULL,
                PRIMARY KEY (run, collection, span)
            )""",
            # A run of before had one span, the whole.
            """INSERT INTO migration_spans
                SELECT run, collection, 0, cursor, read, written, skipped, rejected, reject_bytes, done, updated_at
                FROM migration_checkpoints""",
            "DROP TABLE migration_checkpoints",
        ),
    ),
    SchemaStep(
        "0005 canaries of crash tests",
        (
            """CREATE TABLE canaries (
                url TEXT NOT NULL,
                name TEXT NOT NULL,
                created_at TEXT NOT NULL,
                PRIMARY KEY (url, name)
            )""",
        ),
    ),
    SchemaStep(
        "0006 snapshots left at sources",
        (
            """CREATE TABLE migration_snapshots (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                run TEXT NOT NULL,
                server TEXT NOT NULL,
                collection TEXT NOT NULL,
                known TEXT NOT NULL,
                asked_at TEXT NOT NULL,
                name TEXT NOT NULL
            )""",
        ),
    ),
    SchemaStep(
        "0007 checks that were cut off",
        ("CREATE TABLE pending_checks (profile TEXT PRIMARY KEY, at TEXT NOT NULL, report TEXT NOT NULL)",),
    ),
    SchemaStep(
        "0008 indexing held back",
        (
            """CREATE TABLE migration_held (
                run TEXT NOT NULL REFERENCES migration_runs (run) ON DELETE CASCADE,
                target TEXT NOT NULL,
                threshold INTEGER NOT NULL,
                PRIMARY KEY (run, target)
            )""",
        ),
    ),
    SchemaStep(
        "0009 how long starts took",
        (
            """CREATE TABLE starts (
                profile TEXT NOT NULL,
                collection TEXT NOT NULL,
                at TEXT NOT NULL,
                seconds REAL NOT NULL
            )""",
            "CREATE INDEX starts_by_profile ON starts (profile, collection)",
        ),
    ),
    SchemaStep(
        "0010 what was on which storage",
        (
            """CREATE TABLE storages (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                profile TEXT NOT NULL,
                runtime TEXT NOT NULL,
                place TEXT NOT NULL,
                identity TEXT NOT NULL,
                version TEXT NOT NULL,
                at TEXT NOT NULL,
                process TEXT NOT NULL,
                deletes INTEGER,
                grpc_deletes INTEGER
            )""",
            "CREATE INDEX storages_by_profile ON storages (profile)",
            """CREATE TABLE storages_in_force (
                profile TEXT NOT NULL,
                out_of_sight TEXT NOT NULL,
                storage INTEGER NOT NULL REFERENCES storages (id) ON DELETE CASCADE,
                PRIMARY KEY (profile, out_of_sight)
            )""",
            """CREATE TABLE known_collections (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                storage INTEGER NOT NULL REFERENCES storages (id) ON DELETE CASCADE,
                name TEXT NOT NULL,
                points INTEGER NOT NULL,
                exact INTEGER NOT NULL,
                settings TEXT NOT NULL,
                digest TEXT NOT NULL,
                at TEXT NOT NULL,
                gone TEXT NOT NULL DEFAULT '',
                gone_at TEXT,
                UNIQUE (storage, name)
            )""",
        ),
    ),
    SchemaStep(
        "0011 history by how the server was restarted",
        (f"CREATE INDEX history_by_how ON history (operation, profile, {HOW}, id)",),
    ),
    SchemaStep(
        "0012 what was missed stays missed",
        ("ALTER TABLE known_collections ADD COLUMN missed TEXT NOT NULL DEFAULT ''",),
    ),
)
