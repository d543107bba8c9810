"""The two-way mapping language; it knows no format."""
