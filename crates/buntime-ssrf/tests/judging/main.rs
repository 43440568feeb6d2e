//! What is written is judged: each spelling, each name, each trick, and what the settings add.

mod lists;
mod properties;
mod spellings;

use buntime_ssrf::{Guard, Refused};

/// Why a URL is refused with the default rules.
fn refusal(url: &str) -> Refused {
    Guard::default().judge(url).expect_err(url)
}
