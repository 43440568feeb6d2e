//! The plugin in the real executor: who is let in, what is answered, what an operator sees.

mod exchanges;
mod served;
mod settings;
