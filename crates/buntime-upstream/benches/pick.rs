//! What choosing a target costs.

fn main() {}
