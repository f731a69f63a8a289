//! Which version of each stage runs, beyond what the configuration says: versions that were swapped in live on after a
//! restart, and the ones before them can be had back.
//!
//! In the component cache's folder: `versions.json`, and in `kept/` the components that it names. A configured file
//! that has changed since speaks last: it takes the place of what was swapped in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Versions before the running one that are kept for a rollback.
const HISTORY: usize = 8;

/// A stage as one customer has it, or all who have none of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeatName {
    /// By its name in `[plugins]`.
    pub plugin: Arc<str>,
    /// Whose own it is.
    pub customer: Option<Arc<str>>,
}

impl SeatName {
    /// Of a plugin, and the customer whose own it is.
    pub fn new(plugin: &str, customer: Option<&str>) -> Self {
        Self { plugin: plugin.into(), customer: customer.map(Into::into) }
    }

    /// `lrn`, or `lrn of acme`.
    fn key(&self) -> String {
        self.customer.as_ref().map_or_else(|| self.plugin.to_string(), |customer| format!("{customer}/{}", self.plugin))
    }

    fn of_key(key: &str) -> Self {
        match key.split_once('/') {
            Some((customer, plugin)) => Self::new(plugin, Some(customer)),
            None => Self::new(key, None),
        }
    }
}

impl std::fmt::Display for SeatName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.customer {
            Some(customer) => write!(f, "{} of {customer}", self.plugin),
            None => f.write_str(&self.plugin),
        }
    }
}

/// What runs in a stage's place. Digests are whole: 64 hexadecimal digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Version {
    /// The component that the configuration names, when the running one was chosen.
    pub configured: String,
    /// What runs.
    pub running: String,
    /// What ran before, the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<String>,
    /// What was taken back: a configured canary of it is not tried again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub taken_back: BTreeSet<String>,
}

impl Version {
    fn run(&mut self, configured: &str, running: &str) {
        configured.clone_into(&mut self.configured);
        self.taken_back.remove(running);
        if self.running != running && !self.running.is_empty() {
            self.before.push(std::mem::take(&mut self.running));
            let excess = self.before.len().saturating_sub(HISTORY);
            self.before.drain(..excess);
        }
        running.clone_into(&mut self.running);
    }
}

/// The state of all stages.
#[derive(Debug)]
pub struct Versions {
    folder: PathBuf,
    /// A check or a dry run looks and changes nothing.
    writable: bool,
    by_seat: Mutex<BTreeMap<String, Version>>,
    /// Components that are in use beyond what the state says: on trial.
    guarded: Mutex<BTreeSet<String>>,
}

impl Versions {
    /// Reads the state, where there is one. An unreadable one is told and left where it is; the configuration alone
    /// speaks then.
    pub fn open(folder: PathBuf, writable: bool) -> Self {
        let path = folder.join("versions.json");
        let by_seat = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "versions that were swapped in are not known");
                BTreeMap::new()
            }
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "versions that were swapped in are not known");
                BTreeMap::new()
            }),
        };
        Self { folder, writable, by_seat: Mutex::new(by_seat), guarded: Mutex::default() }
    }

    /// What is known of a seat.
    pub fn of(&self, seat: &SeatName) -> Option<Version> {
        self.lock().get(&seat.key()).cloned()
    }

    /// The customers' seats that exist because something was swapped in there.
    pub fn own_seats(&self) -> Vec<SeatName> {
        let by_seat = self.lock();
        by_seat.keys().map(|key| SeatName::of_key(key)).filter(|seat| seat.customer.is_some()).collect()
    }

    /// The running component is `running` from now on; the one before can be had back.
    pub fn run(&self, seat: &SeatName, configured: &str, running: &str) {
        self.change(|by_seat| by_seat.entry(seat.key()).or_default().run(configured, running));
    }

    /// As [`Versions::run`], of many, each with what is configured and what runs.
    pub fn run_all(&self, running: Vec<(SeatName, String, String)>) {
        self.change(|by_seat| {
            for (seat, configured, running) in running {
                by_seat.entry(seat.key()).or_default().run(&configured, &running);
            }
        });
    }

    /// These components are in use: their bytes stay.
    pub fn guard(&self, digests: BTreeSet<String>) {
        *self.guarded.lock().unwrap_or_else(PoisonError::into_inner) = digests;
    }

    /// This one did not stand its trial.
    pub fn take_back(&self, seat: &SeatName, digest: &str) {
        self.change(|by_seat| {
            by_seat.entry(seat.key()).or_default().taken_back.insert(digest.to_owned());
        });
    }

    /// The last one before runs again.
    pub fn back(&self, seat: &SeatName) {
        self.change(|by_seat| {
            let version = by_seat.entry(seat.key()).or_default();
            if let Some(before) = version.before.pop() {
                let left = std::mem::replace(&mut version.running, before);
                version.taken_back.insert(left);
            }
        });
    }

    /// Keeps a component's bytes, so that it can run after a restart and be had back.
    ///
    /// # Errors
    ///
    /// The disk.
    pub fn keep(&self, digest: &str, bytes: &[u8]) -> std::io::Result<()> {
        let path = self.kept(digest);
        if !self.writable || path.is_file() {
            return Ok(());
        }
        self.write(&path, bytes)
    }

    /// The file of a kept component.
    pub fn kept(&self, digest: &str) -> PathBuf {
        self.folder.join("kept").join(format!("{digest}.wasm"))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Version>)) {
        let mut by_seat = self.lock();
        let before = by_seat.clone();
        change(&mut by_seat);
        if *by_seat == before || !self.writable {
            return;
        }
        let saved = serde_json::to_vec_pretty(&*by_seat).map_err(std::io::Error::other);
        let saved = saved.and_then(|text| self.write(&self.folder.join("versions.json"), &text));
        if let Err(error) = saved {
            tracing::error!(%error, "the running versions are not written down: a restart will not know of a change");
        }
        self.clear_away(&by_seat);
    }

    /// Removes kept components that no seat runs or can have back.
    fn clear_away(&self, by_seat: &BTreeMap<String, Version>) {
        let named: BTreeSet<&str> = by_seat
            .values()
            .flat_map(|version| version.before.iter().chain([&version.running]).map(String::as_str))
            .collect();
        let guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(files) = fs::read_dir(self.folder.join("kept")) else { return };
        for path in files.flatten().map(|file| file.path()) {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if path.extension().is_some_and(|ending| ending == "wasm")
                && !named.contains(name)
                && !guarded.contains(name)
            {
                let _ = fs::remove_file(&path);
            }
        }
    }

    /// Whole or not at all.
    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(&self.folder);
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut draft = tempfile::NamedTempFile::new_in(folder)?;
        draft.write_all(bytes)?;
        draft.as_file().sync_all()?;
        draft.persist(path).map(drop).map_err(|error| error.error)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Version>> {
        self.by_seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The digest of a component's bytes: 64 hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_swapped_in_is_known_after_a_restart_and_the_one_before_can_be_had_back() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Versions::open(folder.path().join("components"), true);
        let seat = SeatName::new("lrn", Some("acme"));
        let versions = open();
        for (digest, bytes) in [("a", b"a"), ("b", b"b"), ("c", b"c")] {
            versions.keep(digest, bytes).unwrap();
            versions.run(&seat, "a", digest);
        }
        let versions = open();
        assert_eq!(versions.of(&seat).unwrap().running, "c");
        assert_eq!(versions.own_seats(), std::slice::from_ref(&seat));
        versions.back(&seat);
        let version = open().of(&seat).unwrap();
        assert_eq!((version.running.as_str(), version.before), ("b", vec!["a".to_owned()]));
        assert!(version.taken_back.contains("c"));
        assert!(versions.kept("b").is_file() && !versions.kept("c").is_file(), "only what can run again is kept");
        versions.back(&seat);
        versions.back(&seat);
        assert_eq!(open().of(&seat).unwrap().running, "a", "there is none before the first");
    }

    #[test]
    fn a_dry_run_changes_nothing_and_an_unreadable_state_is_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let seat = SeatName::new("lrn", None);
        let dry = Versions::open(folder.path().to_owned(), false);
        dry.keep("a", b"a").unwrap();
        dry.run(&seat, "a", "a");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("versions.json"), "{ torn").unwrap();
        assert_eq!(Versions::open(folder.path().to_owned(), true).of(&seat), None);
    }
}
