"""WeChat's XML, and nothing but it: one level of fields. Document types and entities are refused outright."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape

from outlive.errors import Invalid

MAX_FIELDS = 200
MAX_DEPTH = 8


class _Fields:
    """Collects the text of the elements right below the root; what lies deeper is left out."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._path: list[str] = []

    def begin(self, name: str, _attributes: Mapping[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > MAX_DEPTH or len(self.found) > MAX_FIELDS:
            raise Invalid("the XML is too deep or has too many fields.")
        if len(self._path) == 2:
            self.found[name] = ""

    def end(self, _name: str) -> None:
        self._path.pop()

    def text(self, data: str) -> None:
        if len(self._path) == 2:
            self.found[self._path[1]] += data


def read_xml(body: bytes) -> dict[str, str]:
    """The fields of a message; `Invalid` for anything that WeChat does not send."""
    fields, parser = _Fields(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = fields.begin, fields.end
    parser.CharacterDataHandler = fields.text
    parser.StartDoctypeDeclHandler = _refuse  # without a document type there are no entities: no bombs, no files
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(body, True)  # noqa: FBT003 - its last part
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Invalid(f"the body is no XML: {error}.") from error
    return fields.found


def _refuse(*_: object) -> NoReturn:
    raise Invalid("the XML declares a document type.", fix="WeChat never does.")


def write_xml(fields: Mapping[str, str | int]) -> str:
    """A message as WeChat takes it."""
    inner = "".join(f"<{name}>{_written(value)}</{name}>" for name, value in fields.items())
    return f"<xml>{inner}</xml>"


def _written(value: str | int) -> str:
    """Text escaped, without what no XML may hold."""
    if isinstance(value, int):
        return str(value)
    return escape("".join(each for each in value if each in "\t\n\r" or (each >= " " and not _is_odd(each))))


def _is_odd(character: str) -> bool:
    return "\ud800" <= character <= "\udfff" or character in "\ufffe\uffff"
