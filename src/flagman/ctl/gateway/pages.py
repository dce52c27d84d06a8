"""The pages of the gateway itself: the login, and that the daemon does not answer."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from flagman.service.request import Content
from flagman.text.shown import printable

_STYLE = """
:root {
  color-scheme: light dark;
  --ground: #f5f6f4; --ink: #1a2024; --quiet: #59636a; --line: #7d878c; --bad: #b3261e; --focus: #1c62c4;
}
@media (prefers-color-scheme: dark) {
  :root { --ground: #121517; --ink: #e7eaeb; --quiet: #9da8ae; --line: #7d888f; --bad: #ff938a; --focus: #8ab8ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 30rem; margin: 12vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; }
p { margin: 0 0 1rem; color: var(--quiet); }
[role=alert] { color: var(--bad); }
label { display: block; font-weight: 600; margin-bottom: .25rem; }
input, button {
  width: 100%; font: inherit; color: inherit; padding: .55rem .75rem; border: 1px solid var(--line); border-radius: 9px;
}
input { background: transparent; margin-bottom: .75rem; }
button { background: var(--ink); color: var(--ground); font-weight: 600; margin-bottom: 1.25rem; cursor: pointer; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
"""
# The key leaves the address, and so the history of the browser, before it is sent.
_SCRIPT = """
"use strict";
function enter() {
  const key = location.hash.slice(1), form = document.forms[0];
  if (!key) return;
  history.replaceState(null, "", location.pathname);
  form.elements.key.value = key;
  form.submit();
}
addEventListener("hashchange", enter);
enter();
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
{head}<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
{script}</body>
</html>
"""
_LOGIN = """\
{alert}<form method="post" action="/login">
<label for="key">Key</label>
<input id="key" name="key" type="password" required autocomplete="off" spellcheck="false" aria-describedby="about">
<button>Show the page</button>
</form>
<p id="about">The key is what follows <code>#</code> in the address that <code>flagmanctl page</code> has printed.
It lets one browser in, once. For another key, start <code>flagmanctl page</code> anew.</p>"""
_WRONG = '<p role="alert">This is not the key, or it has been used.</p>\n'


def _source(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer, because then a browser does not say from where it sends a form: its Origin would be null.
    "Referrer-Policy": "same-origin",
}


def login(*, was_wrong: bool = False) -> Content:
    """Return the page that asks for the key.

    It works without JavaScript, too; with it the key in the address is taken at once.

    :param was_wrong: whether a key has been refused
    """
    body = _LOGIN.format(alert=_WRONG if was_wrong else "")
    return _page("flagman", body, script=f"<script>{_SCRIPT}</script>\n")


def no_answer(why: str, seconds: int) -> Content:
    """Return the page that says that the daemon does not answer, and tries again by itself.

    :param why: in one line
    :param seconds: until it tries again
    """
    body = (
        f'<p role="alert">The daemon does not answer: {escape(printable(why))}.</p>\n'
        '<p>Trying again every few seconds. <a href="/">Try now</a></p>'
    )
    return _page("No answer · flagman", body, head=f'<meta http-equiv="refresh" content="{seconds}; url=/">\n')


def _page(title: str, body: str, *, head: str = "", script: str = "") -> Content:
    page = _PAGE.format(title=title, body=body, head=head, script=script, style=_STYLE)
    return Content("text/html; charset=utf-8", page.encode(), _HEADERS)
