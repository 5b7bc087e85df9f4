//! The handshake: a record of fixed layout that says what a plugin was built with, read from the file's bytes
//! before anything in it runs.
//!
//! Layout, little-endian, 320 bytes, never to change (a later record has another magic):
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 16 | magic |
//! | 16 | 2 | API major |
//! | 18 | 2 | API minor |
//! | 20 | 4 | zero |
//! | 24 | 40 | rustc release |
//! | 64 | 16 | panic strategy |
//! | 80 | 64 | target triple |
//! | 144 | 64 | plugin name |
//! | 208 | 48 | plugin version |
//! | 256 | 64 | configuration section |
//!
//! Texts are UTF-8, padded with zeros.

use std::fmt;

/// Changes when a plugin built against the old one cannot be called any more.
pub const API_MAJOR: u16 = 1;
/// Changes when the tables grow.
pub const API_MINOR: u16 = 0;
/// Length of a record in bytes.
pub const RECORD_LEN: usize = 320;
/// The section of an ELF file that holds the record.
pub const SECTION: &str = ".vzplugin";

const MAGIC: [u8; 16] = *b"VECTORIZERPLUGIN";
/// The compiler that leaves slots of some vtables null, see rust-lang/rust#161441.
const MISCOMPILING_RUSTC: &str = "1.98.0";

/// What one side of the boundary was built with.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Handshake {
    /// API major and minor.
    pub api: (u16, u16),
    /// The compiler's release, as `1.95.0`.
    pub rustc: String,
    /// `unwind` or `abort`.
    pub panic: String,
    /// The target triple.
    pub target: String,
    /// The plugin's name; the host's own name on the host's side.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The configuration section the plugin reads.
    pub config_section: String,
}

impl Handshake {
    /// What this side was built with.
    #[must_use]
    pub fn own(name: &str, version: &str) -> Self {
        Self {
            api: (API_MAJOR, API_MINOR),
            rustc: env!("PLUGIN_API_RUSTC").into(),
            panic: if cfg!(panic = "unwind") { "unwind" } else { "abort" }.into(),
            target: env!("PLUGIN_API_TARGET").into(),
            name: name.into(),
            version: version.into(),
            config_section: String::new(),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`] for anything but a record; no byte sequence panics.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: &[u8; RECORD_LEN] = bytes
            .get(..RECORD_LEN)
            .and_then(|head| head.try_into().ok())
            .ok_or(RecordError::Truncated(bytes.len()))?;
        if record[..16] != MAGIC {
            return Err(RecordError::Magic);
        }
        let number = |at: usize| u16::from_le_bytes([record[at], record[at + 1]]);
        Ok(Self {
            api: (number(16), number(18)),
            rustc: text(record, "rustc release", 24, 40)?,
            panic: text(record, "panic strategy", 64, 16)?,
            target: text(record, "target triple", 80, 64)?,
            name: text(record, "plugin name", 144, 64)?,
            version: text(record, "plugin version", 208, 48)?,
            config_section: text(record, "configuration section", 256, 64)?,
        })
    }

    /// Decides whether a host built as `self` may load `plugin`.
    ///
    /// # Errors
    /// The first [`Refusal`]; it shows both sides' values and says who must act.
    pub fn accept(&self, plugin: &Self) -> Result<Vec<Remark>, Refusal> {
        if self.api.0 != plugin.api.0 || plugin.api.1 > self.api.1 {
            return Err(Refusal::Api {
                host: self.api,
                plugin: plugin.api,
            });
        }
        if self.target != plugin.target {
            return Err(Refusal::Target {
                host: self.target.clone(),
                plugin: plugin.target.clone(),
            });
        }
        if self.panic != "unwind" || plugin.panic != "unwind" {
            return Err(Refusal::Panic {
                host: self.panic.clone(),
                plugin: plugin.panic.clone(),
            });
        }
        if self.rustc == MISCOMPILING_RUSTC || plugin.rustc == MISCOMPILING_RUSTC {
            return Err(Refusal::Rustc {
                host: self.rustc.clone(),
                plugin: plugin.rustc.clone(),
            });
        }
        let mut remarks = Vec::new();
        if self.rustc != plugin.rustc {
            remarks.push(Remark::OtherRustc {
                host: self.rustc.clone(),
                plugin: plugin.rustc.clone(),
            });
        }
        Ok(remarks)
    }
}

fn text(
    record: &[u8; RECORD_LEN],
    field: &'static str,
    at: usize,
    len: usize,
) -> Result<String, RecordError> {
    let bytes = &record[at..at + len];
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(len);
    if bytes[end..].iter().any(|&byte| byte != 0) {
        return Err(RecordError::Field(field));
    }
    match std::str::from_utf8(&bytes[..end]) {
        Ok(text) if !text.is_empty() && !text.contains(char::is_control) => Ok(text.to_owned()),
        _ => Err(RecordError::Field(field)),
    }
}

/// Builds a plugin's record at compile time. A name, version or section that does not fit fails the build.
#[doc(hidden)]
#[must_use]
pub const fn encode(panic: &str, name: &str, version: &str, section: &str) -> [u8; RECORD_LEN] {
    let mut record = [0; RECORD_LEN];
    put(&mut record, &MAGIC, 0, 16);
    put(&mut record, &API_MAJOR.to_le_bytes(), 16, 2);
    put(&mut record, &API_MINOR.to_le_bytes(), 18, 2);
    put(&mut record, env!("PLUGIN_API_RUSTC").as_bytes(), 24, 40);
    put(&mut record, panic.as_bytes(), 64, 16);
    put(&mut record, env!("PLUGIN_API_TARGET").as_bytes(), 80, 64);
    put(&mut record, name.as_bytes(), 144, 64);
    put(&mut record, version.as_bytes(), 208, 48);
    put(&mut record, section.as_bytes(), 256, 64);
    record
}

const fn put(record: &mut [u8; RECORD_LEN], value: &[u8], at: usize, len: usize) {
    assert!(
        value.len() <= len,
        "a field of the plugin's handshake record is too long"
    );
    let mut i = 0;
    while i < value.len() {
        record[at + i] = value[i];
        i += 1;
    }
}

/// Why bytes are no handshake record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Too few bytes.
    #[error("the handshake record has {0} bytes, expected {RECORD_LEN}")]
    Truncated(usize),
    /// Another magic: made by something else, or by a far later release.
    #[error("the handshake record does not begin with the magic of this API")]
    Magic,
    /// A text that is empty, not UTF-8 or not padded with zeros.
    #[error("the handshake record's field '{0}' is unreadable")]
    Field(&'static str),
}

/// Why a host does not load a plugin. Shows both sides' values and who must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Refusal {
    /// The API versions do not go together.
    #[error("plugin API: host has {}.{}, plugin needs {}.{}; {}", host.0, host.1, plugin.0, plugin.1, upgrade(*host, *plugin))]
    Api { host: (u16, u16), plugin: (u16, u16) },
    /// Built for another platform.
    #[error("target: host is {host}, plugin is {plugin}; install the plugin's build for the host's platform")]
    Target { host: String, plugin: String },
    /// A panic would end the process instead of being caught.
    #[error(
        "panic strategy: host is {host}, plugin is {plugin}; rebuild the side with 'abort' with panic=unwind"
    )]
    Panic { host: String, plugin: String },
    /// A compiler that miscompiles vtables.
    #[error(
        "rustc: host {host}, plugin {plugin}; {MISCOMPILING_RUSTC} leaves vtable slots null, rebuild that side with 1.98.1 or later"
    )]
    Rustc { host: String, plugin: String },
}

fn upgrade(host: (u16, u16), plugin: (u16, u16)) -> &'static str {
    if plugin > host {
        "upgrade the host"
    } else {
        "upgrade the plugin"
    }
}

/// Something an operator should know about a plugin that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Remark {
    /// Built with another compiler release. The layout check covers it; the same release is still better.
    OtherRustc { host: String, plugin: String },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherRustc { host, plugin } => {
                write!(
                    f,
                    "rustc differs: host {host}, plugin {plugin}; building both with one release is safest"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host() -> Handshake {
        Handshake::own("host", "1.0.0")
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record = encode("unwind", "nexus", "0.1.0", "nexus_integration");
        let read = Handshake::parse(&record).unwrap();
        assert_eq!(
            read,
            Handshake {
                config_section: "nexus_integration".into(),
                ..Handshake::own("nexus", "0.1.0")
            }
        );
        assert_eq!(host().accept(&read), Ok(vec![]));
    }

    #[test]
    fn each_refusal_shows_both_values_and_who_must_act() {
        let refuse = |change: fn(&mut Handshake)| {
            let mut plugin = host();
            change(&mut plugin);
            host().accept(&plugin).unwrap_err().to_string()
        };
        assert!(refuse(|p| p.api.0 = 2).contains("host has 1.0, plugin needs 2.0; upgrade the host"));
        assert!(refuse(|p| p.api = (0, 9)).contains("upgrade the plugin"));
        assert!(refuse(|p| p.api.1 = 1).contains("upgrade the host"));
        assert!(refuse(|p| p.panic = "abort".into()).contains("host is unwind, plugin is abort"));
        assert!(refuse(|p| p.target = "riscv".into()).contains("plugin is riscv"));
        assert!(refuse(|p| p.rustc = "1.98.0".into()).contains("rebuild that side"));
    }

    #[test]
    fn another_rustc_is_remarked_on() {
        let plugin = Handshake {
            rustc: "1.0.0".into(),
            ..host()
        };
        assert_eq!(host().accept(&plugin).unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_text_is_named() {
        let mut record = encode("unwind", "nexus", "0.1.0", "s");
        record[150] = b'x';
        assert_eq!(Handshake::parse(&record), Err(RecordError::Field("plugin name")));
        record[150] = 0;
        record[144..149].fill(0xff);
        assert_eq!(Handshake::parse(&record), Err(RecordError::Field("plugin name")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Handshake::parse(&bytes);
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend(bytes);
            let _ = Handshake::parse(&with_magic);
        }
    }
}
