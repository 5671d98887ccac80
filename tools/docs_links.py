"""Hook of MkDocs: a link from docs/ to a file elsewhere in the repository, which has no page, becomes its path."""

import os
import re
from pathlib import Path

from mkdocs.exceptions import PluginError

_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown, *, page, config, **_):
    docs = Path(config.docs_dir)

    def plain(link):
        target = Path(os.path.normpath(Path(page.file.abs_src_path).parent / link[2]))
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            raise PluginError(f"{page.file.src_path} links to {link[2]}, which is not there")
        return f"`{target.relative_to(docs.parent)}`"

    return _LINK.sub(plain, markdown)
