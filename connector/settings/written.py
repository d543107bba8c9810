"""What stands in the documents that the connector makes itself, where the exchange does not say it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["WrittenDocuments"]


class WrittenDocuments(BaseModel):
    """Documents made from what is written on MonSisra (CDA): who keeps them, in which setting, of which type a text is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text_type: str = Field(
        default="51851-4",
        description="Type code (JDV_J07) of a document made from a text alone; the default is an administrative document.",
    )
    custodian: str = Field(
        default="",
        pattern=r"([0-9A-Z]{9,20})?$",
        description="Number of the organisation that keeps the documents (FINESS, or Struct_IdNat with its prefix); by default the author's own organisation, else the site by its name alone.",
    )
    custodian_name: str = Field(default="", description="Its name.")
    sector: str = Field(
        default="SNR",
        description="Sector of activity (JDV_J04) of an author whose organisation does not say it; the default is « service numérique référencé ».",
    )
    facility: str = Field(
        default="SNR",
        description="Kind of facility (JDV_J02) where the exchange does not say it; the default as above.",
    )
