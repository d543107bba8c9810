"""Bytes to tree and back: separators, terminators, character sets, refusals with a place, limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.hl7.codec import ParseOptions, header, parse, serialise
from connector.hl7.message import Message
from connector.issues import Severity, worst

MSH = "MSH|^~\\&|APP|FAC|APP2|FAC2|20260115||ADT^A01^ADT_A01|77|T|2.5|||AL|NE|FRA|UNICODE UTF-8|||2.1^PROFILE"


def raw(*segments: str, msh: str = MSH, end: str = "\r") -> bytes:
    return (end.join((msh, *segments)) + end).encode()


def accepted(data: bytes, **options: object) -> Message:
    outcome = parse(data, options=ParseOptions(**options))  # type: ignore[arg-type]
    assert outcome.value is not None, outcome.issues
    return outcome.value


def refused(data: bytes, **options: object) -> tuple[str, dict[str, str]]:
    outcome = parse(data, options=ParseOptions(**options))  # type: ignore[arg-type]
    assert outcome.value is None
    assert worst(outcome.issues) >= Severity.ERROR
    return outcome.issues[-1].code, outcome.issues[-1].params


class TestSeparators:
    @pytest.mark.parametrize(
        ("msh", "first", "second"),
        [
            ("MSH|^~\\&|A^B&C|F", "A", "B"),
            ("MSH|^~\\&#|A^B&C|F", "A", "B"),
            ("MSH|~^\\&|A~B&C|F", "A", "B"),
            ("MSH@~&#\\@A~B\\C@F", "A", "B"),
        ],
    )
    def test_they_are_taken_as_declared(self, msh: str, first: str, second: str) -> None:
        tree = accepted(raw(msh=msh))
        assert (tree.get("MSH-3"), tree.get("MSH-3.2")) == (first, second)
        assert serialise(tree) == raw(msh=msh)

    @pytest.mark.parametrize(
        "data",
        [b"MSH|^^\\&|A\r", b"MSH|^~\\\\&|A\r", b"MSH|^~|A\r", b"MSH|^|A\r", b"MSH||A\r", b"MSH|^~\\&#!|A\r", b"MSH|^a\\&|A\r",
         b"MSHx^~\\&xA\r", b"MSH0^~\\&0A\r", b"MSH\r^~\\&\rA", b"MSH\x00^~\\&\x00A", b"MSH", b"MSH|", b"MSH|^~\\", b"MSH|0000|x"],
    )  # fmt: skip
    def test_what_cannot_be_used_is_refused_with_the_reason(self, data: bytes) -> None:
        code, params = refused(data)
        assert code == "SEPARATORS"
        assert params["expected"].startswith("MSH-")

    @pytest.mark.parametrize("tilde", ["˜".encode(), b"\x98"])
    def test_a_small_tilde_is_read_as_the_repetition_separator(self, tilde: bytes) -> None:
        data = b"MSH|^" + tilde + b"\\&|A\rPID|||1" + tilde + b"2\r"
        outcome = parse(data)
        assert outcome.value is not None
        assert [issue.code for issue in outcome.issues] == ["SEPARATOR_CORRUPT"]
        assert outcome.value.get("PID-3[2]") == "2"
        assert serialise(outcome.value) == data
        outcome.value.put("PID-8", "F")
        assert serialise(outcome.value) == b"MSH|^~\\&|A\rPID|||1~2|||||F\r"

    @pytest.mark.parametrize(
        "data",
        [b"", b"   ", b"\r\n", b"PID|1\r", b"<xml/>", b"FHS|^~\\&|A\r", b"\x16\x03\x01", b"\xff\xfeM\x00S\x00H\x00"],
    )
    def test_what_is_no_message_is_said(self, data: bytes) -> None:
        assert refused(data)[0] == "NOT_HL7"


class TestTerminators:
    @pytest.mark.parametrize(
        ("end", "found"),
        [("\r", None), ("\n", "LF"), ("\r\n", "CRLF"), ("\r\r", "CR CR"), ("  \r", "blanks")],
    )
    def test_every_kind_gives_the_same_tree_and_one_warning(self, end: str, found: str | None) -> None:
        data = raw("PID|||1", "PV1|1|I", end=end)
        outcome = parse(data)
        assert outcome.value is not None
        assert [segment.raw() for segment in outcome.value.segments] == [MSH, "PID|||1", "PV1|1|I"]
        assert [issue.params["found"] for issue in outcome.issues] == ([found] if found else [])
        assert serialise(outcome.value) == data

    def test_mixed_kinds_are_named(self) -> None:
        outcome = parse(f"{MSH}\nPID|1\r\nPV1|1\r".encode())
        assert [issue.params for issue in outcome.issues] == [{"found": "CRLF+LF"}]

    @pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "  \r"])
    def test_a_large_message_is_read_like_a_small_one(self, end: str) -> None:
        text = "x" * 100
        parts = [f"NTE|{number}||{text}" for number in range(900)]
        small, large = parse(raw(*parts[:3], end=end)), parse(raw(*parts, end=end))
        assert small.value is not None
        assert large.value is not None
        assert [segment.raw() for segment in large.value.segments[:4]] == [s.raw() for s in small.value.segments]
        assert len(large.value.segments) == 901
        assert [issue.params for issue in large.issues] == [issue.params for issue in small.issues]

    def test_marks_of_a_frame_and_a_byte_order_mark_are_no_content(self) -> None:
        outcome = parse(b"\xef\xbb\xbf\x0b" + raw("PID|||Zoë", msh="MSH|^~\\&|A") + b"\x1c\r")
        assert outcome.value is not None
        assert [issue.code for issue in outcome.issues] == ["BOM_REMOVED"]
        assert outcome.value.get("PID-3") == "Zoë"
        assert outcome.value.get("MSH-3") == "A"


class TestCharset:
    def test_the_text_is_decoded_as_declared_and_written_back_so(self) -> None:
        msh = MSH.replace("UNICODE UTF-8", "8859/15")
        tree = accepted("\r".join((msh, "PID|||12€")).encode("iso8859-15"))
        assert tree.get("PID-3") == "12€"
        assert tree.charset == "8859/15"
        tree.put("PID-8", "F")
        assert serialise(tree) == "\r".join((msh, "PID|||12€|||||F", "")).encode("iso8859-15")

    def test_a_text_without_place_in_the_set_is_not_written(self) -> None:
        tree = accepted(raw("PID|||1", msh=MSH.replace("UNICODE UTF-8", "8859/1")))
        tree.put("PID-5", "Œuvre")
        with pytest.raises(ValueError, match=r"PID\[1\]"):
            serialise(tree)

    @pytest.mark.parametrize("large", [False, True])
    def test_the_offset_of_a_contradiction_is_that_of_the_received_bytes(self, large: bool) -> None:
        data = raw(*["NTE|1||" + "x" * 100] * (900 if large else 1)) + b"PID|||caf\xe9\r"
        assert refused(data) == ("CHARSET_CONFLICT", {"offset": str(data.index(b"\xe9"))})

    def test_a_rule_for_the_sender_is_followed(self) -> None:
        data = raw("PID|||1").replace(b"UNICODE UTF-8", b"") + b"NTE|||caf\xe9 \x96\r"
        assert refused(data)[0] == "CHARSET_CONFLICT"
        assert accepted(data, charset="windows-1252").get("NTE-3") == "café –"
        assert refused(data, default_charset="8859/1")[0] == "CHARSET_WINDOWS"


class TestRefusals:
    @pytest.mark.parametrize("character", [*range(1, 9), 11, 12, *range(14, 28), *range(29, 32), 127, 0])
    def test_a_control_character_is_refused_with_its_offset(self, character: int) -> None:
        data = raw("PID|||A") + b"NTE|||a" + bytes([character]) + b"b\r"
        assert refused(data) == ("CONTROL_CHARACTER", {"offset": str(data.rindex(b"a") + 1)})

    @pytest.mark.parametrize("character", [b"\x00", b"\x07"])
    def test_it_is_refused_in_a_large_message_and_in_a_large_text_too(self, character: bytes) -> None:
        filler = b"NTE|||" + b"y" * 70_000 + b"\r"
        for data in (
            raw() + filler + b"PID|||" + character + b"\r",
            raw() + filler.replace(b"yyy\r", b"y" + character + b"y\r"),
        ):
            assert refused(data) == ("CONTROL_CHARACTER", {"offset": str(data.index(character))})

    @pytest.mark.parametrize("name", ["pid", "PID ", "P1D", "PI", "PIDX", "P-D", "|PID", "1PI"])
    def test_a_segment_name_is_not_guessed(self, name: str) -> None:
        assert refused(raw(f"{name}|1||2")) == ("SEGMENT_NAME", {"number": "2"})

    def test_a_rule_for_the_sender_gives_the_right_name(self) -> None:
        tree = accepted(raw("PID |||1"), names={"PID ": "PID"})
        assert tree.get("PID-3") == "1"
        tree.put("PID-8", "F")
        assert serialise(tree) == raw("PID|||1|||||F")

    def test_a_continued_line_needs_a_rule(self) -> None:
        data = raw("OBX|1|TX|A||first", "second", "PID|||1")
        assert refused(data) == ("SEGMENT_NAME", {"number": "3"})
        tree = accepted(data, continuation=True)
        assert tree.get("OBX-5") == "first\nsecond"
        assert serialise(tree) == data
        tree.put("OBX-11", "F")
        assert serialise(tree) == raw("OBX|1|TX|A||first\\.br\\second||||||F", "PID|||1")

    def test_wrapped_base64_in_a_large_message_is_joined_in_linear_time(self) -> None:
        lines = ["QUJD" * 19] * 3000
        tree = accepted(
            raw("OBX|1|ED|A||^text^XML^Base64^" + "\r".join(lines) + "||||||F", "PID|||1"), continuation=True
        )
        assert len(tree.segments) == 3
        assert tree.get("OBX-11") == "F"
        assert tree.get("PID-3") == "1"

    def test_a_second_header_is_never_dropped_silently(self) -> None:
        outcome = parse(raw("PID|||1", MSH))
        assert [(issue.code, issue.place.path) for issue in outcome.issues] == [("SEGMENT_TWICE", "MSH[2]")]
        assert not outcome.accepted

    @pytest.mark.parametrize(
        ("segment", "what"),
        [("PID" + "|x" * 1001, "fields"), ("PID|||" + "1~" * 5000, "repetitions")],
    )
    def test_limits_are_said(self, segment: str, what: str) -> None:
        code, params = refused(raw(segment))
        assert (code, params["what"]) == ("TOO_MANY", what)
        assert refused(raw(segment, *["NTE|||" + "x" * 1000] * 70))[0] == "TOO_MANY"
        assert accepted(raw(segment), max_fields=30_000, max_repetitions=10_000).first("PID") is not None

    def test_too_many_segments(self) -> None:
        assert refused(raw(*["NTE|1"] * 30), max_segments=30)[1]["what"] == "segments"
        assert refused(raw(*["OBX|1|ST|||x"] * 25_000))[1]["what"] == "segments"
        assert len(accepted(raw(*["OBX|1|ST|||x"] * 10_000)).segments) == 10_001

    def test_escapes_without_meaning_are_a_warning_with_the_segment(self) -> None:
        outcome = parse(raw("PID|||a\\F\\b", "NTE|||4\\5", "NTE|||\\Zx\\"))
        assert [(issue.code, issue.place.path) for issue in outcome.issues] == [
            ("ESCAPE_UNKNOWN", "NTE[1]"),
            ("ESCAPE_UNKNOWN", "NTE[2]"),
        ]
        assert outcome.accepted


class TestHeader:
    def test_it_is_read_without_the_rest(self) -> None:
        found = header(raw("whatever \x00"))
        assert found.sender == "APP|FAC"
        assert (found.type, found.event, found.structure, found.control_id) == ("ADT", "A01", "ADT_A01", "77")
        assert (found.version, found.accept_ack, found.application_ack) == ("2.5", "AL", "NE")
        assert (found.charset, found.profile, found.country) == ("UNICODE UTF-8", "PROFILE", "FRA")

    @pytest.mark.parametrize("data", [b"", b"MSH", b"PID|1", b"MSH|^^^^|x", b"\x00\xff", b"MSH|^~\\&|\xe9"])
    def test_it_never_raises(self, data: bytes) -> None:
        header(data)

    def test_text_that_is_no_utf_8_is_still_read(self) -> None:
        assert header(b"MSH|^~\\&|CAF\xc9|F||||||||\r").sender == "CAFÉ|F"


@pytest.mark.shared
def test_every_sample_is_a_tree_with_exact_round_trip_or_a_refusal_with_a_reason(shared: Path) -> None:
    trees = 0
    for path in sorted((shared / "corpus" / "hl7v2").iterdir()):
        data = path.read_bytes()
        header(data)
        outcome = parse(data)
        if outcome.value is None:
            assert worst(outcome.issues) >= Severity.ERROR, path.name
            continue
        trees += 1
        tree = outcome.value
        for segment in tree.segments:
            for number in range(1, len(segment) + 1):
                segment.text(number)
        assert serialise(tree) == data, path.name
        tree.received = None
        again = parse(serialise(tree)).value
        assert again is not None, path.name
        assert [segment.raw() for segment in again.segments] == [segment.raw() for segment in tree.segments], path.name
    assert trees >= 85


class TestEmbedded:
    DATA = "QUJD" * 8000

    def obx(self, data: str, kind: str = "ED", number: int = 1) -> str:
        return f"OBX|{number}|{kind}|A^B^LN||APP^text^XML^Base64^{data}||||||F"

    def test_two_large_documents_stay_in_the_received_bytes(self) -> None:
        data = raw(self.obx(self.DATA), "PRT||UC", self.obx(self.DATA + "QQ==", number=2), "NTE|1||é")
        tree = accepted(data)
        first, second = tree.all("OBX")
        for obx, size in ((first, 32_000), (second, 32_004)):
            payload = obx.field(5)[0].payload(5)
            assert isinstance(payload, memoryview)
            assert payload.obj is data
            assert len(payload) == size
            assert (obx.text(5), obx.text(5, 4), obx.text(11), len(obx)) == ("APP", "Base64", "F", 11)
        assert tree.get("NTE-3") == "é"
        assert serialise(tree) is data

    @pytest.mark.parametrize("end", ["\n", "\r\n", "  \r"])
    def test_the_terminator_does_not_matter(self, end: str) -> None:
        data = raw(self.obx(self.DATA), "PID|||1", end=end)
        tree = accepted(data)
        assert tree.get("OBX-11") == "F"
        assert len(tree.first("OBX").field(5)[0].payload(5)) == 32_000  # type: ignore[union-attr]
        tree.put("PID-8", "M")
        assert serialise(tree) == raw(self.obx(self.DATA), "PID|||1|||||M")

    def test_the_last_field_of_the_last_segment_may_be_the_large_one(self) -> None:
        tree = accepted(raw(f"OBX|1|ED|A||^text^XML^Base64^{self.DATA}").rstrip(b"\r"))
        assert len(tree.first("OBX").field(5)[0].payload(5)) == 32_000  # type: ignore[union-attr]

    def test_a_large_text_is_text(self) -> None:
        tree = accepted(raw("OBX|1|TX|A||" + "é\\F\\" * 9000 + "||||||F"))
        assert tree.get("OBX-5") == "é|" * 9000
        assert refused(raw("OBX|1|TX|A||" + "x" * 40_000 + "\x01"))[0] == "CONTROL_CHARACTER"

    def test_large_data_that_goes_on_in_other_lines_are_one_field(self) -> None:
        tree = accepted(raw(self.obx(self.DATA).removesuffix("||||||F"), "QUJD||||||F", "PID|||1"), continuation=True)
        assert tree.get("OBX-11") == "F"
        assert bytes(tree.first("OBX").field(5)[0].payload(5)) == self.DATA.encode() + b"\nQUJD"  # type: ignore[union-attr]

    def test_offsets_behind_a_document_are_those_of_the_received_bytes(self) -> None:
        data = raw(self.obx(self.DATA)) + b"NTE|1||\x07\r"
        assert refused(data) == ("CONTROL_CHARACTER", {"offset": str(data.index(b"\x07"))})
