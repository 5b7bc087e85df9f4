//! The journal over real files that were damaged while nobody looked, or under its feet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::storage::Folder;
use super::tests::{settings, state};
use super::vault::Vault;
use super::*;

const DOCUMENTS: usize = 600;

fn open(folder: &Path) -> Journal {
    Journal::open(folder, settings(1_000_000)).unwrap()
}

/// A journal with half of its documents done and half waiting.
fn filled(folder: &Path) {
    let journal = open(folder);
    let ids: Vec<String> = (0..DOCUMENTS).map(|n| format!("document-{n}")).collect();
    journal
        .add("c", ids.iter().map(String::as_str), Work::NODE, 1)
        .unwrap();
    let batch = journal
        .claim(Stage::Nodes, DOCUMENTS / 2)
        .unwrap()
        .batch()
        .unwrap();
    let outcomes = batch
        .claims
        .iter()
        .map(|claim| {
            Outcome::new(
                Arc::clone(&claim.id),
                Work::NONE,
                StateChange::Put(state(7, &["x"])),
            )
        })
        .collect();
    journal.commit(&batch, outcomes, &[], &[], 2).unwrap();
    journal.end(&batch).unwrap();
    journal.close(true).unwrap();
}

fn database(folder: &Path) -> PathBuf {
    let mut generations: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("generation-")
        })
        .collect();
    assert_eq!(generations.len(), 1, "{generations:?}");
    generations.remove(0).join("db")
}

/// Whatever is there now: the journal opens, takes work in, and says nothing that is wrong.
fn check(folder: &Path) -> &'static str {
    let journal = open(folder);
    let condition = journal.condition();
    let (mut wrong, mut known) = (0, 0);
    for n in 0..DOCUMENTS {
        let document = DocumentId::new("c", format!("document-{n}"));
        match journal.state(&document) {
            Ok(Some(found)) => {
                assert_eq!(found, state(7, &["x"]), "another's state");
                known += 1;
            }
            Ok(None) => {}
            // Found out when it is read: then it is put aside.
            Err(_) => wrong += 1,
        }
    }
    if wrong > 0 {
        assert!(journal.has_failed());
        assert_eq!(journal.upkeep(), Upkeep::Reopened);
        assert!(journal.take_all_dirty());
    }
    if condition.began == "clean" && wrong == 0 {
        assert_eq!((known, journal.waiting()), (DOCUMENTS / 2, DOCUMENTS / 2));
    }
    journal.add("c", ["new"].into_iter(), Work::NODE, 3).unwrap();
    journal.close(true).unwrap();
    drop(journal);
    let journal = open(folder);
    let mut found = BTreeSet::new();
    while let Some(batch) = journal.claim(Stage::Nodes, 10_000).unwrap().batch() {
        found.extend(batch.claims.into_iter().map(|claim| claim.id.to_string()));
    }
    assert!(found.contains("new"));
    condition.began
}

#[test]
fn a_flipped_bit_anywhere_never_stops_the_journal_nor_makes_it_lie() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path());
    let mut random = StdRng::seed_from_u64(7);
    let mut began: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..24 {
        let folder = tempfile::tempdir().unwrap();
        super::bench::copy(whole.path(), folder.path());
        let file = database(folder.path());
        let mut bytes = fs::read(&file).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        let at = random.random_range(0..=written);
        bytes[at] ^= 1 << random.random_range(0..8);
        fs::write(&file, bytes).unwrap();
        *began.entry(check(folder.path())).or_default() += 1;
    }
    assert!(
        began.contains_key("rebuilt"),
        "nothing was ever damaged: {began:?}"
    );
}

#[test]
fn a_torn_tail_never_stops_the_journal_nor_makes_it_lie() {
    let whole = tempfile::tempdir().unwrap();
    filled(whole.path());
    let mut random = StdRng::seed_from_u64(8);
    for _ in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        super::bench::copy(whole.path(), folder.path());
        let file = database(folder.path());
        let length = fs::metadata(&file).unwrap().len();
        let file = fs::File::options().write(true).open(&file).unwrap();
        file.set_len(random.random_range(0..length)).unwrap();
        check(folder.path());
    }
}

#[test]
fn what_was_put_aside_is_kept_for_a_person_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    for n in 1..=4 {
        filled(folder.path());
        let file = database(folder.path());
        fs::write(&file, vec![0xa5; 100_000]).unwrap();
        let _ = fs::remove_dir_all(file.with_file_name("blobs"));
        fs::write(file.with_file_name("conf"), "nonsense").unwrap();
        let journal = open(folder.path());
        assert_eq!(journal.condition().began, "rebuilt", "{n}");
        journal.close(true).unwrap();
    }
    let kept: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("quarantine-")
        })
        .collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(
        !fs::read_to_string(kept[0].join("why.txt"))
            .unwrap()
            .trim()
            .is_empty()
    );
}

#[test]
fn a_file_that_names_no_generation_costs_nothing() {
    for text in ["", "x", "99", "18446744073709551616"] {
        let folder = tempfile::tempdir().unwrap();
        filled(folder.path());
        fs::write(folder.path().join("current"), text).unwrap();
        let journal = open(folder.path());
        assert_eq!(journal.condition().began, "clean");
        assert_eq!(journal.waiting(), DOCUMENTS / 2);
    }
}

#[test]
fn a_change_of_generation_that_was_interrupted_leaves_the_former_in_force() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path());
    let left_over = folder.path().join("generation-2");
    fs::create_dir(&left_over).unwrap();
    fs::write(left_over.join("db"), "half").unwrap();
    fs::write(folder.path().join("current.new"), "2").unwrap();
    let journal = open(folder.path());
    assert_eq!(journal.waiting(), DOCUMENTS / 2);
    assert!(!left_over.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(&file.join("journal"), settings(10)).unwrap_err();
    assert!(matches!(error, JournalError::Open { .. }), "{error}");
    assert!(error.to_string().contains("file/journal"), "{error}");
}

#[test]
fn a_folder_deleted_under_the_process_is_made_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("journal");
    let journal = open(&folder);
    journal.add("c", ["a"].into_iter(), Work::NODE, 1).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(journal.upkeep(), Upkeep::Reopened);
    journal.close(true).unwrap();
    drop(journal);
    assert_eq!(open(&folder).waiting(), 1);
}

/// Writers go on while everything is copied into a new storage: afterwards it holds what they wrote, and is small.
#[test]
fn a_storage_is_rewritten_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(Box::new(Folder::take(folder.path()).unwrap()))
        .unwrap()
        .0;
    let key = |writer: u32, n: u32| format!("{writer}/{n:06}").into_bytes();
    let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for writer in 0..3 {
        let mut writes = storage::Writes::default();
        for n in 0..4_000 {
            writes.put(key(writer, n), vec![0; 100]);
        }
        vault.apply(&writes).unwrap();
    }
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3_u32)
            .map(|writer| {
                let vault = &vault;
                scope.spawn(move || {
                    let mut mine: BTreeMap<Vec<u8>, Vec<u8>> =
                        (0..4_000).map(|n| (key(writer, n), vec![0; 100])).collect();
                    let mut random = StdRng::seed_from_u64(writer.into());
                    for round in 0..2_000_u32 {
                        let mut writes = storage::Writes::default();
                        for _ in 0..3 {
                            let key = key(writer, random.random_range(0..5_000));
                            if random.random_bool(0.5) {
                                writes.remove(key.clone());
                                mine.remove(&key);
                            } else {
                                writes.put(key.clone(), round.to_be_bytes());
                                mine.insert(key, round.to_be_bytes().to_vec());
                            }
                        }
                        vault.apply(&writes).unwrap();
                    }
                    mine
                })
            })
            .collect();
        for _ in 0..3 {
            vault.rewrite(upkeep::as_they_are).unwrap();
        }
        for writer in writers {
            expected.extend(writer.join().unwrap());
        }
    });
    vault.rewrite(upkeep::as_they_are).unwrap();
    vault.flush().unwrap();
    drop(vault);
    let vault = Vault::open(Box::new(Folder::take(folder.path()).unwrap()))
        .unwrap()
        .0;
    let found: BTreeMap<_, _> = vault.page(&[], None, usize::MAX).unwrap().into_iter().collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected);
    assert!(folder.path().join("generation-5").exists() && !folder.path().join("generation-4").exists());
}
