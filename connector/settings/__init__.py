"""Settings of a site: one strict YAML file and `CONNECTOR_*` variables over it, read once, every mistake at once.

This package is the only reader of the environment and of configuration files. A secret is never written in the file: a value
that is one says where it is kept, `env:NAME` or `file:PATH`.
"""

from connector.settings.load import SettingsError, SettingsErrors, json_schema, load_settings, settings_from, variable
from connector.settings.models import (
    DestinationSettings,
    Duplicates,
    Http,
    Identity,
    PatientServer,
    ReceiverSettings,
    Retrying,
    Route,
    Settings,
    When,
)
from connector.settings.references import SecretReference, SecretUnavailable, secret
from connector.settings.shipped import LibraryFiles, find_library

__all__ = [
    "DestinationSettings",
    "Duplicates",
    "Http",
    "Identity",
    "LibraryFiles",
    "PatientServer",
    "ReceiverSettings",
    "Retrying",
    "Route",
    "SecretReference",
    "SecretUnavailable",
    "Settings",
    "SettingsError",
    "SettingsErrors",
    "When",
    "find_library",
    "json_schema",
    "load_settings",
    "secret",
    "settings_from",
    "variable",
]
