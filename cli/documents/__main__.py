"""`make docs`: write every generated part of the documents anew; `--check` only says which differ."""

from __future__ import annotations

import sys

from cli.documents.pages import PAGES, ROOT, render


def main() -> None:
    """Write what differs, or with `--check` end in status 1 where anything does."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name in PAGES:
        page = ROOT / name
        text = page.read_text(encoding="utf-8")
        if (new := render(name, text)) != text:
            stale.append(name)
            if not check:
                page.write_text(new, encoding="utf-8")
    print("\n".join(f"{name}: {'differs' if check else 'written'}" for name in stale) or "nothing differs")
    if check and stale:
        sys.exit("run: make docs")


if __name__ == "__main__":
    main()
