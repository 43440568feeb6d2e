//! Values: V8's serialization read and written, and as JSON.

mod engines;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
mod keys;
#[cfg(feature = "json")]
mod shown;
mod structured;
mod trees;

/// The cells in code of the tables' rows of `VALUES.md`, from the second column on.
#[cfg(feature = "json")]
fn documented(columns: usize) -> Vec<Vec<String>> {
    let page = include_str!("../../VALUES.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() + 1 == columns);
    let cell = |cell: &str| Some(cell.trim_matches(['|', ' ']).strip_prefix('`')?.strip_suffix('`')?.to_owned());
    rows.filter_map(|row| row.split(" | ").skip(1).map(cell).collect::<Option<_>>()).collect()
}
