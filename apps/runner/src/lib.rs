//! The Buntime gateway: one binary in which everything is a plugin.
