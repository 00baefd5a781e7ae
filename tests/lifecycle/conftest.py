"""A workspace in the test's own home, pointed at an address of the test's choice."""

from collections.abc import Callable

import pytest

from qdrant_admin.config.places import state_file
from qdrant_admin.config.settings import load_settings
from qdrant_admin.state.store import StateStore
from qdrant_admin.workspace import Workspace

Opens = Callable[..., Workspace]


@pytest.fixture
def opens() -> Opens:
    """Open the default profile with these flags."""

    def workspace(**flags: object) -> Workspace:
        return Workspace(load_settings(None, flags), StateStore(state_file()))

    return workspace
