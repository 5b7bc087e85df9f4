//! The programs under test: where they are, and building them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TestError;

/// A cargo profile of this workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Quick to build.
    Dev,
    /// Quick to run.
    Release,
}

/// The built programs.
#[derive(Debug, Clone)]
pub struct Artifacts {
    folder: PathBuf,
}

/// The workspace's folder.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Cargo's target folder.
#[must_use]
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => workspace().join(folder),
        None => workspace().join("target"),
    }
}

impl Artifacts {
    /// The programs of a profile, built or not.
    #[must_use]
    pub fn of(profile: Profile) -> Self {
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => "release",
        };
        Self {
            folder: target().join(folder),
        }
    }

    /// Builds the plugin, the host and nexus-dev; for tests also the plugin that misbehaves and the command line.
    ///
    /// # Errors
    /// [`TestError::Process`] where cargo fails.
    pub fn build(profile: Profile) -> Result<Self, TestError> {
        Self::build_in(profile, &[])
    }

    /// As [`Artifacts::build`], with further variables in cargo's environment.
    ///
    /// # Errors
    /// [`TestError::Process`] where cargo fails.
    pub fn build_in(profile: Profile, environment: &[(String, String)]) -> Result<Self, TestError> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.envs(environment.iter().map(|(name, value)| (name, value)));
        cargo.current_dir(workspace()).arg("build");
        for package in ["vectorizer-plugin-nexus", "vectorizer-host", "nexus-dev"] {
            cargo.args(["--package", package]);
        }
        match profile {
            Profile::Dev => cargo.args([
                "--package",
                "probe-plugin",
                "--features",
                "vectorizer-plugin-nexus/cli,vectorizer-plugin-nexus/otlp",
            ]),
            Profile::Release => cargo.arg("--release"),
        };
        match cargo.status() {
            Ok(status) if status.success() => Ok(Self::of(profile)),
            Ok(status) => Err(TestError::Process(format!("cargo build ended with {status}"))),
            Err(error) => Err(TestError::Process(format!("cargo build cannot be run: {error}"))),
        }
    }

    /// The plugin's shared library.
    #[must_use]
    pub fn plugin(&self) -> PathBuf {
        self.folder.join("libvectorizer_plugin_nexus.so")
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> PathBuf {
        self.folder.join("vectorizer-host")
    }

    /// The default graph server.
    #[must_use]
    pub fn nexus_dev(&self) -> PathBuf {
        self.folder.join("nexus-dev")
    }

    /// The command line.
    #[must_use]
    pub fn nexus_sync(&self) -> PathBuf {
        self.folder.join("nexus-sync")
    }

    /// The shared library of the plugin that misbehaves on demand.
    #[must_use]
    pub fn probe_plugin(&self) -> PathBuf {
        self.folder.join("libprobe_plugin.so")
    }

    /// Puts the plugin into a new folder `plugins` below `parent`, as an operator would: files that nobody else may write.
    ///
    /// # Errors
    /// [`TestError::File`].
    pub fn install_plugin(&self, parent: &Path) -> Result<PathBuf, TestError> {
        self.install(&self.plugin(), "nexus", parent)
    }

    /// Puts a shared library into the folder `plugins` below `parent` as the plugin `name`.
    ///
    /// # Errors
    /// [`TestError::File`].
    pub fn install(&self, library: &Path, name: &str, parent: &Path) -> Result<PathBuf, TestError> {
        use std::os::unix::fs::PermissionsExt;
        let folder = parent.join("plugins");
        let file = folder.join(format!("libvectorizer_plugin_{name}.so"));
        std::fs::create_dir_all(&folder).map_err(|error| TestError::file(&folder, &error))?;
        std::fs::copy(library, &file).map_err(|error| TestError::file(library, &error))?;
        for path in [&folder, &file] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
                .map_err(|error| TestError::file(path, &error))?;
        }
        Ok(folder)
    }
}
