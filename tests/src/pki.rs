//! Certificates made by openssl, as an operator would: an authority, and what it signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// An authority with a folder for what it signs.
#[derive(Debug)]
pub struct Pki {
    folder: TempDir,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Pki {
    /// A new authority.
    pub fn new() -> Result<Self> {
        let pki = Self { folder: TempDir::with_prefix("trunkline-pki-").context("no temporary folder")? };
        pki.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority \
             -keyout ca.key -out ca.pem",
        )?;
        Ok(pki)
    }

    /// The authority's own certificate.
    pub fn authority(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate for this Common Name, with these subject alternative names, such as `DNS:a.example,IP:127.0.0.1`;
    /// in files of this name, in the place of those that were there.
    pub fn sign(&self, file: &str, common_name: &str, alternative: &str) -> Result<Certificate> {
        let names =
            if alternative.is_empty() { String::new() } else { format!("-addext subjectAltName={alternative}") };
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={common_name} {names} \
             -addext basicConstraints=CA:FALSE -keyout {file}.key -out {file}.csr"
        ))?;
        self.openssl(&format!(
            "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -copy_extensions copy \
             -out {file}.pem"
        ))?;
        Ok(Certificate { certificate: self.path(&format!("{file}.pem")), key: self.path(&format!("{file}.key")) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &str) -> Result<()> {
        let output = Command::new("openssl")
            .current_dir(self.folder.path() as &Path)
            .args(arguments.split_ascii_whitespace())
            .output()
            .context("openssl")?;
        ensure!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}
