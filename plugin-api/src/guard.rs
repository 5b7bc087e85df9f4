//! The guard that stops a panic at the boundary, used once on each side.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fault::{Fault, FaultCode};

/// Runs `f`; a panic in it becomes [`FaultCode::Panicked`] with the panic's message.
///
/// Unwind safety: after a panic the plugin is marked faulted and not called again, and host callbacks leave no
/// state of their own behind, so no broken invariant is observed.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| Err(panic_fault(payload)))
}

/// As [`guarded`], for the hot path: only a code, no message.
pub(crate) fn guarded_code(f: impl FnOnce() -> Result<(), FaultCode>) -> u32 {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => 0,
        Ok(Err(code)) => code.to_wire(),
        Err(payload) => panic_fault(payload).code.to_wire(),
    }
}

fn panic_fault(payload: Box<dyn Any + Send>) -> Fault {
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    // The payload's own destructor may panic too, and that one must not cross either.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    Fault::new(FaultCode::Panicked, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_fault_with_its_message() {
        let fault = guarded::<()>(|| panic!("lost {}", "it")).unwrap_err();
        assert_eq!(fault, Fault::new(FaultCode::Panicked, "lost it"));
        assert_eq!(guarded_code(|| panic!("x")), FaultCode::Panicked.to_wire());
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_contained() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("twice");
            }
        }
        let fault = guarded::<()>(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(fault.code, FaultCode::Panicked);
    }
}
