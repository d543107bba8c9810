"""Composes the formats: translate, explain, route, judge. Pure."""
