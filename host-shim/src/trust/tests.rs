//! Files and folders that must be refused, each with its reason.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::config::Allowed;

struct Place {
    root: tempfile::TempDir,
    config: PluginsConfig,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("plugins");
        fs::create_dir(&directory).unwrap();
        let place = Self {
            config: PluginsConfig {
                directory,
                enabled: vec!["a-b".into()],
                ..Default::default()
            },
            root,
        };
        place.mode(&place.config.directory, 0o755);
        fs::write(place.file(), b"image").unwrap();
        place.mode(&place.file(), 0o644);
        place
    }

    fn file(&self) -> PathBuf {
        self.config.directory.join("libvectorizer_plugin_a_b.so")
    }

    fn mode(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn check(&self) -> Result<CheckedImage, TrustError> {
        check(&self.config, "a-b")
    }
}

#[test]
fn a_file_of_ours_in_a_folder_of_ours_is_trusted() {
    assert_eq!(Place::new().check().unwrap().bytes(), b"image");
}

#[test]
fn what_others_may_write_is_refused_at_every_level() {
    let place = Place::new();
    for mode in [0o664, 0o646, 0o666] {
        place.mode(&place.file(), mode);
        assert!(
            matches!(place.check(), Err(TrustError::Writable { .. })),
            "file {mode:o}"
        );
    }
    place.mode(&place.file(), 0o644);
    place.mode(&place.config.directory, 0o775);
    assert!(matches!(place.check(), Err(TrustError::Writable { .. })));
    place.mode(&place.config.directory, 0o1777);
    assert!(
        matches!(place.check(), Err(TrustError::Writable { .. })),
        "the folder itself may not be shared"
    );
    place.mode(&place.config.directory, 0o755);
    place.mode(place.root.path(), 0o720);
    assert!(
        matches!(place.check(), Err(TrustError::Writable { path, .. }) if path == place.root.path().canonicalize().unwrap())
    );
}

#[test]
fn a_foreign_owner_is_refused() {
    let place = Place::new();
    if std::os::unix::fs::chown(place.file(), Some(12345), None).is_ok() {
        assert!(matches!(
            place.check(),
            Err(TrustError::Owner { owner: 12345, .. })
        ));
    } else {
        eprintln!("skipped: only root can give a file away");
    }
}

#[test]
fn a_link_may_lead_within_the_folder_only() {
    let place = Place::new();
    let within = place.config.directory.join("libvectorizer_plugin_a_b.so.1");
    fs::rename(place.file(), &within).unwrap();
    symlink(&within, place.file()).unwrap();
    assert_eq!(place.check().unwrap().path(), within.canonicalize().unwrap());

    let outside = place.root.path().join("outside.so");
    fs::rename(&within, &outside).unwrap();
    fs::remove_file(place.file()).unwrap();
    symlink(&outside, place.file()).unwrap();
    assert!(matches!(place.check(), Err(TrustError::LeadsOut { .. })));
}

#[test]
fn what_is_no_file_is_refused() {
    let place = Place::new();
    fs::remove_file(place.file()).unwrap();
    assert!(matches!(place.check(), Err(TrustError::Unreadable { .. })));
    fs::create_dir(place.file()).unwrap();
    assert!(matches!(place.check(), Err(TrustError::Kind { .. })));
}

#[test]
fn with_an_allow_list_only_the_listed_bytes_pass() {
    let mut place = Place::new();
    let sha256 = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d".to_owned();
    place.config.allow = Some(vec![Allowed {
        name: "a-b".into(),
        sha256: sha256.clone(),
    }]);
    place.check().unwrap();
    place.config.allow = Some(vec![Allowed {
        name: "other".into(),
        sha256,
    }]);
    assert!(
        matches!(place.check(), Err(TrustError::NotAllowed { .. })),
        "listed for another name"
    );
    place.config.allow = Some(vec![]);
    assert!(matches!(place.check(), Err(TrustError::NotAllowed { .. })));
}

#[test]
fn a_sealed_image_holds_the_bytes_and_cannot_be_written() {
    let sealed = Place::new().check().unwrap().seal().unwrap();
    assert_eq!(fs::read(&sealed).unwrap(), b"image");
    assert!(fs::write(&sealed, b"other").is_err());
}

#[cfg(feature = "signatures")]
#[test]
fn with_trusted_keys_only_a_file_signed_by_one_passes() {
    use ed25519_dalek::{Signer, SigningKey};

    let mut place = Place::new();
    let key = SigningKey::from_bytes(&[7; 32]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    place.config.trusted_keys = vec![hex(key.verifying_key().as_bytes())];
    assert!(
        matches!(place.check(), Err(TrustError::Signature { .. })),
        "no signature"
    );

    let signature = place.config.directory.join("libvectorizer_plugin_a_b.so.sig");
    fs::write(&signature, key.sign(b"image").to_bytes()).unwrap();
    place.mode(&signature, 0o644);
    place.check().unwrap();

    fs::write(&signature, key.sign(b"other").to_bytes()).unwrap();
    assert!(
        matches!(place.check(), Err(TrustError::Signature { .. })),
        "signature of other bytes"
    );
    fs::write(
        &signature,
        SigningKey::from_bytes(&[8; 32]).sign(b"image").to_bytes(),
    )
    .unwrap();
    assert!(
        matches!(place.check(), Err(TrustError::Signature { .. })),
        "signature by another key"
    );
}
