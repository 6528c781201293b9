"""SQLite files of ROS 2, whole or damaged."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from distillmatch_ros.bags.storage.blocks import OnLoss, Raw, StorageFile
from distillmatch_ros.bags.storage.loss import ALL, Loss

GAP = 1000
"""Rows in a row that cannot be read, after which only every second, fourth, ... is tried."""


class SqliteFile(StorageFile):
    """One database."""

    def __init__(self, path: Path, name: str, report: OnLoss) -> None:
        """Open a database.

        Raises:
            sqlite3.Error: nothing in it can be read.
        """
        super().__init__(name, report)
        # What a killed recorder left in the write-ahead log belongs to the bag; without one, the medium may
        # be read-only, on which SQLite opens only what it is told will not change.
        mode = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        self._database = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}", uri=True, check_same_thread=False
        )
        try:
            self._database.execute(
                "PRAGMA writable_schema=ON"
            )  # or it rejects a file that was cut off, unseen
            self._database.text_factory = lambda text: text.decode("utf-8", "replace")
            self._ids = {
                key: (topic, kind)
                for key, topic, kind in self._database.execute("SELECT id, name, type FROM topics")
                if isinstance(topic, str)
                and isinstance(kind, str)  # a flipped bit changes the type of a value
            }
            self.topics = dict(self._ids.values())
            self._damage: str | None = None
            self.counts = self._count()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        self._database.close()

    @property
    def span(self) -> tuple[int, int] | None:
        try:
            found = self._database.execute("SELECT min(timestamp), max(timestamp) FROM messages").fetchone()
            return None if found[0] is None else (int(found[0]), int(found[1]))
        except (sqlite3.DatabaseError, ValueError):  # damaged; a text instead of a time
            return None

    def messages(self, topics: Collection[str]) -> Iterator[Raw]:
        wanted = [key for key, (topic, _) in self._ids.items() if topic in topics]
        given: set[int] = set()
        counts: Counter[str] = Counter()
        first_missing = received = None
        damage = self._damage or "some rows are not where its index of times says"
        try:
            rows = self._database.execute(
                "SELECT id, topic_id, timestamp, data FROM messages "
                f"WHERE topic_id IN ({','.join('?' * len(wanted))}) ORDER BY timestamp, id",
                wanted,
            )
            for row, key, received, data in rows:
                if not _is_whole(received, data):
                    raise TypeError("a time or message of another type")
                given.add(row)
                counts[self._ids[key][0]] += 1
                yield Raw(*self._ids[key], received, data)
        except (sqlite3.DatabaseError, TypeError) as error:
            first_missing = received
            damage = str(error)
        promised = Counter({topic: self.counts[topic] for topic in topics})
        if self._damage is None and counts >= promised:
            return
        reason = f"breaks off after {len(given)} messages ({damage}), and what is found behind is read"
        for key, received, data in self._one_by_one(given):
            if key in wanted:
                counts[self._ids[key][0]] += 1
                yield Raw(*self._ids[key], received, data)
        missing = promised - counts if self._damage is None else None
        self._report(Loss(self.name, reason, missing, first_missing, received))

    def _count(self) -> Counter[str]:
        """Messages by topic; of a damaged file those that can be read."""
        counts: Counter[str] = Counter()
        try:
            for key, count in self._database.execute(
                "SELECT topic_id, count(*) FROM messages NOT INDEXED GROUP BY topic_id"
            ):
                counts[self._ids[key][0]] += count
            first, last = self._database.execute("SELECT min(id), max(id) FROM messages").fetchone()
        except (sqlite3.DatabaseError, KeyError) as error:
            self._damage = str(error)
            counts = Counter(self._ids[key][0] for key, _, _ in self._one_by_one(set()))
            if not counts:  # nobody will ask for the messages, and hear of the damage
                self._report(Loss(self.name, f"gives no message ({self._damage})"))
            return counts
        numbered = 0 if last is None else last - min(first, 1) + 1  # recorders number the rows from 1 on
        if missing := numbered - counts.total():
            self._report(Loss(self.name, "lacks rows", {ALL: missing}, position=-1))
        return counts

    def _one_by_one(self, but: Collection[int]) -> Iterator[tuple[int, int, bytes]]:
        """Topic, time and data of all rows that can be read, but for some, in the order of their numbers."""
        row, step, failed, last = 0, 1, 0, self._last_row()
        while row < last:
            row += step
            if row in but:
                continue
            try:
                found = self._database.execute(
                    "SELECT topic_id, timestamp, data FROM messages WHERE id = ?", (row,)
                ).fetchone()
            except sqlite3.DatabaseError:
                failed += 1
                step = step * 2 if failed > GAP else 1
                continue
            step, failed = 1, 0
            if found is not None and found[0] in self._ids and _is_whole(*found[1:]):
                yield found

    def _last_row(self) -> int:
        try:
            return int(self._database.execute("SELECT max(id) FROM messages").fetchone()[0] or 0)
        except sqlite3.DatabaseError:
            return 1 << 40


def _is_whole(received: object, data: object) -> bool:
    """Whether time and message of a row have their types: SQLite keeps whatever the file says."""
    return isinstance(received, int) and isinstance(data, bytes)
