"""PDF/A-1b pages that the connector makes itself, and what a PDF that was given claims to be. A given PDF is never altered."""
