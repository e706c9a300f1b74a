"""Names, addresses and words inside text: what has to go is found, and replaced by its pseudonym.

Two kinds of text are told apart. *Foreign* text came from the network or from this desktop (a title, a banner,
a header, a path): only words that are known to name nobody stay. *Own* text is semscheck's (a finding's
summary): it stays, except for what the foreign parts of the report gave away. So foreign text is learned
first, own text is cleaned after.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import NamedTuple

from semscheck.model import names
from semscheck.redaction.pseudonyms import Pseudonyms
from semscheck.redaction.words import KEPT, RESERVED_LAST, TOP_LEVEL

# A run holds everything that can be one address, name, fingerprint or path segment; what is between runs
# (blanks, quotes, slashes, brackets, markup) is never part of one.
_RUN = re.compile(r"[\w.*:\-%]+")
_WORD = re.compile(r"[^\W_]+")
_QUAD = re.compile(r"(?<!\d)(\d{1,40})([.\-_])(\d{1,3})\2(\d{1,3})\2(\d{1,40})(?!\d)")
_PARTIAL = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,2})((?:\.[*xX])+)")
# The first numbers of an address: of a private network whatever they are, of another where addresses are known.
_BEGINNING = re.compile(r"(?<![\d.])\d{1,3}([.\-_])\d{1,3}(?:\1\d{1,3})?(?![.\-_]?\d)")
_PRIVATE = re.compile(r"192\.168(?:\.|$)|172\.(?:1[6-9]|2\d|3[01])(?:\.|$)|10\.\d+\.|169\.254(?:\.|$)")
# A fingerprint or a hardware address: in pairs, or in fours as Cisco writes it.
_PAIRS = re.compile(
    r"(?<![0-9A-Fa-f])((?:[0-9A-Fa-f]{2}[:-]){3,}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4})(?![0-9A-Fa-f])"
)
_HEX = re.compile(r"[0-9A-Fa-f]+")
_SHORT = re.compile(r"[A-Za-z]?\d{1,5}[A-Za-z]?|[A-Za-z]")
_NAME = re.compile(r"\.?[\w*\-]+(?:\.[\w*\-]+)*\.?")
_HOST_IN_URL = re.compile(r"//(?:[^/?#@\s]*@)?([\w.*\-]+)")
_USER_IN_PATH = re.compile(
    r"(?:/home/|/Users/|[\\/]Users[\\/]|[\\/]Documents and Settings[\\/])([^\\/\s'\":;,]+)"
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_SOURCE_LINE = re.compile(r'File "([^"]*)"')
_OWN_PATH = re.compile(r".*?((?:semscheck|site-packages|lib/python[\d.]+)[\\/].*)")
# Ways to write a character so that a scan for words does not see it: of URLs (however often they were escaped), of
# scripts and of DNS.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});?|&\w{2,31};")
_RESERVED = re.compile(r"(%(?:25)*[0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|\\u([0-9A-Fa-f]{4})|\\(\d{3})")
_UNRESERVED = re.compile(r"[\w.\-~:*]")  # of RFC 3986, with what addresses and wildcards have
_SERVICE_LABELS = frozenset(("_tcp", "_udp", "_ldap", "_ldaps", "_hkp", "_hkps", "_pgpkey-ldap"))  # RFC 2782
_SLASH = re.compile(r"[\\/]")
_HEX_FROM = 8  # shorter runs of hex digits are words as often as not
_HEX_PREFIX_FROM = 6  # a fingerprint shortened in our own text
_DIGITS_FROM = 6
_SECTION = ("section ", "sections ", "Section ")
_LONG_WORD = 16  # longer tokens keep their length, shorter ones become words that can be spoken
_WORD_FROM = 3  # a label of one or two letters is no word to look for in sentences


def is_address(text: str) -> bool:
    """An address, with a scope or without."""
    return names.is_address(text.partition("%")[0])


def _in_shape_of(original: str, pseudonym: str) -> str:
    """The pseudonym with the original's capitals, as far as a word has them."""
    if len(original) > 1 and original.isupper():
        return pseudonym.upper()
    return pseudonym.capitalize() if original[:1].isupper() else pseudonym


def _unescaped(text: str) -> str:
    """The text with its hidden letters, digits and marks in plain sight; other escapes of URLs stay."""
    for _ in range(3):  # an entity of an entity
        plain = _ENTITY.sub(lambda entity: html.unescape(entity.group()), text)
        if plain == text:
            break
        text = plain
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _ESCAPE.sub(_shown, text)


def _shown(escape: re.Match[str]) -> str:
    percent, *others, decimal = escape.groups()
    number = int(decimal) if decimal else int(percent or "".join(filter(None, others)), 16)
    return chr(number) if _UNRESERVED.fullmatch(chr(number)) else escape.group()


class _Manner(NamedTuple):
    """word: what becomes of a plain word. own: only what is known to give something away is replaced."""

    word: Callable[[str], str]
    own: bool


class Scrubber:
    """Text through the eyes of one report. `learn_*` first, then the rest; the order changes nothing else.

    keep_words: words (lower case) that stay in own text although foreign text had them too: those of the
    rules' cards.
    """

    def __init__(self, pseudonyms: Pseudonyms, keep_words: Iterable[str] = ()) -> None:
        self.pseudonyms = pseudonyms
        self._protected = KEPT | frozenset(keep_words)
        self._names: set[str] = set()  # and every domain of two labels or more above them
        self._labels: set[str] = set()  # what may stand alone for a host, a user, an organisation
        self._kept_labels: set[str] = set()
        self._hex: set[str] = set()
        self._tokens: dict[str, str] = {}  # exact tokens: cookie values, foreign words
        self._phrases: dict[str, str] = {}
        self._beginnings: set[str] = set()  # two and three numbers of known addresses
        self._compounds: re.Pattern[str] | None = None

    # --- learning --------------------------------------------------------------------------------------

    def learn_name(self, text: str) -> None:
        """A DNS name or a host's own name. Its labels, without the last of several, may stand alone."""
        name = text.strip(".").lower()
        if not name or is_address(name) or not _NAME.fullmatch(name):
            return
        labels = name.split(".")
        while len(labels) >= 2:
            self._names.add(".".join(labels))
            self.learn_word(labels[0])
            labels = labels[1:]
        if "." not in name:
            self.learn_word(name)

    def learn_address(self, text: str) -> None:
        """An address, whose first numbers may stand alone."""
        octets = text.split(".")
        if len(octets) == 4:
            self._beginnings |= {".".join(octets[:2]), ".".join(octets[:3])}

    def learn_word(self, text: str) -> None:
        word = text.lower()
        if len(word) >= _WORD_FROM and word not in KEPT and not _SHORT.fullmatch(word) and word != "*":
            self._labels.add(word)
            self._compounds = None

    def learn_alias(self, text: str, redacted: str) -> None:
        """A name as people write it (U-labels), which shares the pseudonym of its A-label form."""
        self._phrases[text] = redacted

    def learn_users(self, text: str) -> None:
        """The owners of home directories in paths."""
        for match in _USER_IN_PATH.finditer(text):
            self.learn_word(match.group(1))

    def keep_label(self, text: str) -> None:
        """A member called "A" or "server": its name names nobody, and stays wherever it is a label."""
        if (word := text.lower()) in KEPT or len(word) < _WORD_FROM:
            self._kept_labels.add(word)

    def learn_hex(self, text: str) -> None:
        self._hex.add(text.replace(":", "").lower())

    def learn_phrase(self, text: str, redacted: str) -> None:
        """A whole foreign text and what became of it, for own text that quotes it."""
        if text == redacted:
            return
        if _WORD.fullmatch(text) or not re.search(r"\s", text):
            if len(text) >= _WORD_FROM and text.lower() not in self._protected and not text.isdigit():
                self._tokens[text] = redacted
        elif len(text) <= 2000:
            self._phrases[text] = redacted

    def learn_foreign(self, text: str, *, words: bool = False) -> None:
        """Names and users that a foreign text contains; words: its unknown words too (an organisation)."""
        text = _unescaped(text)
        if words:
            for match in _WORD.finditer(text):
                if match.group().isalpha() and _WORD_FROM < len(match.group()) < _LONG_WORD:
                    self.learn_word(match.group())
        for match in _HOST_IN_URL.finditer(text):
            self.learn_name(match.group(1))
        self.learn_users(text)
        for match in _RUN.finditer(text):
            for part in match.group().split(":"):
                if self._looks_like_name(part.strip(".-")):
                    self.learn_name(part.strip(".-"))

    # --- names -----------------------------------------------------------------------------------------

    def label(self, text: str) -> str:
        if text.lower() in self._kept_labels:
            return text
        return _in_shape_of(text, self.pseudonyms.label(text)) if text else text

    def name(self, text: str) -> str:
        """A DNS name, label by label: suffixes and wildcards keep matching. An address is taken as one."""
        if is_address(text):
            return self.pseudonyms.address(text)
        return self._labelled(text) if _NAME.fullmatch(text) else self.foreign(text)

    def _labelled(self, text: str) -> str:
        """What is a name, and never goes back to being text."""
        labels = text.split(".")
        bare = [label for label in labels if label]
        if [label.lower() for label in bare[-2:]] == ["in-addr", "arpa"] and len(bare) > 2:
            return self._reverse(text, bare)
        last = len(labels) - 1 - (labels[-1] == "")
        return ".".join(self._one_label(label, index == last) for index, label in enumerate(labels))

    def _one_label(self, label: str, last: bool) -> str:
        lower = label.lower()
        if label in ("", "*") or lower == "localhost" or (last and lower in RESERVED_LAST):
            return label
        if lower in _SERVICE_LABELS:
            return label
        if "*" in label:  # no client accepts these (RFC 9525 section 6.3), so only the star has to stay
            return "*".join(self.label(part) for part in label.split("*"))
        return self.label(label)

    def _reverse(self, text: str, bare: list[str]) -> str:
        octets = bare[:-2][::-1]
        full = ".".join((octets + ["0"] * 4)[:4])
        if not is_address(full) or len(octets) > 4:
            return ".".join(self.label(label) for label in bare[:-2]) + ".in-addr.arpa"
        kept = self.pseudonyms.address(full).split(".")[: len(octets)][::-1]
        return ".".join([*kept, *bare[-2:]]) + ("." if text.endswith(".") else "")

    def _known_name(self, text: str) -> bool:
        labels = text.lower().split(".")
        return any(
            ".".join(labels[start:]) in self._names for start in range(max(0, len(labels) - 12), len(labels))
        )

    def _looks_like_name(self, text: str) -> bool:
        first, dot, last = text.rpartition(".")
        if not (dot and first) or last.lower() not in TOP_LEVEL or not _NAME.fullmatch(text):
            return False
        return not all(label in KEPT for label in text.lower().split("."))  # "ASP.NET" is no host

    # --- foreign text ----------------------------------------------------------------------------------

    def foreign(self, text: str) -> str:
        """Text from the network or the desktop: only known words, short numbers and punctuation stay."""
        return self._scan(text, _Manner(self._foreign_word, own=False))

    def counted(self, text: str) -> str:
        """Foreign text whose long numbers are lengths and ages, and stay."""
        return self._scan(
            text, _Manner(lambda word: word if word.isdecimal() else self._foreign_word(word), own=False)
        )

    def common_name(self, text: str) -> str:
        """A Common Name: a DNS name, an address, or words."""
        if is_address(text):
            return self.pseudonyms.address(text)
        if "." in text.strip(".") and _NAME.fullmatch(text):
            return self.name(text)
        return self.name(text) if text.lower() in self._labels else self.foreign(text)

    def _foreign_word(self, word: str) -> str:
        lower = word.lower()
        if lower in self._labels:
            return self.label(word)
        if lower in KEPT or _SHORT.fullmatch(word):
            return word
        if word.isdecimal():
            return self.pseudonyms.digits(word) if len(word) >= _DIGITS_FROM else word
        if len(word) >= _HEX_FROM and _HEX.fullmatch(word) and any(c.isdigit() for c in word):
            return self.hexadecimal(word)
        return self.label(word) if len(word) < _LONG_WORD else self.pseudonyms.opaque(word)

    def token(self, text: str) -> str:
        """A value that means something to its issuer only (a cookie's): equal stays equal, nothing is kept."""
        return self._scan(text, _Manner(self._token_word, own=False))

    def _token_word(self, word: str) -> str:
        if word.lower() in self._labels:
            return self.label(word)
        if word.isdecimal():
            return self.pseudonyms.digits(word) if len(word) >= _DIGITS_FROM else self.pseudonyms.label(word)
        uniform = word in (word.lower(), word.upper())
        if len(word) >= _HEX_FROM and uniform and _HEX.fullmatch(word):
            return self.pseudonyms.hexadecimal(word)
        if len(word) >= _LONG_WORD:
            return self.pseudonyms.opaque(word)
        # Case is part of a token: "ab" and "aB" are two, so only plain shapes share the labels' words.
        if uniform or word == word.capitalize():
            return self.label(word)
        return self.pseudonyms.label(f"token {word.encode('utf-8', 'surrogatepass').hex()}")

    # --- scanning --------------------------------------------------------------------------------------

    def _scan(self, text: str, manner: _Manner) -> str:
        """What is between the escapes that stay; a digit of one belongs to no address behind it."""
        pieces = _RESERVED.split(_unescaped(text))
        pieces[::2] = [
            _RUN.sub(lambda match: self._run(match.group(), manner), piece) for piece in pieces[::2]
        ]
        return "".join(pieces)

    def _run(self, run: str, manner: _Manner) -> str:
        """One run: addresses of both families, fingerprints in pairs, names, else its words."""
        head = len(run) - len(run.lstrip(".:-"))
        tail = len(run.rstrip(".:-"))
        if head >= tail:
            return run
        if run[max(0, head - 2) : head] == "::" and is_address(run[head - 2 : tail]):
            head -= 2
        elif run[tail : tail + 2] == "::" and is_address(run[head : tail + 2]):
            tail += 2
        return f"{run[:head]}{self._core(run[head:tail], manner)}{run[tail:]}"

    def _core(self, core: str, manner: _Manner) -> str:
        if ":" in core and is_address(core):
            return self.pseudonyms.address(core)
        if (parts := self._paired(core, manner)) is not None:
            return parts
        for mark in (":", "%"):
            if mark in core:
                return mark.join(self._run(part, manner) for part in core.split(mark))
        if found := _PARTIAL.fullmatch(core):
            return self._beginning(found.group(1)) + found.group(2)
        named = self._known_name(core) or (not manner.own and self._looks_like_name(core))
        if named and _NAME.fullmatch(core) and not _QUAD.fullmatch(core):
            return self._labelled(core)
        return self._pieces(core, manner)

    def _paired(self, core: str, manner: _Manner) -> str | None:
        """With fingerprints and hardware addresses replaced, None if there are none."""
        pieces = _PAIRS.split(core)
        known = not manner.own or any(self._known_hex(re.sub("[:.-]", "", pair)) for pair in pieces[1::2])
        if len(pieces) == 1 or not known:
            return None
        pieces[1::2] = [self._pairs(pair) for pair in pieces[1::2]]
        pieces[::2] = [self._run(part, manner) for part in pieces[::2]]
        return "".join(pieces)

    def _pieces(self, core: str, manner: _Manner) -> str:
        """What is no name as a whole: embedded addresses, labels that contain dashes, single words."""
        pieces: list[str] = []
        position = 0
        for found in self._compound().finditer(core):
            pieces.append(_WORD.sub(lambda match: manner.word(match.group()), core[position : found.start()]))
            pieces.append(self._compounded(found.group(), manner))
            position = found.end()
        pieces.append(_WORD.sub(lambda match: manner.word(match.group()), core[position:]))
        return "".join(pieces)

    def _compounded(self, text: str, manner: _Manner) -> str:
        if quad := _QUAD.fullmatch(text):
            return self._quad(quad)
        if _BEGINNING.fullmatch(text):
            return text if manner.own or not self._begins_address(text) else self._beginning(text)
        return self._joined(text, manner)

    def _begins_address(self, text: str) -> bool:
        dotted = re.sub("[-_]", ".", text)
        return dotted in self._beginnings - {"10.0"} or bool(_PRIVATE.match(dotted))

    def _compound(self) -> re.Pattern[str]:
        if self._compounds is None:
            joined = sorted((label for label in self._labels if not label.isalnum()), key=len, reverse=True)
            tried = [_QUAD.pattern]  # first, so that its group numbers stay
            tried.append(_BEGINNING.pattern.replace("\\1", "\\6"))
            tried += [rf"(?<![^\W_]){re.escape(label)}(?![^\W_])" for label in joined[:200]]
            self._compounds = re.compile("|".join(tried), re.IGNORECASE)
        return self._compounds

    def _joined(self, label: str, manner: _Manner) -> str:
        return label if manner.own and label.lower() in self._protected else self.label(label)

    def _quad(self, quad: re.Match[str]) -> str:
        """Four numbers joined by dots, or by the dashes of a cloud host's name (ip-192-0-2-11); what is glued to
        the first or the last stays."""
        head, separator, *middle, tail = quad.groups()
        first = next(head[-size:] for size in (3, 2, 1) if int(head[-size:]) <= 255)
        last = next(tail[:size] for size in (3, 2, 1) if int(tail[:size]) <= 255)
        octets = [int(number) for number in (first, *middle, last)]
        if max(octets) > 255:
            return quad.group()
        address = self.pseudonyms.address(".".join(map(str, octets))).replace(".", separator)
        return head[: len(head) - len(first)] + address + tail[len(last) :]

    def _beginning(self, text: str) -> str:
        """The first numbers of an address: `10.1.*`, as proxy settings have it."""
        octets = [int(number) for number in re.split("[._-]", text)]
        if max(octets) > 255:
            return text
        full = ".".join(map(str, (octets + [0] * 4)[:4]))
        separator = next((mark for mark in text if not mark.isdigit()), ".")
        return separator.join(self.pseudonyms.address(full).split(".")[: len(octets)])

    def _pairs(self, text: str) -> str:
        size = re.search("[:.-]", text).start()  # type: ignore[union-attr]  # it was matched with one
        digits = self.hexadecimal(re.sub("[:.-]", "", text))
        return text[size].join(digits[index : index + size] for index in range(0, len(digits), size))

    def hexadecimal(self, text: str) -> str:
        """A fingerprint, or the beginning of a known one, which stays the beginning of its pseudonym."""
        lower = text.lower()
        if lower not in self._hex and len(lower) >= _HEX_PREFIX_FROM:
            whole = next((known for known in self._hex if known.startswith(lower)), None)
            if whole is not None:
                shown = self.pseudonyms.hexadecimal(whole)[: len(text)]
                return shown.upper() if text.isupper() else shown
        return self.pseudonyms.hexadecimal(text)

    # --- own text --------------------------------------------------------------------------------------

    def own(self, text: str) -> str:
        """Our words, with every address, known name, label, fingerprint and quoted foreign text replaced."""
        for phrase, redacted in self._phrases.items():
            if phrase in text:
                text = text.replace(phrase, redacted)
        if self._tokens:
            text = re.sub(r"[^\s\"'<>(),;]+", self._own_token, text)
        manner = _Manner(self._own_word, own=True)

        def run(match: re.Match[str]) -> str:
            """ "RFC 5280 section 4.1.2.5" looks like an address and is none."""
            numbered = text.endswith(_SECTION, 0, match.start())
            return match.group() if numbered else self._run(match.group(), manner)

        return _RUN.sub(run, text)

    def _own_token(self, match: re.Match[str]) -> str:
        token = match.group()
        core = token.rstrip(".:")
        return self._tokens.get(token) or (self._tokens.get(core, core) + token[len(core) :])

    def _own_word(self, word: str) -> str:
        lower = word.lower()
        if lower in self._labels and lower not in self._protected:
            return self.label(word)
        if len(word) >= _HEX_PREFIX_FROM and _HEX.fullmatch(word):
            return self.hexadecimal(word) if self._known_hex(word) else word
        return word

    def _known_hex(self, text: str) -> bool:
        return any(known.startswith(text.lower()) for known in self._hex)

    def detail(self, text: str) -> str:
        """An error's own words: what it quotes is foreign, the rest is ours or the operating system's."""

        def quoted(match: re.Match[str]) -> str:
            mark = match.group()[0]
            return f"{mark}{self.foreign(match.group()[1:-1])}{mark}"

        return self.own(_QUOTED.sub(quoted, text))

    def trace(self, text: str) -> str:
        """A stack: our own files and lines stay, the way to them on this machine does not."""

        def source(match: re.Match[str]) -> str:
            inside = _OWN_PATH.fullmatch(match.group(1))
            shown = inside.group(1) if inside else _SLASH.split(match.group(1))[-1]
            return f'File "{shown}"'

        return "\n".join(
            _SOURCE_LINE.sub(source, line) if 'File "' in line else self.detail(line)
            for line in text.split("\n")
        )
