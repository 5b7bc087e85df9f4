//! The subscriptions, in a file of their own beside the journal: the journal can be rebuilt from the store and the graph, they cannot.
//!
//! Invariants:
//! - the file is replaced whole: after a crash it is the old or the new one. Only its owner may read it, since it holds the secrets;
//! - memory follows the file: what cannot be written did not happen;
//! - a file that cannot be read is left as it is, and nothing is subscribed or sent until somebody saw to it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use super::subscription::{Subscription, SubscriptionId};
use crate::strict_json::{self, Misfit};
use crate::whole_file;

const FORMAT: u32 = 1;

/// Why the subscriptions are as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("the file of the subscriptions cannot be written: {0}")]
    Write(#[source] io::Error),
    #[error("the file of the subscriptions cannot be used: {0}")]
    Unusable(String),
    #[error("there is no such subscription")]
    Unknown,
    #[error("there are {0} subscriptions, which is as many as are allowed")]
    Full(usize),
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    subscriptions: Vec<&'a Subscription>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    format: u32,
    subscriptions: Vec<Subscription>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Registry {
    path: PathBuf,
    most: usize,
    subscriptions: RwLock<BTreeMap<SubscriptionId, Subscription>>,
    /// Why the file cannot be used.
    fault: Option<String>,
}

impl Registry {
    /// Reads the file, where there is one; `most` subscriptions are taken.
    pub(crate) fn open(path: &Path, most: usize) -> Self {
        let (subscriptions, fault) = match read(path) {
            Ok(subscriptions) => (subscriptions, None),
            Err(reason) => {
                let reason = format!("'{}': {reason}", path.display());
                tracing::error!(reason, "no webhooks are sent");
                (Vec::new(), Some(reason))
            }
        };
        let by_id = subscriptions
            .into_iter()
            .map(|subscription| (subscription.id, subscription));
        Self {
            path: path.to_owned(),
            most,
            subscriptions: RwLock::new(by_id.collect()),
            fault,
        }
    }

    /// Why nothing is subscribed or sent.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    pub(crate) fn all(&self) -> Vec<Subscription> {
        self.subscriptions.read().values().cloned().collect()
    }

    pub(crate) fn get(&self, id: SubscriptionId) -> Option<Subscription> {
        self.subscriptions.read().get(&id).cloned()
    }

    pub(crate) fn is_active(&self, id: SubscriptionId) -> bool {
        self.subscriptions
            .read()
            .get(&id)
            .is_some_and(Subscription::is_active)
    }

    pub(crate) fn add(&self, subscription: Subscription) -> Result<(), RegistryError> {
        self.change(|all| {
            if all.len() >= self.most {
                return Err(RegistryError::Full(all.len()));
            }
            all.insert(subscription.id, subscription);
            Ok(())
        })
    }

    pub(crate) fn remove(&self, id: SubscriptionId) -> Result<(), RegistryError> {
        self.change(|all| all.remove(&id).map(drop).ok_or(RegistryError::Unknown))
    }

    /// Changes a subscription and answers it as it is then.
    pub(crate) fn alter(
        &self,
        id: SubscriptionId,
        change: impl FnOnce(&mut Subscription),
    ) -> Result<Subscription, RegistryError> {
        self.change(|all| {
            let subscription = all.get_mut(&id).ok_or(RegistryError::Unknown)?;
            change(subscription);
            Ok(subscription.clone())
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<SubscriptionId, Subscription>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if let Some(fault) = &self.fault {
            return Err(RegistryError::Unusable(fault.clone()));
        }
        let mut subscriptions = self.subscriptions.write();
        let mut next = subscriptions.clone();
        let answer = change(&mut next)?;
        write(&self.path, &next).map_err(RegistryError::Write)?;
        *subscriptions = next;
        Ok(answer)
    }
}

fn read(path: &Path) -> Result<Vec<Subscription>, String> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    read_text(&text)
}

pub(super) fn read_text(text: &[u8]) -> Result<Vec<Subscription>, String> {
    let Read {
        format,
        subscriptions,
    } = strict_json::parse(text).map_err(|Misfit { field, reason }| match field {
        Some(field) => format!("{field}: {reason}"),
        None => reason,
    })?;
    if format != FORMAT {
        return Err(format!("format: {format} is not known; {FORMAT} is"));
    }
    Ok(subscriptions)
}

fn write(path: &Path, subscriptions: &BTreeMap<SubscriptionId, Subscription>) -> io::Result<()> {
    let written = Written {
        format: FORMAT,
        subscriptions: subscriptions.values().collect(),
    };
    whole_file::replace(path, &serde_json::to_vec_pretty(&written)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::subscription::Because;
    use super::super::subscription::State;
    use super::super::subscription::tests::subscription;
    use super::*;

    #[test]
    fn what_was_subscribed_is_there_after_a_restart_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhooks.json");
        let registry = Registry::open(&path, 2);
        let [one, two] = [subscription(1), subscription(2)];
        registry.add(one.clone()).unwrap();
        registry.add(two).unwrap();
        assert!(matches!(
            registry.add(subscription(3)),
            Err(RegistryError::Full(2))
        ));
        let disabled = State::Disabled {
            because: Because::Asked,
            since_micros: 9,
        };
        registry
            .alter(SubscriptionId(2), |two| two.standing = disabled.clone())
            .unwrap();
        let again = Registry::open(&path, 2);
        assert_eq!(again.all(), registry.all());
        assert_eq!(again.get(SubscriptionId(1)), Some(one));
        assert!(again.is_active(SubscriptionId(1)) && !again.is_active(SubscriptionId(2)));
        again.remove(SubscriptionId(1)).unwrap();
        assert!(matches!(
            again.remove(SubscriptionId(1)),
            Err(RegistryError::Unknown)
        ));
        assert_eq!(Registry::open(&path, 2).all().len(), 1);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no file is left over"
        );
    }

    #[test]
    fn what_cannot_be_written_did_not_happen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub").join("webhooks.json");
        let registry = Registry::open(&path, 2);
        assert!(matches!(
            registry.add(subscription(1)),
            Err(RegistryError::Write(_))
        ));
        assert_eq!(registry.all(), []);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone_and_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhooks.json");
        let secret = "whsec_bm8gc2VjcmV0";
        for (text, reason) in [
            ("", "EOF"),
            (r#"{"format": 2, "subscriptions": []}"#, "format: 2"),
            (
                r#"{"format": 1, "subscriptions": [{"id": 1}]}"#,
                "subscriptions[0].id",
            ),
            (
                &format!(
                    r#"{{"format": 1, "subscriptions": [{{"id": "0000000000000001", "secret": "{secret}"}}]}}"#
                ),
                "subscriptions[0].secret: has 9 bytes",
            ),
        ] {
            fs::write(&path, text).unwrap();
            let registry = Registry::open(&path, 2);
            let fault = registry.fault().unwrap().to_owned();
            assert!(fault.contains(reason) && !fault.contains("bm8gc2"), "{fault}");
            assert!(matches!(
                registry.add(subscription(1)),
                Err(RegistryError::Unusable(_))
            ));
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
