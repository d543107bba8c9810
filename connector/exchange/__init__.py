"""The canonical model: what was said, in nobody's wire format, and the rules that hold whatever the format."""
