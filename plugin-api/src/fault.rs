//! How a call across the boundary fails.

use std::fmt;

/// Why a call failed, in the terms the caller acts on.
///
/// Travels as a number; one this release does not know reads as [`FaultCode::Internal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The other side has been shut down. Do not call again.
    Closed,
    /// No room or time now. The same call may succeed later.
    Busy,
    /// The call's arguments are wrong. Repeating it cannot help.
    Invalid,
    /// What the call names does not exist.
    NotFound,
    /// Something the callee depends on is out of reach. The same call may succeed later.
    Unavailable,
    /// The callee panicked. A plugin that did is not called again.
    Panicked,
    /// A host callback was made from inside a hook, where the store may hold locks.
    Reentrant,
    /// The callee does not offer this.
    Unsupported,
    /// Anything else.
    Internal,
}

impl FaultCode {
    /// The number that travels. Zero means success and is no fault.
    #[must_use]
    pub const fn to_wire(self) -> u32 {
        match self {
            Self::Closed => 1,
            Self::Busy => 2,
            Self::Invalid => 3,
            Self::NotFound => 4,
            Self::Unavailable => 5,
            Self::Panicked => 6,
            Self::Reentrant => 7,
            Self::Unsupported => 8,
            Self::Internal => 9,
        }
    }

    /// Reads a number that travelled: `Ok` for zero.
    ///
    /// # Errors
    /// The code for any other number.
    pub const fn from_wire(wire: u32) -> Result<(), Self> {
        Err(match wire {
            0 => return Ok(()),
            1 => Self::Closed,
            2 => Self::Busy,
            3 => Self::Invalid,
            4 => Self::NotFound,
            5 => Self::Unavailable,
            6 => Self::Panicked,
            7 => Self::Reentrant,
            8 => Self::Unsupported,
            _ => Self::Internal,
        })
    }
}

impl fmt::Display for FaultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Busy => "busy",
            Self::Invalid => "invalid",
            Self::NotFound => "not found",
            Self::Unavailable => "unavailable",
            Self::Panicked => "panicked",
            Self::Reentrant => "called from inside a hook",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal error",
        })
    }
}

/// A failed call: the code to act on and a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Fault {
    /// What to act on.
    pub code: FaultCode,
    /// For a person: what failed and what to do. Never a secret.
    pub message: String,
}

impl Fault {
    /// A fault with its message.
    pub fn new(code: FaultCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<FaultCode> for Fault {
    fn from(code: FaultCode) -> Self {
        Self::new(code, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_wire_and_unknown_numbers_are_internal() {
        for wire in 1..=9 {
            let code = FaultCode::from_wire(wire).unwrap_err();
            assert_eq!(code.to_wire(), wire);
        }
        assert_eq!(FaultCode::from_wire(0), Ok(()));
        assert_eq!(FaultCode::from_wire(4_000_000), Err(FaultCode::Internal));
    }
}
