"""Getting around: keys, mouse, resize, profiles, themes, names typed before anything is destroyed, secrets kept."""

from textual.widgets import DataTable, Input

from qdrant_admin.config.file import read_profiles, write_profile
from qdrant_admin.config.secrets import read_key, store_key
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.cancel import CancelToken
from qdrant_admin.core.commands import Command
from qdrant_admin.core.errors import AccessDenied
from qdrant_admin.core.events import Events, Finished
from qdrant_admin.core.reports import Finding
from qdrant_admin.core.values import SecretStr
from qdrant_admin.lifecycle.accept import AcceptReport
from qdrant_admin.lifecycle.up import UpOptions
from qdrant_admin.tui.app import AdminApp
from qdrant_admin.tui.jobs import Unexpected
from qdrant_admin.tui.screens.dialogs import ErrorDialog, HelpDialog
from qdrant_admin.tui.screens.first_run import FirstRunScreen
from qdrant_admin.tui.screens.home.dialogs import EnvironmentDialog
from qdrant_admin.tui.theme import read_preferences
from qdrant_admin.tui.widgets.bars import HeaderBar, KeyBar, NavBar, Plain
from qdrant_admin.tui.widgets.dialogs import ConfirmDialog
from tests.tui.canned import ABSENT, ATTENTION, FOREIGN, LOSS, STATUS, STOPPED, Canned, told
from tests.tui.conftest import make_app, settle, until

SECRET = "0123456789abcdef0123456789abcdef"


class WithKey(Canned):
    """A profile that has an API key."""

    def settings(self) -> Settings:
        return super().settings().model_copy(update={"api_key": SecretStr(SECRET)})


def keys_offered(app: AdminApp) -> str:
    return app.screen.query_one(KeyBar).draw(200).plain


async def test_number_keys_and_clicks_lead_to_every_area() -> None:
    app = make_app(Canned())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for number, mode in enumerate(app.MODES, 1):
            await pilot.press(str(number))
            await settle(pilot)
            assert app.current_mode == mode
            app.screen.set_focus(None)  # a field to type in takes digits as text
        line = app.screen.query_one(NavBar).draw(120).plain
        await pilot.click(NavBar, offset=(line.index("Logs") + 1, 0))
        await settle(pilot)
        assert app.current_mode == "logs"


async def test_a_click_on_a_key_does_what_the_key_does() -> None:
    app = make_app(Canned(ATTENTION))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        bar = app.screen.query_one(KeyBar)
        await pilot.click(KeyBar, offset=(bar.draw(116).plain.index("environment") + 2, 0))
        await until(pilot, lambda: isinstance(app.screen, EnvironmentDialog))


async def test_the_environment_hides_the_key_until_asked() -> None:
    app = make_app(Canned())
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, EnvironmentDialog))
        lines = app.screen.query_one("#env-lines", Plain)
        assert "0123456789abcdef" not in str(lines.render())
        await pilot.press("v")
        await pilot.pause()
        assert "0123456789abcdef" in str(lines.render())
        await pilot.click("#dialog-keys", offset=("c copy   v ".index("v"), 0))
        await pilot.pause()
        assert "0123456789abcdef" not in str(lines.render())
        await pilot.press("c")
        assert "QDRANT_API_KEY=0123456789abcdef" in app.clipboard


async def test_only_keys_that_make_sense_are_offered() -> None:
    for status, offered, missing in ((STOPPED, "s start", "t stop"), (STATUS, "t stop", "s start")):
        app = make_app(Canned(status))
        async with app.run_test() as pilot:
            await settle(pilot)
            assert offered in keys_offered(app)
            assert missing not in keys_offered(app)


async def test_resizing_never_breaks_a_screen() -> None:
    app = make_app(Canned(ATTENTION))
    async with app.run_test(size=(200, 60)) as pilot:
        for key in "156":
            await pilot.press(key)
            await settle(pilot)
            for width, height in ((80, 24), (60, 15), (30, 5), (120, 40), (200, 60)):
                await pilot.resize_terminal(width, height)
                await pilot.pause()
                small = app.screen.has_class("-too-small")
                assert small == (width < 60 or height < 15)
                assert app.screen.query_one(KeyBar).draw(width).cell_length <= width
                if width >= 60:
                    assert app.screen.query_one(NavBar).draw(width - 2).cell_length <= width - 2


async def test_the_theme_is_remembered() -> None:
    app = make_app(Canned(), start="settings")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("t")
        await settle(pilot)
        assert app.theme == "qdrant-admin-light"
        assert read_preferences().theme == "light"


async def test_another_profile_is_used_everywhere() -> None:
    app = make_app(Canned(), start="settings")
    async with app.run_test() as pilot:
        await settle(pilot)
        app.screen.query_one("#profiles", DataTable).focus()
        await pilot.press("j", "enter")
        await settle(pilot)
        assert app.services.profile == "staging"
        assert app.screen.query_one(HeaderBar).profile == "staging"


async def test_a_profile_goes_with_its_key_and_only_after_its_name_was_typed() -> None:
    write_profile("staging", {"runtime": "remote", "url": "http://127.0.0.1:7333"})
    store_key("staging", SecretStr(SECRET))
    services = Canned()
    app = make_app(services, start="settings")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("j", "x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press(*"stagin", "enter")
        await pilot.pause()
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("g", "enter")
        await until(pilot, lambda: "staging" not in read_profiles())
        await settle(pilot)
    assert read_key("staging") is None


async def test_a_value_that_the_setting_cannot_take_stays_in_its_field() -> None:
    services = Canned()
    app = make_app(services, start="settings")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("tab", "down", "down", "down", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        app.screen.query_one(Input).value = "many"
        await pilot.press("enter")
        await settle(pilot)
        assert app.screen.query_one(Input).value == "many"
        assert "a whole number" in str(app.screen.query_one("#trouble", Plain).render())
    assert services.saved == []


async def test_the_first_run_asks_for_what_was_chosen() -> None:
    services = Canned(ABSENT)
    services.scripts["up"] = told()
    app = make_app(services)
    async with app.run_test() as pilot:
        await until(pilot, lambda: isinstance(app.screen, FirstRunScreen))
        await settle(pilot)
        await pilot.press("space", "down", "down", "down", "space", "enter")
        await until(pilot, lambda: services.chosen is not None)
        await settle(pilot)
    assert services.chosen == UpOptions(runtime="native", port=6333, grpc_port=6334, api_key=None)


async def test_a_server_of_others_is_used_as_it_is_with_one_key_or_another_is_set_up() -> None:
    services = Canned(FOREIGN)
    app = make_app(services)
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, FirstRunScreen))
        await pilot.press("escape", "x")
        await until(pilot, lambda: services.profile == "existing")
        await settle(pilot)


async def test_a_frozen_server_is_thawed_with_the_key_that_is_shown() -> None:
    frozen = Finding(code="server_paused", level="fail", command="qdrant-admin up --profile local")
    services = Canned(STATUS.model_copy(update={"state": "paused", "findings": (frozen,)}))
    services.scripts["up"] = told()
    app = make_app(services)
    async with app.run_test() as pilot:
        await settle(pilot)
        assert "s start" in str(app.screen.query_one("#home", Plain).render())
        await pilot.press("s")
        await until(pilot, lambda: app.jobs.latest("up") is not None)
        await settle(pilot)


async def test_a_value_is_changed_with_what_was_typed() -> None:
    services = Canned()
    app = make_app(services, start="settings")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("tab", "down", "down", "down", "enter")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        app.screen.query_one(Input).value = "7000"
        await pilot.press("enter")
        await until(pilot, lambda: services.saved == [("local", {"port": 7000})])


async def test_a_copied_error_report_holds_no_key() -> None:
    app = make_app(WithKey())
    async with app.run_test() as pilot:
        await settle(pilot)
        app.push_screen(ErrorDialog("up", Unexpected.of(ValueError(f"headers: api-key={SECRET}"))))
        await settle(pilot)
        await pilot.press("c")
        assert "api-key=…" in app.clipboard
        assert SECRET not in app.clipboard


async def test_a_fault_while_asking_is_shown_and_the_app_goes_on() -> None:
    class Broken(Canned):
        def environment(self, *, reveal: bool) -> list[str]:
            raise RuntimeError("[/oops]")

    app = make_app(Broken())
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await pilot.press("escape", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))


async def test_an_expected_failure_while_asking_becomes_words() -> None:
    class Denied(Canned):
        def environment(self, *, reveal: bool) -> list[str]:
            raise AccessDenied("the server refuses [/oops]", fix=Command("doctor"))

    app = make_app(Denied())
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await until(pilot, lambda: len(app._notifications) > 0)
        said = next(iter(app._notifications)).message
        assert "refuses [/oops]" in said
        assert "qdrant-admin doctor --profile local" in said


async def test_q_leaves() -> None:
    app = make_app(Canned())
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("q")
        await until(pilot, lambda: app.return_value == 0)


async def test_what_is_missing_is_shown_before_it_is_accepted() -> None:
    services, begun = Canned(LOSS), []
    accepted = AcceptReport(profile="local", collections=11, points=44_448, storage="volume qdrant_admin_local")

    def accept(cancel: CancelToken) -> Events:
        begun.append(cancel)
        yield Finished(report=accepted)

    services.scripts["accept"] = accept
    app = make_app(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, ConfirmDialog))
        shown = "\n".join(str(one.render()) for one in app.screen.query(Plain))
        assert "there were 3 763 points in project_memories" in " ".join(shown.split())
        assert not begun
        await pilot.click("#yes")
        await until(pilot, lambda: bool(begun))
