#!/usr/bin/env python3
"""Writes src/data/html_entities.inc: the named character references of HTML5, sorted by name.

The list is the one of the WHATWG HTML standard (13.5), which Python's html.entities carries.
"""
import html.entities
import pathlib

WIDTH = 100
NOTICE = "// Written by scripts/make_html_entities.py. {name, code points}, sorted by name.\n"


def rows():
    for name, text in sorted(html.entities.html5.items()):
        yield '{"%s", {%s}},' % (name, ", ".join("0x%X" % ord(c) for c in text))


def lines():
    line = ""
    for row in rows():
        if line and len(line) + 1 + len(row) > WIDTH:
            yield line
            line = ""
        line += (" " if line else "") + row
    yield line


def main():
    target = pathlib.Path(__file__).resolve().parent.parent / "src/data/html_entities.inc"
    target.write_text(NOTICE + "\n".join(lines()) + "\n")


if __name__ == "__main__":
    main()
