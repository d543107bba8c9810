"""The narrative of a section: StrucDoc as XHTML and back, a closed list on either side."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from connector.cda.strucdoc import read_narrative, words, write_narrative
from connector.fhir.xhtml import is_safe

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def strucdoc(inside: str) -> Any:
    return etree.fromstring(f'<text xmlns="urn:hl7-org:v3">{inside}</text>')


def as_xhtml(inside: str) -> str:
    made = read_narrative(strucdoc(inside), {})
    assert is_safe(made)
    return made.removeprefix(DIV[:42]).removesuffix("</div>")


#: StrucDoc ↔ XHTML.
PAIRS = [
    ("Bonjour à &lt;tous&gt; &amp; merci", "Bonjour à &lt;tous&gt; &amp; merci"),
    ("<paragraph>un<br/>deux</paragraph>", "<p>un<br/>deux</p>"),
    ('<content ID="a" styleCode="Bold xRed">un</content> deux', '<span id="a" class="Bold xRed">un</span> deux'),
    ("<list><item>a</item><item>b</item></list>", "<ul><li>a</li><li>b</li></ul>"),
    ('<list listType="ordered"><item>a</item></list>', "<ol><li>a</li></ol>"),
    (
        ('<table border="1" width="100%"><caption>T</caption><thead><tr><th align="left">H</th></tr></thead>'
        '<tbody><tr ID="r"><td colspan="2" styleCode="Rrule">a<sub>1</sub><sup>2</sup></td></tr></tbody></table>'),
        ('<table border="1" width="100%"><caption>T</caption><thead><tr><th align="left">H</th></tr></thead>'
        '<tbody><tr id="r"><td class="Rrule" colspan="2">a<sub>1</sub><sup>2</sup></td></tr></tbody></table>'),
    ),
    ('<renderMultiMedia referencedObject="IMG1"></renderMultiMedia>', '<span class="renderMultiMedia" title="IMG1">[IMG1]</span>'),
    ('<linkHtml href="https://example.org/?a=1&amp;b=2">lien</linkHtml>', '<span class="linkHtml" title="https://example.org/?a=1&amp;b=2">lien</span>'),
    ('<footnote ID="n1">note</footnote><footnoteRef IDREF="n1"></footnoteRef>', '<span id="n1" class="footnote">note</span><span class="footnoteRef" title="n1"></span>'),
]  # fmt: skip


@pytest.mark.parametrize(("cda", "xhtml"), PAIRS)
def test_both_say_the_same(cda: str, xhtml: str) -> None:
    assert as_xhtml(cda) == xhtml
    inside = write_narrative(DIV.format(xhtml), 1, set()).inside
    assert as_xhtml(inside) == xhtml
    assert etree.canonicalize(f"<t>{inside}</t>") == etree.canonicalize(f"<t>{cda}</t>")


@pytest.mark.parametrize(
    ("cda", "xhtml"),
    [
        ("<script>alert(1)</script>", "alert(1)"),
        ('<paragraph onclick="x()" style="background:url(http://a)">a</paragraph>', "<p>a</p>"),
        ('<content ID="a b" styleCode="&quot;&gt;x ok">c</content>', '<span class="ok">c</span>'),
        ('<td colspan="javascript:1" align="x y">c</td>', "<td>c</td>"),
        ('<x xmlns="urn:other"><paragraph xmlns="urn:hl7-org:v3">in</paragraph></x>', "<p>in</p>"),
        ("  a \n\t b  ", " a b "),
        ("<table> <tbody> <tr> <td> a </td> </tr> </tbody> </table>", "<table><tbody><tr><td> a </td></tr></tbody></table>"),
    ],
)  # fmt: skip
def test_nothing_that_acts_or_is_fetched_reaches_the_xhtml(cda: str, xhtml: str) -> None:
    assert as_xhtml(cda) == xhtml


@pytest.mark.parametrize(
    ("xhtml", "cda"),
    [
        ("<h1>Titre</h1>", '<paragraph styleCode="Bold">Titre</paragraph>'),
        ("<b>a</b><i>b</i><u>c</u>", '<content styleCode="Bold">a</content><content styleCode="Italics">b</content><content styleCode="Underline">c</content>'),
        ("<div>a</div>", "<paragraph>a</paragraph>"),
        ("<div><p>a</p></div>", "<paragraph>a</paragraph>"),
        ("<span><p>a</p></span>", "<content><br/>a</content>"),
        ("<p>a<ul><li>b</li></ul></p>", "<paragraph>a<br/><br/>b</paragraph>"),
        ('<img src="http://example.org/x.png" alt="photo"/>', "photo"),
        ('<a href="http://example.org">site</a>', "site"),
        ("<dl><dt>a</dt><dd>b</dd></dl>", "<list><item>a</item><item>b</item></list>"),
        ("<pre>a</pre><hr/>", "<paragraph>a</paragraph><br/>"),
        ("<script>x</script>", "x"),
    ],
)  # fmt: skip
def test_what_only_xhtml_has_becomes_what_the_schema_takes(xhtml: str, cda: str) -> None:
    assert str(write_narrative(DIV.format(xhtml), 1, set()).inside) == cda


def test_ids_are_found_by_their_words_and_stand_once() -> None:
    ids: dict[str, Any] = {}
    read_narrative(strucdoc('<content ID="a">un <content>deux</content></content><content ID="a">trois</content>'), ids)
    assert words(ids["a"]) == "un deux"
    made = write_narrative(DIV.format('<p id="a">un <b>deux</b></p><p id="a">trois</p>'), 4, {"z"})
    assert (made.id, made.ids) == ("narrative-4", {"un deux": "a"})
    assert write_narrative('<div xmlns="http://www.w3.org/1999/xhtml" id="z"/>', 5, {"z"}).id == "narrative-5"


@pytest.mark.parametrize("text", ["<div><p>", "", "texte", '<!DOCTYPE a [<!ENTITY x "y">]><div>&x;</div>'])
def test_what_is_not_one_well_formed_div_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="well-formed"):
        write_narrative(text, 1, set())
