//! Measuring: counters that threads do not share, histograms of them, and the Prometheus text they are shown as.
//!
//! What a plugin measures of itself it registers with [`Startup::measure`](buntime_core::Startup::measure), as
//! [`Family`](buntime_core::measure::Family)s; who shows them all renders them with [`Text::render`].

pub mod cells;
pub mod text;

pub use self::{
    cells::{Bounds, Cells, Histogram},
    text::Text,
};
pub use buntime_core::measure::Type;
