"""Settings. They answer: which Qdrant, with which values, and where does each come from."""

from functools import partial
from typing import ClassVar, get_args

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.config.file import set_default_profile
from qdrant_admin.config.profile import Profile, RuntimeChoice
from qdrant_admin.config.profiles import remove_profile, typed_value
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.screens.dialogs import InputDialog
from qdrant_admin.tui.theme import CHOICES
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.panels import StatePanel, failure, loading

Answer = tuple[dict[str, Profile], Settings, str]


class SettingsScreen(BaseScreen):
    """Profiles on the left, the values of the one in use on the right, the theme below."""

    SECTION = "settings"
    HELP_TEXT = "Which Qdrant am I working with, with which values, and where does each of them come from?"
    BINDINGS: ClassVar[list[BindingType]] = [
        bind("enter", "use", "use or edit", "settings.use", "use this profile, or change this value"),
        bind("n", "add", "new profile", "settings.add", "add a profile"),
        bind("e", "edit", "edit value", "settings.edit", "change the value under the cursor"),
        bind("m", "make_default", "make default", "settings.default", "mean this profile when none is named"),
        bind("x", "remove", "remove", "settings.remove", "remove the profile and its API key; its data stays"),
        bind("t", "theme", "theme", "settings.theme", "dark, light, or as the terminal is"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._profiles: dict[str, Profile] = {}
        self._settings: Settings | None = None

    def compose_body(self) -> ComposeResult:
        yield StatePanel(loading("reading the settings…"), id="settings-state")
        with Horizontal(id="settings-columns"):
            with Vertical(id="settings-profiles"):
                yield Plain(look.title("Profiles"))
                profiles: DataTable[object] = DataTable(id="profiles", cursor_type="row", show_header=False)
                yield profiles
            with Vertical(id="settings-values"):
                yield Plain(id="values-title")
                values: DataTable[object] = DataTable(id="values", cursor_type="row", zebra_stripes=False)
                yield values
        with VerticalScroll(id="settings-foot"):
            yield Plain(id="settings-theme")

    def on_mount(self) -> None:
        self.query_one("#profiles", DataTable).add_columns(look.cell("profile"), look.cell("where"))
        self.query_one("#values", DataTable).add_columns(look.cell("setting"), look.cell("value"), look.cell("from"))
        self.query_one("#settings-columns").display = False
        self._draw_theme()

    def look_again(self) -> None:
        self.ask(self._read, self._got, self._failed, group="settings")

    def _read(self) -> Answer:
        return self.services.profiles.known(), self.services.profiles.settings(), self.services.profiles.default()

    def _failed(self, error: AdminError) -> None:
        self.query_one("#settings-columns").display = False
        panel = self.query_one(StatePanel)
        panel.display = True
        panel.update(failure(error, ("r", "read again", "screen.refresh_now")))

    def _got(self, answer: Answer) -> None:
        self._profiles, self._settings, default = answer
        self.query_one(StatePanel).display = False
        self.query_one("#settings-columns").display = True
        colours = self.app.theme_variables
        table = self.query_one("#profiles", DataTable)
        row, first = table.cursor_row, not table.row_count
        table.clear()
        for name, profile in sorted(self._profiles.items()):
            here = name == self.services.profile
            shown = look.state_cell("ok", colours, name) if here else look.cell(f"  {name}")
            note = f"{profile.url or f'port {profile.port}'}{'  · default' if name == default else ''}"
            table.add_row(shown, look.cell(note, "$text-muted", colours), key=name)
        table.move_cursor(row=row)
        self._draw_values()
        if first:
            table.focus()

    def _draw_values(self) -> None:
        settings = self._settings
        if settings is None:
            return
        self.query_one("#values-title", Plain).update(
            look.line(look.title("Values of "), (settings.name, "bold $text-accent"))
        )
        table, colours = self.query_one("#values", DataTable), self.app.theme_variables
        row = table.cursor_row
        table.clear()
        for key, value in settings.profile.shown().items():
            origin = settings.origins.get(key, "default")
            strength = "$text-muted" if origin == "default" else ""
            shown = "" if value is None else value
            table.add_row(
                look.cell(key.replace("_", " "), strength, colours),
                look.cell(shown, strength, colours),
                look.cell(origin, "$text-muted", colours),
                key=key,
            )
        kept = "kept, not shown" if settings.api_key is not None else ""
        table.add_row(
            look.cell("API key"),
            look.cell(kept),
            look.cell(settings.api_key_origin, "$text-muted", colours),
            key="api_key",
        )
        table.move_cursor(row=row)

    def _draw_theme(self) -> None:
        chosen = self.admin.preferences.theme
        parts = [look.text(choice, "bold $text-accent" if choice == chosen else look.MUTED) for choice in CHOICES]
        shown = look.line(look.key("t", "theme", "screen.theme"), "   ", Content("  ").join(parts))
        self.query_one("#settings-theme", Plain).update(shown)

    # keys

    def _key_here(self, table_id: str) -> str:
        table = self.query_one(table_id, DataTable)
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value) if table.row_count else ""

    @on(DataTable.RowSelected)
    def action_use(self) -> None:
        if self.focused is self.query_one("#values"):
            self.action_edit()
        else:
            self._use(self._key_here("#profiles"))

    def _use(self, name: str) -> None:
        if name and name != self.services.profile:
            self.ask(lambda: self.services.use(name), lambda _: self.admin.profile_changed(), group="profile")

    def action_theme(self) -> None:
        chosen = CHOICES.index(self.admin.preferences.theme)
        self.admin.choose_theme(CHOICES[(chosen + 1) % len(CHOICES)])
        self._draw_theme()
        if self._settings is not None:
            self.look_again()

    def action_add(self) -> None:
        known = set(self._profiles)

        def trouble(value: str) -> str:
            return "there is a profile of this name" if value in known else "" if value else "enter a name"

        def named(name: str | None) -> None:
            if name:
                body = "The address of a server that runs already, or nothing for one that qdrant-admin runs here."
                self.app.push_screen(InputDialog(f"Where is {name}?", body), lambda url: self._added(name, url))

        body = "Lower-case letters, digits, - and _."
        self.app.push_screen(InputDialog("The name of the new profile", body, check=trouble), named)

    def _added(self, name: str, url: str | None) -> None:
        if url is None:
            return
        changes: dict[str, object] = {"runtime": "remote", "url": url.strip()} if url.strip() else {"runtime": "auto"}
        self._save(name, changes)

    def _save(self, name: str, changes: dict[str, object]) -> None:
        services = self.services
        self.ask(lambda: services.profiles.save(name, changes), lambda _: self.admin.profile_changed(), group="save")

    def action_edit(self) -> None:
        settings, key = self._settings, self._key_here("#values")
        if settings is None or not key:
            return
        if key == "api_key":
            body = "Its text is kept in the keyring or a file of mode 0600, never in the configuration."
            dialog = InputDialog("The API key of this profile", body, password=True)
            self.app.push_screen(dialog, self._keep_key)
            return
        origin = settings.origins.get(key, "default")
        value = settings.profile.shown()[key]
        body = f"{_meaning(key)} Now from: {origin}. Leave empty for the default."
        shown = "" if value is None else str(value)
        dialog = InputDialog(key.replace("_", " "), body, value=shown, check=partial(_trouble, key))
        self.app.push_screen(dialog, lambda typed: self._typed(settings.name, key, typed))

    def _typed(self, name: str, key: str, typed: str | None) -> None:
        if typed is not None:
            self._save(name, {key: typed_value(key, typed.strip())})

    def _keep_key(self, typed: str | None) -> None:
        if not typed:
            return
        services = self.services

        def kept(where: str) -> None:
            self.notify(f"kept in {where}", markup=False)
            self.admin.profile_changed()

        self.ask(lambda: services.profiles.store_key(typed), kept, group="key")

    def action_make_default(self) -> None:
        name = self._key_here("#profiles")
        if name:
            self.ask(lambda: set_default_profile(name), lambda _: self.look_again(), group="default")

    def action_remove(self) -> None:
        name = self._key_here("#profiles")
        if not name:
            return
        if name == self.services.profile:
            self.notify("this profile is in use; use another one first", severity="warning", markup=False)
            return
        body = "It is removed from the configuration file, and its API key with it. Its server and its data stay."
        remove = partial(self.ask, partial(remove_profile, name), lambda _: self.look_again(), group="remove")
        self.confirm(f"Remove the profile {name}?", body, "Remove", remove, typed=name)


def _trouble(key: str, typed: str) -> str:
    try:
        typed_value(key, typed.strip())
    except BadInput as error:
        return error.why or error.what
    return ""


def _meaning(key: str) -> str:
    if key == "runtime":
        return f"One of {', '.join(get_args(RuntimeChoice))}."
    kind = {"port": "A port.", "grpc_port": "A port.", "timeout": "Seconds.", "ready_timeout": "Seconds."}
    return kind.get(key, "")
