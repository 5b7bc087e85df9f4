//! Labels of documents that were given by request: under `l` and the document the name of its domain.

use super::changes::Changes;
use super::keys::{behind, collection_prefix, key, parse_key};
use super::{DocumentId, Journal, JournalError};

const LABEL: u8 = b'l';

impl Journal {
    /// All labels, by collection and id.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn labels(&self) -> impl Iterator<Item = Result<(DocumentId, String), JournalError>> + use<'_> {
        self.labels_in(&[LABEL], vec![LABEL])
    }

    /// The labels of a collection behind the id `after`, in order.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn labels_after(
        &self,
        collection: &str,
        after: Option<&str>,
    ) -> Result<impl Iterator<Item = Result<(DocumentId, String), JournalError>> + use<'_>, JournalError>
    {
        let prefix = collection_prefix(LABEL, collection)?;
        Ok(self.labels_in(&prefix, behind(&prefix, after)))
    }

    fn labels_in(
        &self,
        prefix: &[u8],
        from: Vec<u8>,
    ) -> impl Iterator<Item = Result<(DocumentId, String), JournalError>> + use<'_> {
        self.disk.scan_from(prefix, from).map(|entry| {
            let (key, domain) = entry?;
            let domain = String::from_utf8(domain.to_vec());
            Ok((
                parse_key(&key)?,
                domain.map_err(|_| JournalError::Damaged { what: "label" })?,
            ))
        })
    }

    /// Gives documents labels; `None` takes them away.
    ///
    /// # Errors
    /// [`JournalError`]: none of them is given then.
    pub fn put_labels(&self, labels: &[(DocumentId, Option<String>)]) -> Result<(), JournalError> {
        let mut changes = Changes::default();
        for (document, domain) in labels {
            match domain {
                Some(domain) => changes.put(key(LABEL, document)?, domain.as_bytes()),
                None => changes.remove(key(LABEL, document)?),
            }
        }
        self.disk.apply(&changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    #[test]
    fn labels_outlive_the_process_and_are_listed_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let id = |id: &str| DocumentId::new("c", id);
        {
            let journal = Journal::open(folder.path(), settings(10)).unwrap();
            let given = ["b", "a", "d", "e"].map(|name| (id(name), Some("hr".to_owned())));
            journal.put_labels(&given).unwrap();
            let other = (DocumentId::new("cc", "a"), Some("legal".to_owned()));
            journal.put_labels(&[(id("d"), None), other]).unwrap();
            journal.close(true).unwrap();
        }
        let journal = Journal::open(folder.path(), settings(10)).unwrap();
        let all = journal.labels().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(all.len(), 4);
        let after = journal.labels_after("c", Some("a")).unwrap();
        let after: Vec<_> = after.map(|label| label.unwrap().0).collect();
        assert_eq!(after, [id("b"), id("e")]);
    }
}
