//! A question to a plugin, which may be late with its answer or never give one.
//!
//! Invariants:
//! - Whoever waits does so for [`PATIENCE`] at the longest, counted from when the plugin was asked.
//! - A plugin is asked again only after it answered: it holds up one thread for each question, however often it is put.
//! - Those who ask while it answers share the answer, so that none of them takes a prompt plugin for a late one.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How long a plugin has to answer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// The answer did not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

/// One question that is put again and again.
#[derive(Debug)]
pub(crate) struct Question<T> {
    state: Mutex<State<T>>,
    answered: Condvar,
}

#[derive(Debug)]
struct State<T> {
    /// When it was put, while the answer is owed.
    asked: Option<Instant>,
    /// Answers so far.
    answers: u64,
    latest: Option<T>,
}

impl<T> Default for Question<T> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                asked: None,
                answers: 0,
                latest: None,
            }),
            answered: Condvar::new(),
        }
    }
}

impl<T: Clone + Send + 'static> Question<T> {
    /// Puts the question on a thread named `thread`, unless an answer to it is owed.
    pub(crate) fn put(
        self: &Arc<Self>,
        thread: &str,
        ask: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<T> {
        let mut state = self.state.lock();
        let now = Instant::now();
        let asked = state.asked.unwrap_or(now);
        let pending = Pending {
            question: Arc::clone(self),
            after: state.answers,
            deadline: asked + PATIENCE,
        };
        if state.asked.is_none() {
            let question = Arc::clone(self);
            let asking = thread::Builder::new().name(thread.to_owned()).spawn(move || {
                let owed = Owed(&question);
                let answer = ask();
                std::mem::forget(owed);
                question.answer(answer);
            });
            // Without a thread nobody is asked, and the next one may try at once.
            state.asked = asking.is_ok().then_some(now);
        }
        pending
    }

    fn answer(&self, answer: T) {
        let mut state = self.state.lock();
        state.asked = None;
        state.answers += 1;
        state.latest = Some(answer);
        self.answered.notify_all();
    }
}

/// Given up where the one who was to answer panicked: the next one may ask anew.
struct Owed<'a, T>(&'a Question<T>);

impl<T> Drop for Owed<'_, T> {
    fn drop(&mut self) {
        self.0.state.lock().asked = None;
        self.0.answered.notify_all();
    }
}

/// An answer to come.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    question: Arc<Question<T>>,
    after: u64,
    deadline: Instant,
}

impl<T: Clone> Pending<T> {
    /// Waits for the answer, as long as there is patience.
    pub(crate) fn wait(self) -> Result<T, Late> {
        let mut state = self.question.state.lock();
        while state.answers <= self.after {
            if state.asked.is_none() {
                return Err(Late);
            }
            let waited = self.question.answered.wait_until(&mut state, self.deadline);
            if waited.timed_out() && state.answers <= self.after {
                return Err(Late);
            }
        }
        state.latest.clone().ok_or(Late)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn each_question_gets_an_answer_of_its_own() {
        let question = Arc::new(Question::default());
        for n in 0..3 {
            assert_eq!(question.put("asked", move || n).wait(), Ok(n));
        }
    }

    #[test]
    fn one_that_is_late_is_not_asked_again_before_it_answered() {
        let question = Arc::new(Question::default());
        let asked = Arc::new(AtomicUsize::new(0));
        let (go_on, wait) = mpsc::channel::<()>();
        let begun = Instant::now();
        let count = Arc::clone(&asked);
        let first = question.put("asked", move || {
            count.fetch_add(1, Ordering::Relaxed);
            wait.recv().unwrap();
            1
        });
        assert_eq!(first.wait(), Err(Late));
        let count = Arc::clone(&asked);
        let again = question.put("asked", move || {
            count.fetch_add(1, Ordering::Relaxed);
            2
        });
        let waited = Instant::now();
        assert_eq!(again.wait(), Err(Late));
        assert!(waited.elapsed() < PATIENCE / 2, "its patience is used up already");
        assert!(begun.elapsed() < PATIENCE * 4);
        assert_eq!(asked.load(Ordering::Relaxed), 1);

        go_on.send(()).unwrap();
        while question.state.lock().asked.is_some() {
            thread::yield_now();
        }
        assert_eq!(question.put("asked", || 3).wait(), Ok(3));
    }

    #[test]
    fn a_panic_is_no_answer_and_the_next_one_asks_anew() {
        let question: Arc<Question<u8>> = Arc::default();
        assert_eq!(question.put("asked", || panic!("on purpose")).wait(), Err(Late));
        assert_eq!(question.put("asked", || 2).wait(), Ok(2));
    }

    #[test]
    fn those_who_ask_at_the_same_time_share_the_answer() {
        let question = Arc::new(Question::default());
        let (go_on, wait) = mpsc::channel::<()>();
        let first = question.put("asked", move || {
            wait.recv().unwrap();
            "shared"
        });
        let others: Vec<_> = (0..8).map(|_| question.put("asked", || "another")).collect();
        go_on.send(()).unwrap();
        assert_eq!(first.wait(), Ok("shared"));
        for other in others {
            assert_eq!(other.wait(), Ok("shared"));
        }
    }
}
