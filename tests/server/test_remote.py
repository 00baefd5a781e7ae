"""A remote server can be used, and neither started nor looked into."""

import pytest

from qdrant_admin.config.profile import Profile
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.errors import Unsupported
from qdrant_admin.server.runtime import RemoteRuntime


def test_what_cannot_be_done_says_so_and_offers_a_way_out() -> None:
    runtime = RemoteRuntime(Settings(name="far", profile=Profile(runtime="remote", url="https://qdrant.example:6333")))
    cancel = CancelToken()
    calls = (
        lambda: runtime.start(cancel),
        lambda: runtime.apply(cancel),
        lambda: runtime.stop(cancel),
        lambda: runtime.restart("kill", cancel),
        lambda: runtime.remove(cancel),
        lambda: runtime.adopt(cancel),
        lambda: runtime.logs(tail=10, follow=False, cancel=cancel),
        runtime.stats,
    )
    for call in calls:
        with pytest.raises(Unsupported) as caught:
            call()
        assert "qdrant.example" in caught.value.what
        assert caught.value.fix_on("far").endswith("--profile far")
    assert runtime.inspect().state == "unknown"
    assert runtime.differences() == []
    can = runtime.capabilities
    assert not any((can.start, can.stop, can.restart, can.logs, can.stats))
