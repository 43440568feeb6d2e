//! Fakes, the plugin compliance suite and TestRuntime: a development dependency only.
