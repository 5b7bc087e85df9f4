//! Points at which a test lets the process die, to prove that nothing is lost by it.
//!
//! Only in builds with debug assertions, and only where `VECTORIZER_NEXUS_KILL_AT` names one: `send:3` ends the process, as a
//! crash would, when the point `send` is reached for the third time. A release build contains none of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

const VARIABLE: &str = "VECTORIZER_NEXUS_KILL_AT";

struct Target {
    point: String,
    left: AtomicU32,
}

static TARGET: OnceLock<Option<Target>> = OnceLock::new();

/// The process may die here.
#[inline]
pub(crate) fn kill_point(point: &str) {
    if cfg!(debug_assertions) {
        reach(point);
    }
}

fn reach(point: &str) {
    let target = TARGET.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (point, times) = text.split_once(':')?;
        Some(Target {
            point: point.to_owned(),
            left: AtomicU32::new(times.parse().ok()?),
        })
    });
    if let Some(target) = target
        && target.point == point
        && target.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
