#!/usr/bin/env python3
"""Checks the links of the Markdown files to files of the repository.

  scripts/check_links.py [--root DIR]     lists broken links as file:line: reason; exit code 1 if any

The file must be there, and where the link's text is code, [`ResNet::forward()`](../models/resnet.cpp), the
file must contain its last name (forward). So must files that are named as code by their path from the root of the
repository, `train/step.cpp`.
"""
import argparse
import re
import sys
from pathlib import Path

LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"^`(?:.*::)?(?P<name>\w+)(?:<\w+>)?(?:\(\))?`$")
PATH = re.compile(r"`(?P<path>(?:core|nn|models|data|train|tests|scripts|bench|docs|examples|cmake)/[\w./-]+\.\w+)")
FENCE = re.compile(r"```.*?```", re.DOTALL)


def without_blocks(text):
    """`text` with its code blocks blanked and every line in its place."""
    return FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block.group()), text)


def broken_links(root):
    """(file, line, reason) of each broken link, and the number of links to files."""
    broken, count = [], 0
    for page in sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]):
        text = without_blocks(page.read_text(encoding="utf-8"))
        for link in LINK.finditer(text):
            target = link["target"]
            if re.match(r"\w+:", target):
                continue
            count += 1
            place = (page.relative_to(root).as_posix(), text.count("\n", 0, link.start()) + 1)
            file = page.parent / target
            if not file.exists():
                broken.append((*place, f"{target}: no such file"))
                continue
            code = CODE.match(link["text"])
            if code and not re.search(rf"\b{code['name']}\b", file.read_text(encoding="utf-8")):
                broken.append((*place, f"{target}: no {code['name']} in it"))
        for named in PATH.finditer(text):
            count += 1
            if not (root / named["path"]).exists():
                line = text.count("\n", 0, named.start()) + 1
                broken.append((page.relative_to(root).as_posix(), line, f"{named['path']}: no such file"))
    return broken, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    broken, count = broken_links(parser.parse_args().root)
    for page, line, reason in broken:
        print(f"{page}:{line}: {reason}")
    print(f"check_links: {count} links, {len(broken)} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
