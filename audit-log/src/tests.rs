//! The audit log over real files.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn settings(max_bytes: u64) -> Settings {
    Settings {
        enabled: true,
        max_bytes,
        keep_files: 2,
    }
}

fn open(folder: &Path) -> AuditLog {
    AuditLog::open(&settings(1 << 20), folder).unwrap()
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(NAME)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn what_is_recorded_is_there_in_order_over_restarts_and_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    for actor in ["ann", "b\"ob\n"] {
        let audit = open(folder.path());
        audit.record(actor, "webhook.deleted", &json!({"id": 7}));
        assert_eq!(audit.unwritten(), 0);
    }
    let lines = lines(folder.path());
    assert_eq!(
        (&lines[1]["number"], &lines[1]["actor"], &lines[1]["details"]),
        (&json!(2), &json!("b\"ob\n"), &json!({"id": 7}))
    );
    assert_eq!(lines[1]["previous"], lines[0]["hash"]);
    let verified = verify(folder.path()).unwrap();
    assert_eq!((verified.first, verified.last), (1, 2));
    let mode = fs::metadata(folder.path().join(NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn whatever_is_changed_taken_out_put_in_or_swapped_shows() {
    let folder = tempfile::tempdir().unwrap();
    let audit = open(folder.path());
    for n in 0..4 {
        audit.record("ann", "tested", &json!({"n": n}));
    }
    let path = folder.path().join(NAME);
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let forged = |lines: &[&str]| {
        fs::write(&path, format!("{}\n", lines.join("\n"))).unwrap();
        verify(folder.path())
    };
    let changed = lines[1].replace("ann", "bob");
    assert!(matches!(
        forged(&[lines[0], &changed, lines[2], lines[3]]),
        Err(ChainFault::Line { line: 2, .. })
    ));
    for wrong in [
        vec![lines[0], lines[2], lines[3]],
        vec![lines[0], lines[2], lines[1], lines[3]],
        vec![lines[0], lines[1], lines[1], lines[2]],
    ] {
        assert!(
            matches!(forged(&wrong), Err(ChainFault::Gap { .. })),
            "{wrong:#?}"
        );
    }
    assert!(matches!(
        forged(&[lines[0], "{}", lines[1]]),
        Err(ChainFault::Line { line: 2, .. })
    ));
    // What is cut off at the end shows to whoever kept the last hash.
    let cut = forged(&lines[..3]).unwrap();
    fs::write(&path, &whole).unwrap();
    let kept = verify(folder.path()).unwrap();
    assert_eq!((cut.last, kept.last), (3, 4));
    assert_ne!(cut.hash, kept.hash);
    // A log that went on since still has the line; one that was cut off has not.
    assert_eq!(verify_since(folder.path(), &cut.hash).unwrap().1, Some(3));
    fs::write(&path, format!("{}\n", lines[..3].join("\n"))).unwrap();
    assert_eq!(verify_since(folder.path(), &kept.hash).unwrap().1, None);
    // What is no text is told by its line, too.
    fs::write(&path, [whole.as_bytes(), b"\xff\n"].concat()).unwrap();
    assert!(matches!(
        verify(folder.path()),
        Err(ChainFault::Line { line: 5, .. })
    ));
}

#[test]
fn a_full_file_is_followed_by_another_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let audit = AuditLog::open(&settings(1_000), folder.path()).unwrap();
    for n in 0..40 {
        audit.record("ann", "tested", &json!({"n": n}));
    }
    let full = full_files(folder.path()).unwrap();
    assert_eq!(full.len(), 2, "{full:?}");
    let verified = verify(folder.path()).unwrap();
    assert!(verified.first > 1 && verified.last == 40, "{verified:?}");
    assert_eq!(verified.files, 3);
    drop(audit);
    // The process ended before the next file was begun.
    fs::remove_file(folder.path().join(NAME)).unwrap();
    let before = verify(folder.path()).unwrap().last;
    open(folder.path()).record("ann", "tested", &json!({}));
    assert_eq!(verify(folder.path()).unwrap().last, before + 1);
}

#[test]
fn a_line_that_a_crash_tore_is_taken_off_and_that_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).record("ann", "tested", &json!({"n": 1}));
    let path = folder.path().join(NAME);
    let mut torn = fs::read(&path).unwrap();
    let half = torn[..torn.len() / 2].to_vec();
    torn.extend(&half);
    fs::write(&path, &torn).unwrap();
    drop(open(folder.path()));
    let lines = lines(folder.path());
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[1]["action"], &lines[1]["details"]["bytes"]),
        (&json!("audit.torn"), &json!(half.len()))
    );
    assert_eq!(verify(folder.path()).unwrap().last, 2);
}

#[test]
fn a_file_whose_end_cannot_be_read_is_put_aside_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(NAME);
    for damaged in [&b"\xff\xfe\n"[..], b"not a line\n", b"torn before its end"] {
        fs::write(&path, damaged).unwrap();
        drop(open(folder.path()));
        let lines = lines(folder.path());
        assert_eq!(
            (lines.len(), &lines[0]["action"]),
            (1, &json!("audit.unreadable"))
        );
        let aside = lines[0]["details"]["put_aside"].as_str().unwrap();
        let aside = folder.path().join(aside);
        assert_eq!(fs::read(&aside).unwrap(), damaged);
        fs::remove_file(aside).unwrap();
    }
}

#[test]
fn one_that_is_switched_off_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        enabled: false,
        ..settings(1 << 20)
    };
    AuditLog::open(&settings, folder.path())
        .unwrap()
        .record("ann", "tested", &json!({}));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest::proptest! {
    #[test]
    fn whatever_lies_in_its_place_is_kept(bytes in proptest::prelude::any::<Vec<u8>>()) {
        properties::file(&bytes);
    }
}
