//! What a kind of exchange names: its request, response, chunk, message and error types. One executor serves all kinds.

use std::fmt;

use crate::{error::Error, options::FixedResponse};

/// The part of a request or response that hooks read and change, apart from its body.
pub trait Head: Clone + fmt::Debug + Send + Sync + 'static {
    /// Applies to `self` what `changed` differs in from `base`; lists (headers) are appended. How the changes of one
    /// hook of a parallel batch reach the exchange.
    fn merge(&mut self, base: &Self, changed: Self);
}

/// A request or response: a head that can be copied and a body that may not.
pub trait Carrier: Send + Sized + 'static {
    /// Its head.
    type Head: Head;

    /// Its head.
    fn head(&self) -> &Self::Head;

    /// Its head, to change.
    fn head_mut(&mut self) -> &mut Self::Head;

    /// A second one with the same head; the body moves into it when `with_body`, else it has none.
    fn fork(&mut self, with_body: bool) -> Self;

    /// Takes the body of `other`.
    fn take_body_from(&mut self, other: Self);

    /// A whole second one, for another attempt; `None` when the body can be read only once.
    fn copy(&self) -> Option<Self>;
}

/// A kind of exchange. A new kind needs only its types.
pub trait Kind: Sized + Send + Sync + 'static {
    /// Its name, as it stands in metrics and in the admin API.
    const NAME: &'static str;

    /// What is asked.
    type Request: Carrier;
    /// What is answered.
    type Response: Carrier;
    /// One streamed piece.
    type Chunk: Clone + fmt::Debug + Send + Sync + 'static;
    /// One message of an upgraded connection.
    type Message: Clone + fmt::Debug + Send + Sync + 'static;
    /// What it fails with. Errors of hooks arrive as [`Error`].
    type Error: From<Error> + AsRef<Error> + AsMut<Error> + fmt::Debug + Send + Sync + 'static;

    /// A response written in the configuration.
    fn fixed(response: &FixedResponse) -> Self::Response;

    /// The status that stands in metrics and logs.
    fn status(response: &Self::Response) -> u16;

    /// May another attempt be made after this error when the error itself does not say?
    fn falls_back(error: &Self::Error) -> bool;
}
