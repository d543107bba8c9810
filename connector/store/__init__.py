"""One store is journal, queue and index; nothing above it sees SQL."""
