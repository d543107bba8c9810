"""The standard's element facts, against the models of fhir.resources."""

from __future__ import annotations

from importlib import import_module

import pytest

from connector.fhir.elements import codes_of, element, elements, is_resource, required_of, types

RESOURCES = sorted(name for name in types() if is_resource(name))


def test_the_facts_of_a_few_elements() -> None:
    gender = element("Patient", "gender")
    assert gender is not None
    assert gender.codes == {"male", "female", "other", "unknown"}
    assert not gender.many
    name = element("Patient", "name")
    assert name is not None
    assert name.many
    assert name.type == "HumanName"
    deceased = element("Patient", "deceasedDateTime")
    assert deceased is not None
    assert (deceased.type, deceased.choice) == ("dateTime", "deceased[x]")
    assert dict(required_of("DocumentReference")) == {"status": ("status",), "content": ("content",)}
    assert codes_of("document-reference-status") == {"current", "superseded", "entered-in-error"}


@pytest.mark.parametrize("name", RESOURCES)
def test_lists_and_names_agree_with_fhir_resources(name: str) -> None:
    model = getattr(import_module(f"fhir.resources.R4B.{name.lower()}"), name)
    fields = {field.alias or key: field for key, field in model.model_fields.items()}
    for found in elements(name).values():
        if found.name not in fields:
            continue  # R4B renamed or dropped a few elements of R4
        many = "List[" in str(fields[found.name].annotation) or "list[" in str(fields[found.name].annotation)
        assert many == found.many, f"{name}.{found.name}"
    unknown = {alias for alias in fields if not alias.startswith(("_", "fhir_"))} - elements(name).keys()
    assert len(unknown) <= 6, unknown


def test_an_element_of_a_primitive_holds_an_id_and_extensions() -> None:
    assert set(elements("Element")) == {"id", "extension"}


def test_an_unknown_type_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        elements("Patien")
