//! The messages that wait for one subscriber.
//!
//! Invariants:
//! - of a document at most one message is at work, and it is the one with the least number;
//! - a message that waits for another attempt holds up those of its document, and no others;
//! - what is due longest comes first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use super::message::Message;
use crate::journal::DocumentId;

#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: BTreeMap<u64, Waiting>,
    chains: HashMap<DocumentId, Chain>,
    /// The heads of the chains of which none is at work.
    due: BTreeSet<(Instant, u64)>,
    at_work: usize,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    due: Instant,
}

/// The messages about one document.
#[derive(Debug, Default)]
struct Chain {
    numbers: BTreeSet<u64>,
    is_at_work: bool,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn at_work(&self) -> usize {
        self.at_work
    }

    /// When the next message is due, of those whose turn it is.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = (&Message, Instant)> {
        self.messages
            .values()
            .map(|waiting| (&waiting.message, waiting.due))
    }

    pub(super) fn push(&mut self, message: Message, due: Instant) {
        let document = message.document.clone();
        let number = message.number;
        self.alter(&document, |queue, chain| {
            chain.numbers.insert(number);
            queue.messages.insert(number, Waiting { message, due });
        });
    }

    /// Takes the message whose turn it is, if one is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<Message> {
        let (due, number) = *self.due.first()?;
        if due > now {
            return None;
        }
        let message = self.messages.get(&number)?.message.clone();
        self.alter(&message.document.clone(), |queue, chain| {
            chain.is_at_work = true;
            queue.at_work += 1;
        });
        Some(message)
    }

    /// A message that was taken is done with. Answers whether it was there.
    pub(super) fn remove(&mut self, message: &Message) -> bool {
        let mut found = false;
        self.alter(&message.document, |queue, chain| {
            found = queue.messages.remove(&message.number).is_some();
            chain.numbers.remove(&message.number);
            queue.rest(chain);
        });
        found
    }

    /// A message that was taken is to be sent again. Answers whether it was there.
    pub(super) fn postpone(&mut self, message: &Message, attempts: u32, due: Instant) -> bool {
        let mut found = false;
        self.alter(&message.document, |queue, chain| {
            if let Some(waiting) = queue.messages.get_mut(&message.number) {
                waiting.message.attempts = attempts;
                waiting.due = due;
                found = true;
            }
            queue.rest(chain);
        });
        found
    }

    /// Everything that waits is due now.
    pub(super) fn hasten(&mut self, now: Instant) {
        let documents: Vec<DocumentId> = self.chains.keys().cloned().collect();
        for document in documents {
            self.alter(&document, |queue, chain| {
                for number in &chain.numbers {
                    if let Some(waiting) = queue.messages.get_mut(number) {
                        waiting.due = waiting.due.min(now);
                    }
                }
            });
        }
    }

    fn rest(&mut self, chain: &mut Chain) {
        if std::mem::take(&mut chain.is_at_work) {
            self.at_work -= 1;
        }
    }

    /// Changes the messages about a document, and puts its first one where it belongs.
    fn alter(&mut self, document: &DocumentId, change: impl FnOnce(&mut Self, &mut Chain)) {
        let mut chain = self.chains.remove(document).unwrap_or_default();
        if let Some(entry) = self.head(&chain) {
            self.due.remove(&entry);
        }
        change(self, &mut chain);
        if let Some(entry) = self.head(&chain).filter(|_| !chain.is_at_work) {
            self.due.insert(entry);
        }
        if !chain.numbers.is_empty() || chain.is_at_work {
            self.chains.insert(document.clone(), chain);
        }
    }

    fn head(&self, chain: &Chain) -> Option<(Instant, u64)> {
        let number = *chain.numbers.first()?;
        Some((self.messages.get(&number)?.due, number))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::message::Event;
    use super::*;

    fn message(number: u64, document: u8) -> Message {
        Message {
            number,
            id: u128::from(number),
            subscription: 1,
            document: DocumentId::new("c", document.to_string()),
            event: Event::Updated,
            at_micros: 0,
            attempts: 0,
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Take,
        Done(usize),
        Again(usize, u64),
        Hasten,
        Pass(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..4_u8).prop_map(Step::Push),
            4 => Just(Step::Take),
            2 => any::<usize>().prop_map(Step::Done),
            2 => (any::<usize>(), 0..9_u64).prop_map(|(which, wait)| Step::Again(which, wait)),
            1 => Just(Step::Hasten),
            2 => (0..5_u64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        #[test]
        fn each_document_is_told_of_in_order_and_no_message_is_lost_or_told_twice(
            steps in prop::collection::vec(step(), 0..80),
        ) {
            let begin = Instant::now();
            let mut now = begin;
            let (mut queue, mut next) = (Queue::default(), 0);
            let mut taken: Vec<Message> = Vec::new();
            let mut done: Vec<(DocumentId, u64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Push(document) => {
                        queue.push(message(next, document), now);
                        next += 1;
                    }
                    Step::Take => {
                        if let Some(message) = queue.take(now) {
                            let twice = taken.iter().any(|other| other.document == message.document);
                            prop_assert!(!twice, "two of a document at work");
                            taken.push(message);
                        }
                    }
                    Step::Done(which) if !taken.is_empty() => {
                        let message = taken.swap_remove(which % taken.len());
                        prop_assert!(queue.remove(&message));
                        done.push((message.document, message.number));
                    }
                    Step::Again(which, wait) if !taken.is_empty() => {
                        let message = taken.swap_remove(which % taken.len());
                        let due = now + Duration::from_secs(wait);
                        prop_assert!(queue.postpone(&message, message.attempts + 1, due));
                    }
                    Step::Hasten => queue.hasten(now),
                    Step::Pass(seconds) => now += Duration::from_secs(seconds),
                    Step::Done(_) | Step::Again(..) => {}
                }
                prop_assert_eq!(queue.at_work(), taken.len());
            }
            for message in taken {
                queue.postpone(&message, 1, now);
            }
            now += Duration::from_secs(100);
            while let Some(message) = queue.take(now) {
                queue.remove(&message);
                done.push((message.document, message.number));
            }
            prop_assert_eq!(queue.len(), 0);
            prop_assert_eq!((queue.chains.len(), queue.due.len(), queue.at_work()), (0, 0, 0));
            prop_assert_eq!(done.len() as u64, next);
            for (at, (document, number)) in done.iter().enumerate() {
                let later = done[at..].iter().filter(|(other, _)| other == document);
                prop_assert!(later.into_iter().all(|(_, other)| other >= number), "order of {document:?}");
            }
        }
    }

    #[test]
    fn a_message_that_waits_holds_up_its_document_only() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for (number, document) in [(0, 1), (1, 1), (2, 2)] {
            queue.push(message(number, document), now);
        }
        let first = queue.take(now).unwrap();
        queue.postpone(&first, 1, now + Duration::from_secs(60));
        assert_eq!(queue.take(now).map(|message| message.number), Some(2));
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.next_due(), Some(now + Duration::from_secs(60)));
        queue.hasten(now);
        let again = queue.take(now).unwrap();
        assert_eq!((again.number, again.attempts), (0, 1));
    }
}
