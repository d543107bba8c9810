"""HPRIM Médecin, the text in which letters and results reach the software of general practitioners. Pure."""
