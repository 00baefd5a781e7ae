"""Settings. They answer: which Qdrant, with which values, and where does each come from."""

from functools import partial
from typing import get_args

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable

from qdrant_admin.config.file import set_default_profile
from qdrant_admin.config.profile import Profile, RuntimeChoice
from qdrant_admin.config.profiles import typed_value
from qdrant_admin.config.settings import Settings
from qdrant_admin.core.errors import AdminError, BadInput
from qdrant_admin.tui import look
from qdrant_admin.tui.screens.base import BaseScreen
from qdrant_admin.tui.theme import CHOICES
from qdrant_admin.tui.widgets.bars import Plain, bind
from qdrant_admin.tui.widgets.dialogs import InputDialog
from qdrant_admin.tui.widgets.panels import StatePanel, failure, loading
from qdrant_admin.tui.widgets.tables import at_cursor, fill

Answer = tuple[dict[str, Profile], Settings, str]


class SettingsScreen(BaseScreen):
    """Profiles on the left, the values of the one in use on the right, the theme below."""

    SECTION = "settings"
    HELP_TEXT = "Which Qdrant am I working with, with which values, and where does each of them come from?"
    BINDINGS = [
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
        self._keys: list[str] = []

    def compose_body(self) -> ComposeResult:
        yield StatePanel()
        with Horizontal(id="settings-columns", classes="content"):
            with Vertical(id="settings-profiles"):
                yield Plain(look.title("Profiles"))
                yield DataTable[object](id="profiles", cursor_type="row", show_header=False)
            with Vertical(id="settings-values"):
                yield Plain(id="values-title")
                yield DataTable[object](id="values", cursor_type="row")
        with VerticalScroll(id="settings-foot"):
            yield Plain(id="settings-theme")

    def on_mount(self) -> None:
        self.state(loading("reading the settings…"))
        self._draw_theme()

    def look_again(self) -> None:
        self.ask(self._read, self._got, self._failed, group="settings")

    def _read(self) -> Answer:
        return self.services.known(), self.services.settings(), self.services.default()

    def _failed(self, error: AdminError) -> None:
        self.state(failure(error, ("r", "read again", "screen.refresh_now")))

    def _got(self, answer: Answer) -> None:
        self._profiles, self._settings, default = answer
        self.state(None)
        colours, table = self.app.theme_variables, self.query_one("#profiles", DataTable)
        first, rows = not table.row_count, []
        for name, profile in sorted(self._profiles.items()):
            here = name == self.services.profile
            shown = look.state_cell("ok", colours, name) if here else look.cell(f"  {name}")
            note = f"{profile.url or f'port {profile.port}'}{'  · default' if name == default else ''}"
            rows.append([shown, look.cell(note, look.MUTED, colours)])
        fill(table, ["profile", "where"], rows)
        self._draw_values(answer[1])
        if first:
            table.focus()

    def _draw_values(self, settings: Settings) -> None:
        self.query_one("#values-title", Plain).update(look.line(look.title("Values of "), look.title(settings.name)))
        values = [
            (key, key.replace("_", " "), "" if value is None else value, settings.origins.get(key, "default"))
            for key, value in settings.profile.shown().items()
        ]
        kept = "kept, not shown" if settings.api_key is not None else ""
        values.append(("api_key", "API key", kept, settings.api_key_origin))
        colours, rows = self.app.theme_variables, []
        self._keys = [key for key, *_ in values]
        for _, label, value, origin in values:
            strength = look.MUTED if origin == "default" else ""
            shown = look.cell(label, strength, colours), look.cell(value, strength, colours)
            rows.append([*shown, look.cell(origin, look.MUTED, colours)])
        fill(self.query_one("#values", DataTable), ["setting", "value", "from"], rows)

    def _draw_theme(self) -> None:
        chosen = self.admin.preferences.theme
        parts = [look.text(choice, "bold $text-accent" if choice == chosen else look.MUTED) for choice in CHOICES]
        shown = look.line(look.key("t", "theme", "screen.theme"), "   ", Content("  ").join(parts))
        self.query_one("#settings-theme", Plain).update(shown)

    # keys

    @property
    def _here(self) -> str:
        return at_cursor(self.query_one("#profiles", DataTable), sorted(self._profiles)) or ""

    @on(DataTable.RowSelected)
    def action_use(self) -> None:
        if self.focused is self.query_one("#values"):
            self.action_edit()
        else:
            name = self._here
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
        self.ask(lambda: services.save(name, changes), lambda _: self.admin.profile_changed(), group="save")

    def action_edit(self) -> None:
        settings, key = self._settings, at_cursor(self.query_one("#values", DataTable), self._keys)
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

        self.ask(lambda: services.store_key(typed), kept, group="key")

    def action_make_default(self) -> None:
        name = self._here
        if name:
            self.ask(lambda: set_default_profile(name), lambda _: self.look_again(), group="default")

    def action_remove(self) -> None:
        name = self._here
        if not name:
            return
        if name == self.services.profile:
            self.notify("this profile is in use; use another one first", severity="warning", markup=False)
            return
        body = "It is removed from the configuration file, and its API key with it. Its server and its data stay."
        remove = partial(
            self.ask, partial(self.services.remove_profile, name), lambda _: self.look_again(), group="remove"
        )
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
