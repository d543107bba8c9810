"""The exchange profile (`application/vnd.monsisra.exchange+json`): its JSON, its schema, the rules of the five modes, and the advice which one to use."""
