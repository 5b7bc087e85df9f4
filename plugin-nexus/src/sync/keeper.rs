//! The journal's housekeeper: a thread that writes it out every interval, and has it looked after.
//!
//! It runs from the opening on, before lanes do, and ends after them: a storage that fails at any time in between is
//! got back.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::context::Context;
use crate::journal::Upkeep;
use crate::kill_point::kill_point;

/// How often the journal is looked after while all is well.
const LOOK: Duration = Duration::from_secs(5);
/// How soon after a fault.
const SOON: Duration = Duration::from_millis(200);

/// The thread; see the [module](self).
#[derive(Debug)]
pub(super) struct Keeper {
    stop: Arc<(Mutex<bool>, Condvar)>,
    join: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    pub(super) fn start(context: Arc<Context>) -> io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let told = Arc::clone(&stop);
        let join = thread::Builder::new()
            .name("nexus-journal".into())
            .spawn(move || keep(&context, &told))?;
        Ok(Self {
            stop,
            join: Mutex::new(Some(join)),
        })
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(join) = self.join.lock().take()
            && join.join().is_err()
        {
            tracing::error!(
                "the journal's thread panicked; what it did not write the next start finds again"
            );
        }
    }
}

fn keep(context: &Context, stop: &(Mutex<bool>, Condvar)) {
    let interval = Duration::from_millis(context.config().sync.flush_interval_ms);
    let mut look = Instant::now() + LOOK;
    let mut failing = false;
    let mut stopped = stop.0.lock();
    while !*stopped {
        stop.1.wait_for(&mut stopped, interval);
        parking_lot::MutexGuard::unlocked(&mut stopped, || {
            let journal = &context.journal;
            kill_point("flush");
            // A failure is told in the log by the journal; what follows gets the storage back.
            let failed = journal.flush_interval().is_err() || journal.has_failed();
            kill_point("flushed");
            if failed && !failing {
                failing = true;
                look = look.min(Instant::now() + SOON);
            }
            if Instant::now() >= look {
                let wait = match journal.upkeep() {
                    Upkeep::Failed(wait) => wait,
                    Upkeep::Idle | Upkeep::Reopened | Upkeep::Rewritten => {
                        failing = false;
                        LOOK
                    }
                };
                look = Instant::now() + wait;
            }
        });
    }
}
