"""What a page of HTML is made of."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "path", "link"}


class Outline(HTMLParser):
    """Ids, sources and missing notes of a page; fails where tags do not close each other."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.sources: list[str] = []
        self.without_alt: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in named:
            self.ids.append(named["id"])
        self.sources += [named[key] for key in ("src", "href") if key in named]
        if tag == "img" and not named["alt"]:
            self.without_alt.append(named["src"][:40])

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()
