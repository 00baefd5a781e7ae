"""What was seen on which storage: a memory that later looks are held against.

It belongs to the storage, not to the profile: a profile has one storage in force, and those it had before stay known.
What is in force was seen last, or accepted; order is that of a counter, since wall clocks jump. Servers whose storage
is out of sight are known by their URL, each in force for itself: naming one for a while unlearns nothing of another.
A look that misses something notes nothing of it: it stays known until a request, a command of ours or the user
explains it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from qdrant_admin.core.values import Frozen
from qdrant_admin.state.store import StateStore

Gone = Literal["", "command", "request", "accepted", "storage"]
"""How a collection went: by a command of ours, by a request that was seen, accepted by the user, or with a storage that
was not in force; empty: it is known to be there."""
Word = Literal["lost", "inconclusive", "told"]
Because = Literal[
    "other_storage", "no_delete", "log_begins", "log_silent", "process_ended", "unseen_delete", "request", "ephemeral"
]
"""What the word rests on: `no_delete`: the log, or the counters of a process that was there then, show none;
`log_begins` after the look, or is `log_silent` about requests; `process_ended`: with its counters, the only witness;
`unseen_delete`: another server deleted something there, of which this log says nothing."""
_GONE_KEPT = 200
"""Collections of one storage that went and are still known by name; machines that test make and drop many."""


class StorageIdentity(Frozen):
    """What tells one storage from another of the same name or at the same place."""

    place: str
    """In words: `volume qdrant_data`, `directory /srv/qdrant`."""
    mark: str
    """A volume's name and the digits that we gave it, or a folder's device and inode; empty where nobody can see it."""
    peer: str = ""
    """`this_peer_id` of its `raft_state.json`, made with the storage; empty when it could not be read."""

    def same(self, other: "StorageIdentity") -> bool:
        """Whether both are one storage. Inodes are used again, and copies keep the peer id: neither is enough alone."""
        if self.peer and other.peer and self.peer != other.peer:
            return False
        if self.mark and other.mark:
            return self.mark == other.mark
        return bool(self.peer) and self.peer == other.peer


class Missed(Frozen):
    """What the look that missed it first came to. Logs and counters that told it then may be gone at the next look."""

    word: Word
    because: Because
    moment: datetime | None = None


class KnownCollection(Frozen):
    """What a look saw of one collection."""

    name: str
    points: int
    exact: bool
    """False: as the server estimates it."""
    settings: str = ""
    """Digest of its settings; empty where none was taken."""
    digest: str = ""
    """Digest of its content; empty where none was taken."""
    at: datetime
    """When it was last seen to be so."""
    gone: Gone = ""
    gone_at: datetime | None = None
    missed: Missed | None = None
    """None while it was there, or taken away by something known, whenever it was looked for."""

    def says_more_than(self, other: "KnownCollection | None") -> bool:
        """Whether it adds to what was known: another figure, or the same one known better."""
        if other is None or other.gone or other.missed or self.points != other.points:
            return True
        known = ((self.exact, other.exact), (self.settings, other.settings), (self.digest, other.digest))
        return any(mine and mine != theirs for mine, theirs in known)


class KnownStorage(Frozen):
    """A storage that a profile has or had, and what was on it."""

    id: int
    profile: str
    runtime: str
    place: str
    """In words, or the URL of a remote server."""
    identity: StorageIdentity | None
    """None where it is out of sight."""
    version: str
    """Of the server that last opened it; empty while unknown."""
    collections: tuple[KnownCollection, ...]
    """Also those that are gone; see `present`."""
    at: datetime
    """Of the latest look at it that saw something new."""
    process: str = ""
    """Which process answered then, see `SeenStorage`."""
    deletes: int | None = None
    grpc_deletes: int | None = None

    @property
    def present(self) -> dict[str, KnownCollection]:
        """What is known to be there, by name."""
        return {one.name: one for one in self.collections if not one.gone}

    @property
    def points(self) -> int:
        return sum(one.points for one in self.present.values())


class SeenStorage(Frozen):
    """One look, to be noted."""

    runtime: str
    identity: StorageIdentity | None
    place: str
    version: str = ""
    collections: tuple[KnownCollection, ...]
    process: str = ""
    """What tells this process of the server from the next one; empty where nobody can tell."""
    deletes: int | None = None
    """Requests that take something away, as counted since that process began; None when they could not be had."""
    grpc_deletes: int | None = None
    """Those of them that came over gRPC, whose deleted points no log names."""

    @property
    def unseen(self) -> str:
        """The URL where the storage is out of sight, else nothing; see `known`."""
        return self.place if self.identity is None else ""


def known(store: StateStore, profile: str, out_of_sight: str = "") -> KnownStorage | None:
    """The storage in force and what is known of it; None when the profile was never looked at.

    Args:
        store: where it is kept.
        profile: its name.
        out_of_sight: URL of a server whose storage nobody can see from here.

    Raises:
        StorageUnusable, Unsupported: the state cannot be read.
    """
    with store.reading() as connection:
        return next(_storages(connection, profile, out_of_sight), None)


def storages(store: StateStore, profile: str) -> tuple[KnownStorage, ...]:
    """Every storage that the profile has or had, the one in force first, then the latest. Raises as `known`."""
    with store.reading() as connection:
        return tuple(_storages(connection, profile))


def shared(store: StateStore, identity: StorageIdentity | None) -> KnownStorage | None:
    """A storage as any profile knows it, the latest: one folder may have several, and a profile may be renamed.

    Raises as `known`.
    """
    if identity is None:
        return None
    with store.reading() as connection:
        return next(_twins(connection, identity), None)


def belongs(storage: KnownStorage, runtime: str, identity: StorageIdentity | None, place: str) -> bool:
    """Whether a known storage is the one that is looked at: by its identity, or by its place where that is all."""
    if identity is not None and storage.identity is not None:
        return storage.identity.same(identity)
    return storage.runtime == runtime and storage.place == place


def note(store: StateStore, profile: str, seen: SeenStorage) -> None:
    """Keep what a look saw, and put that storage in force. Nothing is written when nothing is new.

    What it did not see stays known as it was. Collections that checks make for themselves are left out.

    Raises:
        StorageUnusable, Unsupported: the state cannot be written.
    """
    with store.reading() as connection:
        if not _news(connection, profile, seen):
            return
    with store.writing() as connection:
        news = _news(connection, profile, seen)  # somebody else may have noted the same meanwhile
        twin = next(_twins(connection, seen.identity), None) if seen.identity and news.before is None else None
        storage = _written(connection, profile, news.before, seen)
        for one in twin.present.values() if twin is not None else ():
            _keep(connection, storage, one)
        for one in news.collections:
            _keep(connection, storage, one)
        connection.execute("INSERT OR REPLACE INTO storages_in_force VALUES (?, ?, ?)", (profile, seen.unseen, storage))


def accept(
    store: StateStore,
    profile: str,
    seen: SeenStorage,
    unread: frozenset[str] = frozenset(),
    only: frozenset[str] | None = None,
) -> None:
    """Make a look the known state: its storage is in force, and what is known of it and was not seen is gone.

    What is there and was `unread` stays as it was, and so does all else of a look at `only` some. Raises as `note`.
    """
    note(store, profile, seen)
    if (now := known(store, profile, seen.unseen)) is not None:
        looked_at = now.present.keys() if only is None else now.present.keys() & only
        missing = looked_at - {one.name for one in seen.collections} - unread
        removed(store, profile, missing, how="accepted", out_of_sight=seen.unseen)


def removed(
    store: StateStore, profile: str, names: Iterable[str], *, how: Gone = "command", out_of_sight: str = ""
) -> None:
    """Of the storage in force (see `known`), these collections were taken away, and it is known by what.

    Raises as `note`.
    """
    if not (gone := sorted(names)):
        return
    now = datetime.now(UTC).isoformat()
    with store.writing() as connection:
        query = "SELECT storage FROM storages_in_force WHERE profile = ? AND out_of_sight = ?"
        if (row := connection.execute(query, (profile, out_of_sight)).fetchone()) is None:
            return
        for storage in _same_as(connection, int(row["storage"])):
            connection.executemany(
                "UPDATE known_collections SET missed = '', gone = ?, gone_at = ?"
                " WHERE storage = ? AND name = ? AND gone = ''",
                [(how, now, storage, name) for name in gone],
            )
            connection.execute(
                "DELETE FROM known_collections WHERE storage = ?1 AND gone <> '' AND id NOT IN (SELECT id FROM"
                " known_collections WHERE storage = ?1 AND gone <> '' ORDER BY gone_at DESC, id DESC LIMIT ?2)",
                (storage, _GONE_KEPT),
            )


def missed(store: StateStore, profile: str, found: Mapping[str, Missed], *, out_of_sight: str = "") -> None:
    """Of the storage in force (see `known`), these are missing, and nobody asked for it. What was said first stays.

    Raises as `note`.
    """
    if not found:
        return
    with store.writing() as connection:
        connection.executemany(
            "UPDATE known_collections SET missed = ? WHERE name = ? AND gone = '' AND missed = '' AND storage ="
            " (SELECT storage FROM storages_in_force WHERE profile = ? AND out_of_sight = ?)",
            [(msgspec.json.encode(one).decode(), name, profile, out_of_sight) for name, one in found.items()],
        )


def vanished(store: StateStore, storage: KnownStorage) -> None:
    """A storage that is not in force was seen to be gone, and all that was on it. Raises as `note`."""
    with store.writing() as connection:
        connection.execute(
            "UPDATE known_collections SET gone = 'storage', gone_at = ? WHERE storage = ? AND gone = ''",
            (datetime.now(UTC).isoformat(), storage.id),
        )


def forget(store: StateStore, profile: str) -> None:
    """The profile is no more, and with it what was known of its storages. Raises as `note`."""
    with store.writing() as connection:
        connection.execute("DELETE FROM storages WHERE profile = ?", (profile,))


class _News(NamedTuple):
    """What a look adds to what is known."""

    before: KnownStorage | None
    """The storage that it saw, as it is known."""
    collections: tuple[KnownCollection, ...]
    storage: bool
    """Whether the storage itself has something new, or comes in force."""

    def __bool__(self) -> bool:
        return self.storage or bool(self.collections)


def _news(connection: sqlite3.Connection, profile: str, seen: SeenStorage) -> _News:
    found = list(_storages(connection, profile))
    before = next((one for one in found if belongs(one, seen.runtime, seen.identity, seen.place)), None)
    there = {} if before is None else {one.name: one for one in before.collections}
    own = {str(row["name"]) for row in connection.execute("SELECT name FROM canaries")}
    news = (one for one in seen.collections if one.name not in own and one.says_more_than(there.get(one.name)))
    now = next(_storages(connection, profile, seen.unseen), None)
    in_force = before is not None and now is not None and before.id == now.id
    return _News(before, tuple(news), before is None or not in_force or _moved(before, seen))


def _moved(before: KnownStorage, seen: SeenStorage) -> bool:
    """Whether the storage itself has something new: its place, the version that opened it, a peer id that is read."""
    if before.identity != (identity := _better(before.identity, seen.identity)) or before.place != seen.place:
        return identity is not None or before.place != seen.place
    told = bool(seen.version) and seen.version != before.version
    counted = (before.process, before.deletes, before.grpc_deletes)
    return told or (bool(seen.process) and counted != (seen.process, seen.deletes, seen.grpc_deletes))


def _better(before: StorageIdentity | None, seen: StorageIdentity | None) -> StorageIdentity | None:
    """The identity as it is seen now; what could not be read this time stays as it was."""
    if before is None or seen is None:
        return seen or before
    return msgspec.structs.replace(seen, mark=seen.mark or before.mark, peer=seen.peer or before.peer)


def _twins(connection: sqlite3.Connection, identity: StorageIdentity) -> Iterator[KnownStorage]:
    """What any profile knows of a storage, the latest first."""
    for one in _read(connection, "SELECT * FROM storages WHERE identity <> '' ORDER BY at DESC, id DESC", ()):
        if one.identity is not None and one.identity.same(identity):
            yield one


def _same_as(connection: sqlite3.Connection, storage: int) -> list[int]:
    """Numbers of every row that tells of this storage, its own included."""
    rows = list(_read(connection, "SELECT * FROM storages WHERE id = ? OR identity <> ''", (storage,)))
    identity = next(one.identity for one in rows if one.id == storage)
    return [one.id for one in rows if one.id == storage or (identity and one.identity and one.identity.same(identity))]


def _written(connection: sqlite3.Connection, profile: str, before: KnownStorage | None, seen: SeenStorage) -> int:
    identity = _better(before.identity if before else None, seen.identity)
    text = "" if identity is None else msgspec.json.encode(identity).decode()
    now = datetime.now(UTC).isoformat()
    version = seen.version or (before.version if before else "")
    counted = seen if before is None or seen.process else before  # what is not told now stays as it was
    values = (seen.runtime, seen.place, text, version, now, counted.process, counted.deletes, counted.grpc_deletes)
    if before is None:
        cursor = connection.execute(
            "INSERT INTO storages (runtime, place, identity, version, at, process, deletes, grpc_deletes, profile)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, profile),
        )
        return int(cursor.lastrowid or 0)
    connection.execute(
        "UPDATE storages SET runtime = ?, place = ?, identity = ?, version = ?, at = ?, process = ?, deletes = ?,"
        " grpc_deletes = ? WHERE id = ?",
        (*values, before.id),
    )
    return before.id


def _keep(connection: sqlite3.Connection, storage: int, one: KnownCollection) -> None:
    """A new row in place of the old one, with a new number."""
    connection.execute(
        "INSERT OR REPLACE INTO known_collections (storage, name, points, exact, settings, digest, at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (storage, one.name, one.points, int(one.exact), one.settings, one.digest, one.at.astimezone(UTC).isoformat()),
    )


def _storages(connection: sqlite3.Connection, profile: str, in_force: str | None = None) -> Iterator[KnownStorage]:
    """All of a profile, or the one in force for that URL (empty: of those in sight)."""
    query = (
        "SELECT storages.* FROM storages LEFT JOIN storages_in_force ON storage = id WHERE storages.profile = ?1"
        " AND (?2 IS NULL OR out_of_sight = ?2) ORDER BY storage IS NULL, out_of_sight, id DESC"
    )
    return _read(connection, query, (profile, in_force))


def _read(connection: sqlite3.Connection, query: str, values: tuple[object, ...]) -> Iterator[KnownStorage]:
    for row in connection.execute(query, values).fetchall():
        kept = connection.execute("SELECT * FROM known_collections WHERE storage = ? ORDER BY id", (row["id"],))
        identity = str(row["identity"])
        found = dict(row)
        found["identity"] = StorageIdentity.model_validate_json(identity) if identity else None
        found["collections"] = tuple(_collection(one) for one in kept)
        yield KnownStorage.model_validate(found)


def _collection(row: sqlite3.Row) -> KnownCollection:
    values = {name: row[name] for name in KnownCollection.__struct_fields__}
    values["missed"] = Missed.model_validate_json(row["missed"]) if row["missed"] else None
    return KnownCollection.model_validate(values)
