//! What must hold of a log, whatever lies on the disk.

#![allow(clippy::unwrap_used, reason = "a property that does not hold panics")]

use super::*;

/// Any bytes as the log: it opens, goes on, and what was put aside is as it was. Nobody's bytes are a line by chance.
pub fn file(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    fs::write(&path, bytes).unwrap();
    let log = AuditLog::open(&Settings::default(), folder.path()).unwrap();
    log.record("somebody", "tested", &json!({}));
    assert_eq!(log.unwritten(), 0);
    let verified = verify(folder.path()).unwrap();
    let aside: Vec<PathBuf> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|other| *other != path)
        .collect();
    match aside.as_slice() {
        [] => assert!(bytes.is_empty(), "{bytes:?} was taken for a log"),
        [aside] => assert_eq!(fs::read(aside).unwrap(), bytes),
        _ => panic!("{aside:?}"),
    }
    assert_eq!(verified.last, if bytes.is_empty() { 1 } else { 2 });
}
