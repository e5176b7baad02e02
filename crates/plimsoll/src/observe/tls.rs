//! TLS towards those that take what we send: whom to believe, and what to say when that goes wrong.
//!
//! Certificates are believed that a file of the settings has, or else those that the system believes in. Small images
//! of Node have none of them: then it is those of Mozilla's list, as in Node itself. The files are read with the first
//! connection, and again until that works: a secret may be mounted later.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as AsyncTlsStream;

/// As distributions have it: Debian and Alpine, Fedora, SUSE, and the rest.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// A file that stands for those of the system, by the name that OpenSSL gave it.
const VARIABLE: &str = "SSL_CERT_FILE";

/// A stream for a thread that may wait.
pub(super) type TlsStream<S> = StreamOwned<ClientConnection, S>;

/// What one sink needs for TLS. Made at once, filled when it is used.
#[derive(Debug)]
pub(super) struct Tls {
    /// Instead of those of the system.
    ca: Option<PathBuf>,
    made: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(super) fn new(ca: Option<PathBuf>) -> Self {
        Self { ca, made: OnceLock::new() }
    }

    /// # Errors
    /// The certificates cannot be read, the other side does not speak TLS, or is not who it should be.
    pub(super) async fn connect(
        &self,
        host: &str,
        stream: tokio::net::TcpStream,
    ) -> io::Result<AsyncTlsStream<tokio::net::TcpStream>> {
        TlsConnector::from(self.config()?).connect(name(host)?, stream).await
    }

    /// As [`Self::connect`], for a thread that may wait.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub(super) fn connect_blocking<S: Read + Write>(
        &self,
        host: &str,
        mut stream: S,
    ) -> io::Result<TlsStream<S>> {
        let mut connection = ClientConnection::new(self.config()?, name(host)?).map_err(invalid)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(connection, stream))
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(made) = self.made.get() {
            return Ok(Arc::clone(made));
        }
        let roots = roots(self.ca.as_deref(), std::env::var_os(VARIABLE).as_deref())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::clone(self.made.get_or_init(|| Arc::new(config))))
    }
}

/// What to do about an error of a connection, where it is TLS that went wrong.
pub(super) fn hint(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?;
    if error.is::<Unreadable>() {
        return Some("`ca` (or SSL_CERT_FILE) is a file of certificates in PEM that plimsoll can read");
    }
    Some(match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "set `ca` to the file of the authority that its certificate is from"
        }
        rustls::Error::InvalidCertificate(_) => {
            "its certificate must be valid now, and for the name in the address"
        }
        _ => "see that it speaks TLS at that port",
    })
}

fn roots(ca: Option<&Path>, variable: Option<&OsStr>) -> io::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let given = ca.or(variable.filter(|path| !path.is_empty()).map(Path::new));
    let system = || SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let Some(path) = given.or_else(system) else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(store);
    };
    let unreadable = |why: String| io::Error::other(Unreadable(format!("{}: {why}", path.display())));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
    // The system's may hold one that nobody can read: the others are as good as before.
    let (added, _) = store.add_parsable_certificates(certificates.filter_map(Result::ok));
    if added == 0 {
        return Err(unreadable("no certificate is in it".to_owned()));
    }
    Ok(store)
}

fn name(host: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(host.to_owned()).map_err(invalid)
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

/// The certificates to believe in are not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unreadable(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_to_believe_is_the_file_that_was_given_or_the_system_or_a_list() {
        let directory = tempfile::tempdir().unwrap();
        let (bad, missing) = (directory.path().join("bad.pem"), directory.path().join("missing.pem"));
        std::fs::write(&bad, "no certificate").unwrap();
        for path in [&bad, &missing] {
            for (ca, variable) in [(Some(path.as_path()), None), (None, Some(path.as_os_str()))] {
                let error = roots(ca, variable).unwrap_err();
                assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
                assert!(hint(&error).unwrap().contains("in PEM"), "{error}");
            }
        }
        assert!(!roots(None, None).unwrap().is_empty());
        assert_eq!(hint(&io::Error::from(io::ErrorKind::ConnectionRefused)), None);
    }
}
