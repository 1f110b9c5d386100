"""The pieces of HTML that every section is made of. What comes from data is escaped by whoever passes it in."""

from collections.abc import Mapping, Sequence

from jepakit.app.report.pictures import Pixels, to_uri
from jepakit.app.report.wording import escape


def section(name: str, title: str, lede: str, body: str) -> str:
    """A part of the page: what it is about on the left, what there is to see on the right."""
    return f"""
<section id="{name}" aria-labelledby="{name}-title">
<header><h2 id="{name}-title">{title}</h2><p>{lede}</p></header>
<div class="body">{body}</div></section>"""


def missing(why: str, command: str) -> str:
    """What stands where there is no data: why, and what would fill it."""
    return f'<p class="missing">{escape(why)}. To see it here: <code>{escape(command)}</code></p>'


def absent(what: str, why: str) -> str:
    """What stands where there can be no data: why not."""
    return f'<p class="missing">{escape(what)}: {escape(why)}.</p>'


def figure(kind: str, title: str, body: str, explains: str) -> str:
    """Something to look at, under its title, and how to read it (HTML)."""
    return f'<figure class="{kind}"><figcaption><h3>{title}</h3></figcaption>{body}<p>{explains}</p></figure>'


def picture(pixels: Pixels, described: str) -> str:
    """An image of the page; small ones are shown pixel by pixel."""
    height, width = pixels.shape[:2]
    style = ' class="small"' if max(height, width) <= 64 else ""
    return f'<img src="{to_uri(pixels)}" alt="{escape(described)}" width="{width}" height="{height}"{style}>'


def facts(pairs: Mapping[str, str]) -> str:
    """Names and values, both already HTML."""
    return '<dl class="facts">' + "".join(f"<div><dt>{n}</dt><dd>{v}</dd></div>" for n, v in pairs.items()) + "</dl>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], described: str) -> str:
    """A table whose first column names the rows; it scrolls in itself where the page is narrow."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{row[0]}</th>{"".join(f"<td>{cell}</td>" for cell in row[1:])}</tr>' for row in rows
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(described)}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def folded(title: str, body: str) -> str:
    """What only some readers want to see."""
    return f"<details><summary>{title}</summary>{body}</details>"
