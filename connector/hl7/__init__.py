"""HL7 v2: frames, ER7 codec, a generic tree, datatypes, the paths of mappings, acknowledgements and batches."""
