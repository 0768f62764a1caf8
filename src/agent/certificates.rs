//! Keys and certificates of the daemon. They are read again when a file changes; sessions that are there live on.

use std::sync::Arc;

use tracing::{info, warn};

use super::watch::WatchedFile;
use crate::tls::{Credentials, LoadError, Settings};

/// The files of `[tls]`, and what was made of them.
pub(super) struct Certificates {
    credentials: Arc<Credentials>,
    files: [WatchedFile; 3],
    problem: Option<String>,
}

impl Certificates {
    /// Reads the files for the first time.
    pub(super) fn load(settings: &Settings) -> Result<Self, LoadError> {
        let Settings { private_key, certificate, ca_certificate, .. } = settings;
        let files = [private_key, certificate, ca_certificate].map(|file| WatchedFile::new(file.clone()));
        let credentials = Arc::new(Credentials::load(settings.clone())?);
        Ok(Self { credentials, files, problem: None })
    }

    /// What sessions are made with.
    pub(super) fn credentials(&self) -> Arc<Credentials> {
        self.credentials.clone()
    }

    /// Why the files are not what is in force, if they were refused.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// True if a file is another than the last that was read.
    pub(super) fn changed(&mut self) -> bool {
        self.files.iter_mut().any(WatchedFile::changed)
    }

    /// Reads the files again.
    pub(super) fn reload(&mut self) {
        self.files.iter_mut().for_each(WatchedFile::remember);
        self.problem = match self.credentials.reload() {
            Ok(()) => {
                info!(certificate = %self.credentials.settings().certificate.display(), "certificates read");
                None
            }
            Err(error) => {
                warn!("certificates refused, the last good ones stay in force: {error}");
                Some(error.to_string())
            }
        };
    }
}
