"""Makes the folder of English texts on which document_frequencies.txt was counted.

    debian_texts.py UNPACKED TEXTS

UNPACKED holds one folder per Debian 12 package, named like it, made by `apt-get download PACKAGE` and
`dpkg-deb --extract FILE UNPACKED/PACKAGE`. Versions counted: debian-handbook 11.20220922, debian-policy 4.6.2.0,
debian-reference-en 2.100, developers-reference 12.18, gimp-help-en 2.10.34-2, git-doc 2.39.5-0+deb12u3,
gnucash-docs 4.13-1, linux-doc-6.1 6.1.192-2, maint-guide 1.2.53, manpages and manpages-dev 6.03-2,
postgresql-doc-15 15.20-0+deb12u1, python3.11-doc 3.11.2-6+deb12u9, rust-doc 1.63.0+dfsg1-2.

Only counts of tokens are kept of these texts. Another choice of texts moves the quality little.
"""

import gzip
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# What is English prose in each package, under usr/share.
ENGLISH = {
    "debian-handbook": ["doc/debian-handbook/html/en-US/*.html"],
    "debian-policy": ["doc/debian-policy/**/*.html"],
    "debian-reference-en": ["debian-reference/*.html"],
    "developers-reference": ["developers-reference/*.html"],
    "gimp-help-en": ["gimp/2.0/help/en/*.html"],
    "git-doc": ["doc/git-doc/**/*.html"],
    "gnucash-docs": ["doc/gnucash-docs/gnucash-*-en/*.html"],
    "linux-doc-6.1": ["doc/linux-doc-6.1/html/**/*.html"],
    "maint-guide": ["doc/maint-guide/html/*.en.html"],
    "manpages": ["man/man*/*.gz"],
    "manpages-dev": ["man/man*/*.gz"],
    "postgresql-doc-15": ["doc/postgresql-doc-15/html/*.html"],
    "python3.11-doc": ["doc/python3.11/html/**/*.html"],
    "rust-doc": [f"doc/rust-doc/html/{book}/**/*.html" for book in ("book", "reference", "nomicon", "cargo", "rustc", "std")],
}
NOT_PROSE = re.compile(r"genindex|/translations/|-index-|/print\.html|py-modindex")
BYTES_PER_PACKAGE_MAX = 8_000_000
BLOCKS = set("p div li tr td dt dd h1 h2 h3 h4 h5 pre br section".split())
HIDDEN = {"script", "style", "nav", "head"}


class Prose(HTMLParser):
    """Collects the text of a page without its navigation."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.parts, self.hidden = [], 0

    def handle_starttag(self, tag, attributes):
        self.hidden += tag in HIDDEN
        self.parts.append("\n" if tag in BLOCKS else "")

    def handle_endtag(self, tag):
        self.hidden = max(0, self.hidden - (tag in HIDDEN))
        self.parts.append("\n" if tag in BLOCKS else "")

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def html_text(page):
    prose = Prose()
    prose.feed(page)
    return "".join(prose.parts)


def roff_text(page):
    page = re.sub(r'(?m)^[.\'](\\"|TH|ig|de|so|ie|el|if|nr|ds).*$', "", page)
    page = re.sub(r"(?m)^\.[A-Z]{1,2} ?", "", page)
    page = re.sub(r"(?m)^\..*$", "", page)
    page = re.sub(r"\\f[A-Z]|\\f\(..|\\&|\\\||\\s[-+]?\d", "", page)
    return re.sub(r"\\\(..|\\\[.*?\]", " ", page).replace("\\-", "-").replace("\\e", "\\")


def text_of(path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        return roff_text(gzip.decompress(data).decode("utf-8", "replace"))
    return html_text(data.decode("utf-8", "replace"))


def main(unpacked, texts):
    for package, patterns in ENGLISH.items():
        share = unpacked / package / "usr" / "share"
        paths = sorted({path for pattern in patterns for path in share.glob(pattern) if path.is_file()})
        pages = [text_of(path) for path in paths if not NOT_PROSE.search(str(path)) and not path.is_symlink()]
        share_kept = min(1, BYTES_PER_PACKAGE_MAX / max(1, sum(len(page.encode()) for page in pages)))
        # Every n-th page, so that a big package does not drown the others.
        kept = [page for at, page in enumerate(pages) if int((at + 1) * share_kept) > int(at * share_kept)]
        (texts / f"{package}.txt").write_text("\n\n".join(kept), encoding="utf-8")
        print(f"{package}: {len(kept)} of {len(pages)} pages, {sum(map(len, kept))} characters")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
