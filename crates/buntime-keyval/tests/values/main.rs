//! Values: V8's serialization read and written, and as JSON.

mod engines;
mod structured;
mod trees;
