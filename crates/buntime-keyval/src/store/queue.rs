//! Queues. A remote store needs the REST face for all but what [`Store::commit`] puts into the default queue.

use std::time::Duration;

use futures_util::{Stream, TryStreamExt, stream};

use super::{Store, either};
use crate::{Delivery, Failure, Message, QueueStats, Result};

/// The queues of a store.
impl Store {
    /// Puts a message into its queue; returns its id, or that of the message that has its deduplication key already.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn enqueue(&self, message: Message) -> Result<String> {
        either!(self, it => it.enqueue(message).await.map(|(id, _)| id), it.enqueue(&message).await)
    }

    /// Puts messages into their queues, all or none; returns their ids.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn enqueue_all(&self, messages: Vec<Message>) -> Result<Vec<String>> {
        either!(self, it => it.enqueue_all(messages).await, it.enqueue_all(&messages).await)
    }

    /// Waits for messages, at most so many and at least one, and leases them for so long.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn receive(&self, queue: &str, most: usize, lease: Duration) -> Result<Vec<Delivery>> {
        either!(self, it => it.receive(queue, most, lease).await, it.receive(queue, most, lease).await)
    }

    /// Messages as they come, at most so many leased at a time. Each is to be finished, failed or extended by its
    /// lease, or it comes again when that has ended. An error is the last item.
    pub fn messages(
        &self,
        queue: &str,
        most: usize,
        lease: Duration,
    ) -> impl Stream<Item = Result<Delivery>> + Send + use<> {
        let of = (self.clone(), queue.to_owned());
        let batches = stream::try_unfold(of, move |(store, queue)| async move {
            let got = store.receive(&queue, most, lease).await?;
            Ok::<_, crate::Error>(Some((stream::iter(got.into_iter().map(Ok)), (store, queue))))
        });
        batches.try_flatten()
    }

    /// Finishes messages: they are gone. Says of each whether it was still the consumer's.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn finish(&self, deliveries: &[Delivery]) -> Result<Vec<bool>> {
        let pairs: Vec<(&str, Option<&str>)> =
            deliveries.iter().map(|one| (one.id.as_str(), Some(one.lease.as_str()))).collect();
        either!(self, it => it.finish(&pairs).await, it.finish(&pairs).await)
    }

    /// Gives a message back: it is tried again later, or is dead if that was its last try. `false`: it was not the
    /// consumer's any more.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn fail(&self, delivery: &Delivery, failure: Failure) -> Result<bool> {
        either!(
            self,
            it => it.fail(&delivery.id, Some(&delivery.lease), failure).await,
            it.fail(&delivery.id, &delivery.lease, &failure).await
        )
    }

    /// Keeps a message for that long from now. `false`: it was not the consumer's any more.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn extend(&self, delivery: &Delivery, by: Duration) -> Result<bool> {
        either!(
            self,
            it => it.extend(&delivery.id, &delivery.lease, by).await,
            it.extend(&delivery.id, &delivery.lease, by).await
        )
    }

    /// What each queue holds, by name.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn queues(&self) -> Result<Vec<QueueStats>> {
        either!(self, it => it.queues().await, it.queues().await)
    }

    /// What one queue holds; nothing, if nobody put anything into it.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn queue_stats(&self, queue: &str) -> Result<QueueStats> {
        either!(self, it => it.queue_stats(queue).await, it.queue_stats(queue).await)
    }
}
