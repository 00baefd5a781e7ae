"""What a run does besides, for sources that go on changing: it notes what they give, and follows them to the end."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.events import Events
from qdrant_admin.database.models import VectorSpec
from qdrant_admin.migration.catch_up import CatchUp
from qdrant_admin.migration.origins import Origins, Recorded
from qdrant_admin.migration.rejects import RejectFile
from qdrant_admin.migration.reports import CollectionPlan, PlanReport
from qdrant_admin.migration.weather import Weather
from qdrant_admin.sources.base import Source
from qdrant_admin.sources.registry import open_source
from qdrant_admin.sources.uri import parse

if TYPE_CHECKING:
    from qdrant_admin.database.gateway import Database


@dataclass
class Following:
    """The collections of one run that are caught up with. Close it: it holds files and a source."""

    plan: PlanReport
    database: "Database"
    rejects: RejectFile
    weather: Weather
    cancel: CancelToken
    done: dict[str, CatchUp] = field(default_factory=dict, init=False)
    """By name at the source."""
    _origins: dict[str, Origins] = field(default_factory=dict, init=False)
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def close(self) -> None:
        """Give everything back."""
        self._open.close()

    def begin(self, planned: CollectionPlan) -> None:
        """The copy of one collection is about to begin: nothing in a target that was made for it came from anywhere."""
        if self.plan.catch_up and planned.action == "create":
            self._origins_of(planned).begin_anew()

    def recorded(self, source: Source, planned: CollectionPlan) -> Source:
        """The source of a copy, noting what it gives where that is wanted."""
        return Recorded(source, self._origins_of(planned)) if self.plan.catch_up else source

    def follow(self, planned: CollectionPlan, slots: Mapping[str, VectorSpec]) -> Events:
        """Pass over one collection until nothing differs."""
        followed = CatchUp(
            plan=planned,
            reopened=self._reopened,
            database=self.database,
            slots=slots,
            origins=self._origins_of(planned),
            rejects=self.rejects,
            weather=self.weather,
            cancel=self.cancel,
            delete_gone=self.plan.delete_gone,
        )
        yield from followed.run()
        self.done[planned.source] = followed

    def source(self) -> Source:
        """The source as it is now, for the verification."""
        return self._open.enter_context(self._reopened())

    def _origins_of(self, planned: CollectionPlan) -> Origins:
        if planned.source not in self._origins:
            origins = Origins(self.plan.source, planned.source, self.plan.target, planned.target)
            self._origins[planned.source] = self._open.enter_context(origins)
        return self._origins[planned.source]

    def _reopened(self) -> "contextlib.closing[Source]":
        return contextlib.closing(open_source(parse(self.plan.source)))
