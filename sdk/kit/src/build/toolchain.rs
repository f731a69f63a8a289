//! A compiler that can build for wasm32: the installed one, one with the target added by rustup, or Debian's, which
//! builds the standard library from its own source.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

use crate::Workshop;
use crate::process::{has, output, run, try_for};

const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler, its cargo that can build std for the web, and std's source.
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// How the plugins are built.
#[derive(Debug)]
pub enum Toolchain {
    /// The one that builds everything else, with std for wasm32 installed.
    Installed,
    /// Debian's in `/usr/bin`, with this linker.
    Debian {
        /// A linker for wasm.
        linker: PathBuf,
    },
}

/// What of a workspace is built.
#[derive(Debug, Clone, Copy)]
pub enum Selection<'a> {
    /// Every plugin, from what the lock file says.
    Plugins,
    /// One package.
    Package(&'a str),
}

impl Toolchain {
    /// The first that is at hand, then the first that can be fetched.
    ///
    /// # Errors
    /// None can be had.
    pub fn find(workshop: &Workshop) -> Result<Self> {
        if has_target() {
            return Ok(Toolchain::Installed);
        }
        if let Some(debian) = debian() {
            return Ok(debian);
        }
        if has("rustup") {
            workshop.say(format!("plugins: adding {TARGET} with rustup (at most 60 s)"));
            let mut rustup = Command::new("rustup");
            if try_for(Duration::from_mins(1), rustup.args(["target", "add", TARGET])) && has_target() {
                return Ok(Toolchain::Installed);
            }
            workshop.say("plugins: rustup could not add it");
        }
        workshop.install(&DEBIAN_PACKAGES, "building plugins without rustup's wasm32 target")?;
        if debian().is_none() {
            // rust-lld came with neither toolchain.
            workshop.install(&["lld"], "linking plugins")?;
        }
        match debian() {
            Some(debian) => Ok(debian),
            None => bail!(
                "no compiler for {TARGET}: add it with `rustup target add {TARGET}`, or install {} and lld",
                DEBIAN_PACKAGES.join(", ")
            ),
        }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Installed => format!("the installed toolchain's {TARGET}"),
            Self::Debian { .. } => "Debian's rustc, which builds std first (about a minute the first time)".to_owned(),
        }
    }

    /// The compiler, as it names itself.
    ///
    /// # Errors
    /// It does not.
    pub fn version(&self) -> Result<String> {
        let rustc = match self {
            Self::Installed => "rustc",
            Self::Debian { .. } => "/usr/bin/rustc",
        };
        output(Command::new(rustc).arg("--version")).with_context(|| format!("{rustc} does not tell its version"))
    }

    /// Builds plugins of a workspace in release; the folder with the core modules.
    ///
    /// # Errors
    /// Cargo's, which is in sight.
    pub fn build(&self, workspace: &Path, selection: Selection<'_>, workshop: &Workshop) -> Result<PathBuf> {
        // One for all plugins of this machine, so that the standard library is compiled once. Not the folder of the cargo
        // that may be running this: a build would wait for its lock.
        let target_dir = workshop.tool("rust-target");

        let mut cargo = match self {
            Self::Installed => Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
            Self::Debian { linker } => {
                let mut cargo = Command::new("/usr/bin/cargo");
                // Cargo takes rustc from PATH; rustup's shims must not be found first, nor told which toolchain to be.
                let path = env::var_os("PATH").unwrap_or_default();
                let path = env::join_paths([PathBuf::from("/usr/bin")].into_iter().chain(env::split_paths(&path)))?;
                cargo.env("PATH", path).env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"] {
                    cargo.env_remove(variable);
                }
                cargo
            }
        };
        cargo.args(["build", "--release", "--lib", "--target", TARGET]);
        match selection {
            Selection::Plugins => cargo.args(["--workspace", "--exclude", "trunkline-plugin", "--locked"]),
            Selection::Package(name) => cargo.args(["--package", name]),
        };
        cargo.arg("--target-dir").arg(&target_dir).current_dir(workspace);
        if matches!(self, Self::Debian { .. }) {
            cargo.arg("-Zbuild-std=std,panic_abort");
        }
        // Flags meant for this machine's compiler are none for the guest's.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
        run(&mut cargo)?;
        Ok(target_dir.join(TARGET).join("release"))
    }
}

/// Whether the toolchain in use has std for wasm32.
fn has_target() -> bool {
    sysroot("rustc").is_some_and(|sysroot| {
        let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
        fs::read_dir(libraries).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
        })
    })
}

/// Debian's toolchain, when all of it is installed.
fn debian() -> Option<Toolchain> {
    let compiler = Path::new("/usr/bin/rustc");
    let all = compiler.is_file() && Path::new("/usr/bin/cargo").is_file() && has_source(compiler);
    all.then(linker).flatten().map(|linker| Toolchain::Debian { linker })
}

/// Whether a compiler's own copy of std's source is there.
fn has_source(compiler: &Path) -> bool {
    sysroot(compiler).is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file())
}

/// A linker for wasm: the one inside rustup's toolchain, or Debian's.
fn linker() -> Option<PathBuf> {
    let inside =
        sysroot("rustc").zip(host()).map(|(sysroot, host)| sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"));
    let debian = ["/usr/bin/rust-lld", "/usr/bin/wasm-ld"].map(PathBuf::from);
    inside.into_iter().chain(debian).find(|linker| linker.is_file())
}

fn sysroot(compiler: impl AsRef<std::ffi::OsStr>) -> Option<PathBuf> {
    output(Command::new(compiler).args(["--print", "sysroot"])).map(PathBuf::from)
}

fn host() -> Option<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}
