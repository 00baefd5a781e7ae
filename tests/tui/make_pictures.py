"""Make PNGs of the terminal app: `python tests/tui/make_pictures.py [FOLDER]`.

The README's pictures (into `assets/` by default) are the snapshots named in `README_PICTURES`; with `--snapshots`,
every snapshot becomes a PNG, to be looked at before it is accepted. Needs `resvg_py` and the font Fira Code.
"""

import argparse
import re
from pathlib import Path

import resvg_py

SNAPSHOTS = Path(__file__).parent / "__snapshots__"
ASSETS = Path(__file__).parents[2] / "assets"
SCALE = 1.6
README_PICTURES = {
    "home.png": "test_shell_pictures/test_home_healthy[110x28].svg",
    "home-light.png": "test_shell_pictures/test_home_light.svg",
    "first-run.png": "test_shell_pictures/test_first_run[110x28].svg",
    "logs.png": "test_shell_pictures/test_logs[110x28].svg",
    "collections.png": "test_data_screens/test_collections[110x28].svg",
    "migrate-plan.png": "test_migrate_screens/test_migrate_plan[110x28].svg",
    "migrate.png": "test_migrate_screens/test_migrate_running[110x28].svg",
    "verify.png": "test_verify_screens/test_verify_result[110x28-persisted].svg",
    "lost.png": "test_verify_screens/test_verify_result[110x28-lost].svg",
}


def picture(svg: Path, png: Path, font: str = "Fira Code") -> None:
    """Render one snapshot."""
    drawing = svg.read_text(encoding="utf-8")
    box = re.search(r'viewBox="0 0 ([\d.]+) ', drawing)
    width = float(box[1]) if box else 1000.0
    png.parent.mkdir(parents=True, exist_ok=True)
    rendered = resvg_py.svg_to_bytes(svg_string=drawing, width=round(width * SCALE), monospace_family=font)
    png.write_bytes(bytes(rendered))


def _file_name(svg: Path) -> str:
    return svg.stem.translate(str.maketrans("[]", "__"))


def main() -> None:
    """Make the pictures asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ASSETS)
    parser.add_argument("--snapshots", action="store_true", help="every snapshot instead of the README's pictures")
    parser.add_argument("--font", default="Fira Code", help="another one of fixed width, where that is not installed")
    asked = parser.parse_args()
    if asked.snapshots:
        wanted = {f"{_file_name(svg)}.png": svg for svg in sorted(SNAPSHOTS.rglob("*.svg"))}
    else:
        wanted = {name: SNAPSHOTS / svg for name, svg in README_PICTURES.items()}
    for name, svg in wanted.items():
        picture(svg, asked.folder / name, asked.font)


if __name__ == "__main__":
    main()
