"""Narrative for people: everything that is said is shown, nothing of the document acts."""

from __future__ import annotations

import pytest
from lxml import etree

from connector.cda.rendering import as_html, as_text


def text(inner: str, around: str = "") -> etree._Element:
    root = etree.fromstring(
        f'<section xmlns="urn:hl7-org:v3" xmlns:h="http://www.w3.org/1999/xhtml"><text>{inner}</text>{around}</section>'
    )
    return root[0]


@pytest.mark.parametrize(
    ("inner", "html", "plain"),
    [
        ("a &lt;b&gt; &amp; c", "a &lt;b&gt; &amp; c", "a <b> & c"),
        ("<paragraph>un</paragraph><paragraph>deux</paragraph>", "<p>un</p><p>deux</p>", "un\ndeux"),
        ('<list listType="ordered"><item>x</item><item>y</item></list>', "<ol><li>x</li><li>y</li></ol>", "• x\n• y"),
        ("<list><item>x</item></list>", "<ul><li>x</li></ul>", "• x"),
        ('<content styleCode="Bold xFoo" ID="a1">x</content>', '<span class="b" id="n-a1">x</span>', "x"),
        (
            '<table border="1"><tbody><tr><td colspan="2">1</td><td>2</td></tr></tbody></table>',
            '<table><tbody><tr><td colspan="2">1</td><td>2</td></tr></tbody></table>',
            "1 | 2",
        ),
        ("x<br/>y", "x<br>y", "x\ny"),
        ("H<sub>2</sub>O", "H<sub>2</sub>O", "H2O"),
    ],
)
def test_what_is_said_is_shown(inner: str, html: str, plain: str) -> None:
    assert as_html(text(inner)) == html
    assert as_text(text(inner)) == plain


@pytest.mark.parametrize(
    "inner",
    [
        "<h:script>alert(1)</h:script>",
        '<h:img src="http://example.test/x" onerror="alert(1)"/>',
        '<linkHtml href="javascript:alert(1)">x</linkHtml>',
        '<content onclick="alert(1)" style="background:url(http://example.test)">x</content>',
        '<content ID="&quot; onload=&quot;x">x</content>',
        '<content ID="x y">x</content>',
        '<td colspan="1&quot; onload=&quot;x">x</td>',
        '<renderMultiMedia referencedObject="m"/>',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
    ],
)
def test_nothing_of_the_document_acts(inner: str) -> None:
    svg = '<entry><observationMedia ID="m"><value mediaType="image/svg+xml">PHN2Zy8+</value></observationMedia></entry>'
    html = as_html(text(inner, svg))
    for forbidden in ("<script", "<img", "javascript:", "onerror", "onclick", "onload", "http://", "style=", "href"):
        assert forbidden not in html


def test_a_picture_is_drawn_when_it_is_one_and_named_when_not() -> None:
    media = '<entry><observationMedia ID="m"><value mediaType="image/png">{}</value></observationMedia></entry>'
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    link = '<renderMultiMedia referencedObject="m"/>'
    assert 'src="data:image/png;base64,iVBOR' in as_html(text(link, media.format(png)))
    assert as_html(text(link, media.format("PHNjcmlwdD4="))) == "<em>[image/png]</em>"
    assert as_html(text(link)) == ""
