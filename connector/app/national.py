"""The national judge of CDA documents: the CDA schema and the schematrons of a checkout of ansforge/TestContenuCDA-3-0, run without Java.

The checkout stays as it is: a working copy is made once under the cache folder, repaired where files are missing or differ in letter
case, and each schematron is compiled to XSLT once. SaxonC reads an XSLT anew in every process (10 to 20 s for the header's); so many
documents are judged in one call. Only files of this machine are open to the rules; the documents are parsed by our own safe reader.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from connector.issues import Issue, IssueCode, Severity

__all__ = ["PROFILES", "NationalJudge", "schema_issues"]

_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_SVS = "{urn:ihe:iti:svs:2008}"
#: Name of a judge → its schematron in the checkout; a volet is `volet:NAME` (CI-SIS_NAME.sch).
PROFILES = {
    "strucmin": "schematrons/profils/structurationMinimale/ASIP-STRUCT-MIN-StrucMin.sch",
    "ihe": "schematrons/profils/IHE.sch",
    "modeles": "schematrons/profils/CI-SIS_ModelesDeContenusCDA.sch",
    "ans": "schematrons/profils/CI-SIS_Modeles_ANS.sch",
}
_SCHEMA = "infrastructure/cda/CDA_extended.xsd"
_SKELETON = ("iso_dsdl_include.xsl", "iso_abstract_expand.xsl", "iso_svrl_for_xslt2.xsl")
_INCLUDE = re.compile(r'<(?:\w+:)?include\b[^>]*\bhref="([^"#]+)"')
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_VOCABULARY = re.compile(r"include/(voc-([\d.]+)-DYNAMIC\.xml)")
_VALUE_SET = re.compile(rb'<ValueSet\b[^>]*?\sid="([\d.]+)"')
_STEP = re.compile(r"/\*:(\w+)\[namespace-uri\(\)='([^']*)'\]\[(\d+)\]")
_PREFIX = re.compile(r"/\w+:(?=\w)")
_ATTRIBUTE = re.compile(r"/@\*:?(\w+)")


class NationalJudge:
    """The judges of one checkout. Raises FileNotFoundError when the folder is not one, ImportError when saxonche is not installed."""

    def __init__(self, checkout: Path, cache: Path) -> None:
        if not (checkout / PROFILES["strucmin"]).is_file():
            raise FileNotFoundError(f"{checkout}: {PROFILES['strucmin']} is not there")
        from saxonche import PySaxonProcessor  # type: ignore[import-not-found]

        self._copy = _working_copy(checkout, cache)
        self._processor: Any = PySaxonProcessor(license=False)
        # No rule reads anything but files: what a document points at is never fetched.
        self._processor.set_configuration_property("http://saxon.sf.net/feature/allowedProtocols", "file")
        self._xslt: Any = self._processor.new_xslt30_processor()
        self._compiled: dict[str, Any] = {}
        self._schema: Any = None

    def judge(self, raw: bytes, judges: Sequence[str] = ("xsd", *PROFILES)) -> list[Issue]:
        """What the judges find in one document; `rule` of each place is `ans:JUDGE`. Raises KeyError for a judge that does not exist."""
        found: list[Issue] = []
        for name in judges:
            if name == "xsd":
                self._schema = self._schema or _load_schema(self._copy / _SCHEMA)
                found += schema_issues(raw, self._schema)
            else:
                found += self._findings(raw, name)
        return found

    def volets(self) -> list[str]:
        """The names of the volets that the checkout can judge."""
        folder = self._copy / "schematrons"
        return sorted(each.stem.removeprefix("CI-SIS_") for each in folder.glob("CI-SIS_*.sch"))

    def _findings(self, raw: bytes, name: str) -> Iterator[Issue]:
        sheet = self._compiled.get(name) or self._compile(name)
        self._compiled[name] = sheet
        root = etree.tostring(_parsed(raw), encoding="unicode")
        node = self._processor.parse_xml(xml_text=root)
        report = sheet.transform_to_string(xdm_node=node)
        if report is None:
            raise RuntimeError(f"{name}: {sheet.error_message}")
        for each in etree.fromstring(report.encode()).iter(_SVRL + "failed-assert", _SVRL + "successful-report"):
            role = (each.get("role") or "error").lower()
            severity = Severity.WARNING if role.startswith("warn") else Severity.ERROR
            severity = Severity.INFORMATION if role.startswith("info") else severity
            yield _issue(
                severity, _place(each.get("location") or ""), name, " ".join("".join(map(str, each.itertext())).split())
            )

    def _compile(self, name: str) -> Any:
        relative = PROFILES.get(name) or f"schematrons/CI-SIS_{name.removeprefix('volet:')}.sch"
        schematron = self._copy / relative
        if not schematron.is_file() or (name not in PROFILES and not name.startswith("volet:")):
            raise KeyError(name)
        stamp = hashlib.sha256(schematron.read_bytes()).hexdigest()[:12]
        # Beside its source: the rules open value sets by a path relative to it.
        target = schematron.with_suffix(f".{stamp}.xsl")
        if not target.exists():
            self._skeleton(schematron, target)
        return self._xslt.compile_stylesheet(stylesheet_file=str(target))

    def _skeleton(self, schematron: Path, target: Path) -> None:
        source = schematron
        steps = [schematron.with_suffix(".step1.tmp"), schematron.with_suffix(".step2.tmp"), target.with_suffix(".tmp")]
        for sheet, out in zip(_SKELETON, steps, strict=True):
            engine = self._xslt.compile_stylesheet(stylesheet_file=str(self._copy / "schematrons" / "moteur" / sheet))
            engine.transform_to_file(source_file=str(source), output_file=str(out))
            source = out
        steps[-1].replace(target)
        for step in steps[:-1]:
            step.unlink()


def schema_issues(raw: bytes, schema: Any | Path) -> list[Issue]:
    """What an XML schema (loaded, or the path of one) finds; places are those of the schema processor's lines."""
    loaded = _load_schema(schema) if isinstance(schema, Path) else schema
    loaded.validate(_parsed(raw))
    return [_issue(Severity.ERROR, f"line {error.line}", "xsd", error.message) for error in loaded.error_log]


def _load_schema(path: Path) -> Any:
    return etree.XMLSchema(etree.parse(path, etree.XMLParser(no_network=True, resolve_entities=False)))


def _parsed(raw: bytes) -> Any:
    # connector.cda refuses DOCTYPE and foreign encodings before anybody comes here; large bodies need huge text nodes.
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False, huge_tree=len(raw) > 9_000_000)
    return etree.fromstring(raw, parser)


def _issue(severity: Severity, path: str, judge: str, text: str) -> Issue:
    return Issue.of(severity, IssueCode.NATIONAL_RULE, path, rule=f"ans:{judge}", what=text)


def _place(location: str) -> str:
    """SVRL's location, in either notation of the skeletons, as our places: `/ClinicalDocument/author[2]/time`."""
    if "namespace-uri" not in location:
        return _PREFIX.sub("/", location).replace("[1]", "")
    steps = []
    for name, _, number in _STEP.findall(location):
        steps.append(f"/{name}" if number == "1" else f"/{name}[{number}]")
    attribute = _ATTRIBUTE.search(location)
    return "".join(steps) + (f"/@{attribute[1]}" if attribute else "")


# --- the working copy -------------------------------------------------------------------------------------------------


def _working_copy(checkout: Path, cache: Path) -> Path:
    """The parts that are read, copied once for this state of the checkout, whole or not at all."""
    state = hashlib.sha256(str(checkout.resolve()).encode())
    for each in sorted((checkout / "schematrons").rglob("*.sch")):
        state.update(f"{each.name} {each.stat().st_size} {each.stat().st_mtime_ns}".encode())
    copy = cache / f"schematrons-{state.hexdigest()[:16]}"
    if not copy.is_dir():
        making = copy.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        for part in ("schematrons", "jeuxDeValeurs", "infrastructure"):
            shutil.copytree(checkout / part, making / part, ignore=shutil.ignore_patterns("*.xsl.tmp", "*.jar"))
        _repair_vocabularies(making)
        _repair_letter_case(making)
        making.replace(copy)
    return copy


def _repair_vocabularies(copy: Path) -> None:
    """Value sets that the header's rules open and the checkout lacks are made of the same ones in IHE SVS form."""
    include = (copy / PROFILES["strucmin"]).parent / "include"
    named = {match for file in include.glob("*.sch") for match in _VOCABULARY.findall(file.read_text("utf-8"))}
    missing = [(name, oid) for name, oid in sorted(named) if not (include / name).exists()]
    if not missing:
        return
    known = {}
    for file in (copy / "jeuxDeValeurs").glob("*.xml"):
        found = _VALUE_SET.search(file.read_bytes()[:4000])
        if found:
            known[found[1].decode()] = file
    for name, oid in missing:
        if oid in known:
            _write_vocabulary(known[oid], include / name)


def _write_vocabulary(source: Path, target: Path) -> None:
    found = _parsed(source.read_bytes()).find(_SVS + "ValueSet")
    root = etree.Element("valueSets")  # in no namespace: the rules ask for /*/valueSet/conceptList/concept
    concepts = etree.SubElement(etree.SubElement(root, "valueSet", id=found.get("id")), "conceptList")
    for each in found.iter(_SVS + "Concept"):
        concept = etree.SubElement(concepts, "concept", level="0", type="L")
        for name in ("code", "codeSystem", "displayName"):
            concept.set(name, each.get(name) or "")
    target.write_bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _repair_letter_case(copy: Path) -> None:
    """Some includes name their file in other letters, as a Windows disk allows."""
    for file in sorted((copy / "schematrons").rglob("*.sch")):
        for href in _INCLUDE.findall(_COMMENT.sub("", file.read_text("utf-8", "replace"))):
            wanted = (file.parent / href).resolve()
            if wanted.exists() or not wanted.parent.is_dir() or not wanted.is_relative_to(copy.resolve()):
                continue
            near = [each for each in wanted.parent.iterdir() if each.name.lower() == wanted.name.lower()]
            if near:
                shutil.copyfile(near[0], wanted)
