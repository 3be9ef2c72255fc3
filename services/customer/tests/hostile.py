"""Files that are made to do harm, each by its name: what an import must refuse, or at most take for texts."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable, Iterator

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/xl/workbook.xml"'
    ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
BOOK = f'<workbook xmlns="{MAIN}" xmlns:r="{REL}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>'
RELS = (
    f'<Relationships><Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{REL}/sharedStrings" Target="sharedStrings.xml"/>'
    f'<Relationship Id="r3" Type="{REL}/styles" Target="styles.xml"/></Relationships>'
)
STRINGS = f'<sst xmlns="{MAIN}"><si><t>名称</t></si><si><t>甲</t></si></sst>'
STYLES = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/></cellXfs></styleSheet>'
ROWS = '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row>'


def sheet(rows: str, before: str = "") -> str:
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{rows}</sheetData></worksheet>'


def workbook(
    *, level: int = 9, skip: str = "", more: dict[str, str | bytes] | None = None, **parts: str | bytes
) -> bytes:
    """A small workbook; some of its parts replaced, left out or added."""
    content: dict[str, str | bytes] = {
        "[Content_Types].xml": parts.get("types", TYPES),
        "xl/workbook.xml": parts.get("book", BOOK),
        "xl/_rels/workbook.xml.rels": parts.get("rels", RELS),
        "xl/sharedStrings.xml": parts.get("strings", STRINGS),
        "xl/styles.xml": parts.get("styles", STYLES),
        "xl/worksheets/sheet1.xml": parts.get("sheet", sheet(ROWS)),
        **(more or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in content.items():
            if name != skip:
                archive.writestr(name, data)
    return out.getvalue()


def entities(kind: str) -> str:
    """Declarations that make a small text a huge one."""
    if kind == "laughs":
        lines = ['<!ENTITY a "ha">', *(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))]
        return f"<!DOCTYPE x [{''.join(lines)}]>"
    if kind == "quadratic":
        return f'<!DOCTYPE x [<!ENTITY a "{"x" * 50_000}">]>'
    if kind == "external":
        return '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    return '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:1/evil.dtd"> %a;]>'


def with_entity(kind: str, where: str) -> bytes:
    letter = "j" if kind == "laughs" else "a"
    use = f"&{letter};" * (3000 if kind == "quadratic" else 1) if kind != "parameter" else "x"
    if where == "strings":
        return workbook(strings=f'{entities(kind)}<sst xmlns="{MAIN}"><si><t>{use}</t></si></sst>')
    rows = f'<row r="1"><c r="A1" t="str"><v>{use}</v></c></row>'
    return workbook(sheet=entities(kind) + sheet(rows + ROWS))


def overlapping() -> bytes:
    """Every entry of the directory points at the same bytes."""
    data = bytearray(workbook())
    places = [i for i in range(len(data) - 4) if data[i : i + 4] == b"PK\x01\x02"]
    for place in places:
        data[place + 42 : place + 46] = b"\0\0\0\0"
    return bytes(data)


def with_flag(bit: int) -> bytes:
    """Every entry is said to be encrypted, or to be packed in a way of its own."""
    data = bytearray(workbook())
    for i in range(len(data) - 4):
        if data[i : i + 4] == b"PK\x01\x02":
            data[i + 8] |= bit
        elif data[i : i + 4] == b"PK\x03\x04":
            data[i + 6] |= bit
    return bytes(data)


def with_method(method: int) -> bytes:
    data = bytearray(workbook())
    for i in range(len(data) - 4):
        if data[i : i + 4] == b"PK\x01\x02":
            data[i + 10 : i + 12] = struct.pack("<H", method)
    return bytes(data)


def lying_about_size() -> bytes:
    """The directory says that a sheet is small; unpacked it is not."""
    data = bytearray(workbook(sheet=sheet("<!--" + "x" * 5_000_000 + "-->" + ROWS)))
    place = max(i for i in range(len(data) - 4) if data[i : i + 4] == b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 400)
    return bytes(data)


def named(name: str) -> bytes:
    return workbook(more={name: "x"})


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


def rows(count: int) -> str:
    return "".join(f'<row r="{r}"><c r="A{r}"><v>{r}</v></c></row>' for r in range(1, count + 1))


CORPUS: dict[str, Callable[[], bytes]] = {
    # ZIP
    "zip bomb in the sheet": lambda: workbook(sheet=sheet(" " * 200_000_000)),
    "zip bomb in the shared texts": lambda: workbook(
        strings=f'<sst xmlns="{MAIN}"><si><t>{"a" * 200_000_000}</t></si></sst>'
    ),
    "zip bomb in the content types": lambda: workbook(types=" " * 50_000_000 + TYPES),
    "zip bomb in the styles": lambda: workbook(
        styles=f'<styleSheet xmlns="{MAIN}">{"<xf/>" * 20_000_000}</styleSheet>'
    ),
    "zip bomb of many parts": lambda: workbook(more={f"xl/media/{i}.txt": b"\0" * 1_000_000 for i in range(400)}),
    "zip of very many entries": lambda: workbook(more={f"x/{i}": b"" for i in range(5000)}),
    "zip in a zip": lambda: workbook(more={"xl/inner.zip": workbook()}),
    "zip that overlaps itself": overlapping,
    "zip that lies about sizes": lying_about_size,
    "path upwards": lambda: named("../../etc/cron.d/x"),
    "absolute path": lambda: named("/etc/passwd"),
    "path with backslashes": lambda: named("xl\\..\\..\\x"),
    "path with a drive": lambda: named("C:/windows/x"),
    "the same name twice": lambda: workbook(more={"XL/WORKBOOK.XML": BOOK}),
    "encrypted entries": lambda: with_flag(1),
    "unknown compression": lambda: with_method(99),
    "cut in the middle": lambda: workbook()[:600],
    "cut at the end": lambda: workbook()[:-30],
    "empty zip": lambda: b"PK\x05\x06" + b"\0" * 18,
    "zip that is no workbook": lambda: named_only("hello.txt"),
    "a document instead of a workbook": lambda: workbook(
        types=TYPES.replace("spreadsheetml.sheet", "wordprocessingml.document")
    ),
    "program before a workbook": lambda: b"MZ" + noise(500) + workbook(),
    "picture and workbook in one": lambda: b"GIF89a" + b"\0" * 100 + workbook(),
    "PDF and workbook in one": lambda: b"%PDF-1.7\n" + workbook(),
    # programs and links
    "macros": lambda: workbook(more={"xl/vbaProject.bin": noise(100)}),
    "macro-enabled by its type": lambda: workbook(
        types=TYPES.replace("spreadsheetml.sheet.main", "ms-excel.sheet.macroEnabled.main")
    ),
    "Excel 4 macros": lambda: workbook(more={"xl/macrosheets/sheet1.xml": "<x/>"}),
    "an embedded object": lambda: workbook(more={"xl/embeddings/oleObject1.bin": noise(100)}),
    "ActiveX": lambda: workbook(more={"xl/activeX/activeX1.xml": "<x/>"}),
    "DDE link": lambda: workbook(
        more={"xl/externalLinks/externalLink1.xml": "<ddeLink ddeService='cmd' ddeTopic='/c calc'/>"}
    ),
    "data connection": lambda: workbook(more={"xl/connections.xml": "<connections/>"}),
    "sheet from another host": lambda: workbook(
        rels=RELS.replace('Target="worksheets/sheet1.xml"', 'TargetMode="External" Target="http://127.0.0.1:1/x"')
    ),
    "sheet outside the archive": lambda: workbook(rels=RELS.replace("worksheets/sheet1.xml", "../../../etc/passwd")),
    # XML
    **{
        f"{kind} in {where}": (lambda k=kind, w=where: with_entity(k, w))
        for kind in ("laughs", "quadratic", "external", "parameter")
        for where in ("sheet", "strings")
    },
    "entities in the workbook": lambda: workbook(book=entities("laughs") + BOOK),
    "deep nesting": lambda: workbook(sheet=sheet("<a>" * 100_000 + "</a>" * 100_000)),
    "deep nesting of texts": lambda: workbook(strings=f'<sst xmlns="{MAIN}">' + "<si>" * 50_000),
    "broken XML": lambda: workbook(sheet=sheet(ROWS)[:-40]),
    "XML of invalid characters": lambda: workbook(
        sheet=sheet('<row r="1"><c r="A1" t="str"><v>\x01\x02</v></c></row>')
    ),
    "XML that is not UTF-8": lambda: workbook(sheet=sheet(ROWS).encode().replace(b"A1", b"\xff\xfe")),
    "no sheet": lambda: workbook(skip="xl/worksheets/sheet1.xml"),
    "no workbook": lambda: workbook(skip="xl/workbook.xml"),
    "very many names of elements": lambda: workbook(sheet=sheet("".join(f"<e{i}/>" for i in range(2000)) + ROWS)),
    "one endless attribute": lambda: workbook(level=0, sheet=sheet(f'<row r="{"9" * 4_000_000}">')),
    # tables
    "one cell of 20 MB": lambda: workbook(
        level=0, sheet=sheet(f'<row r="1"><c r="A1" t="str"><v>{"x" * 20_000_000}</v></c></row>')
    ),
    "one shared text of 20 MB": lambda: workbook(
        level=0, strings=f'<sst xmlns="{MAIN}"><si><t>{"x" * 20_000_000}</t></si></sst>'
    ),
    "a million columns": lambda: workbook(
        level=1, sheet=sheet('<row r="1">' + '<c t="str"><v>x</v></c>' * 300_000 + "</row>")
    ),
    "a column that there is not": lambda: workbook(sheet=sheet('<row r="1"><c r="ZZZ1" t="str"><v>x</v></c></row>')),
    "a row that there is not": lambda: workbook(sheet=sheet('<row r="99999999"><c r="A1" t="str"><v>x</v></c></row>')),
    "rows backwards": lambda: workbook(sheet=sheet(ROWS + ROWS)),
    "cells backwards": lambda: workbook(sheet=sheet('<row r="1"><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>')),
    "a shared text that there is not": lambda: workbook(
        sheet=sheet('<row r="1"><c r="A1" t="s"><v>999999</v></c></row>')
    ),
    "a shared text by a negative number": lambda: workbook(
        sheet=sheet('<row r="1"><c r="A1" t="s"><v>-1</v></c></row>')
    ),
    "a long text that every cell shares": lambda: workbook(
        strings=f'<sst xmlns="{MAIN}"><si><t>{"x" * 32_000}</t></si></sst>',
        sheet=sheet("".join(f'<row r="{r}">' + '<c t="s"><v>0</v></c>' * 200 + "</row>" for r in range(1, 200))),
    ),
    "no headings": lambda: workbook(sheet=sheet("")),
    # CSV and others
    "an open quote of megabytes": lambda: b'a,b\n"' + b"x,\n" * 1_500_000,
    "an open quote": lambda: b'a,b\n"x,y\n',
    "a line of megabytes": lambda: b"a,b\n" + b"x," * 2_000_000,
    "a field of megabytes": lambda: b"a,b\n" + b"x" * 3_000_000 + b",y\n",
    "zero bytes": lambda: b"a,b\nx\0y,z\n",
    "invalid UTF-8": lambda: b"a,b\n\xff\xff\xff,y\n",
    "noise": lambda: noise(100_000),
    "very many columns": lambda: (
        b",".join(b"c%d" % i for i in range(5000)) + b"\n" + b",".join(b"x" for _ in range(5000))
    ),
    "a page of HTML": lambda: b"<html><table><tr><td>a</td></tr></table></html>",
    "an old workbook": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 5000,
    "RTF": lambda: b"{\\rtf1 hello}",
    "gzip": lambda: b"\x1f\x8b\x08" + noise(100),
    "nothing": lambda: b"",
    "only a heading": lambda: b"a,b\n",
    "only spaces": lambda: b" \n \n",
    "the same heading twice": lambda: b"a,a\n1,2\n",
}


def named_only(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, "hello")
    return out.getvalue()


def harmless() -> Iterator[tuple[str, bytes]]:
    """Strange, but a table all the same."""
    yield "a huge dimension", workbook(sheet=sheet(ROWS, '<dimension ref="A1:XFD1048576"/>'))
    yield (
        "a prefix for every element",
        workbook(sheet=sheet(ROWS).replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")),
    )
    yield "empty cells far to the right", workbook(sheet=sheet(ROWS.replace("</row>", '<c r="XFD1"/></row>', 1)))
    yield (
        "a formula that was calculated",
        workbook(sheet=sheet(ROWS + '<row r="3"><c r="A3" t="str"><f>cmd|"/c calc"!A0</f><v>乙</v></c></row>')),
    )
