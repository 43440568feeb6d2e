//! buntime.jsonc: ranges kept for every value, environment, merge, validation, diagnostics, JSON schema.
