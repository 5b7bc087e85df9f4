//! TLS for the client: rustls with the ring provider, the roots of the operating system, and those of a private CA.
//!
//! The configuration is always handed over ready-made. The plugin is a shared library and must
//! neither depend on nor install a process-wide crypto provider.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::error::NexusError;

/// The configuration; without roots when TLS is not spoken. The certificates of `ca_file` are trusted as well as those
/// of the operating system.
///
/// # Errors
///
/// [`NexusError::Setup`] when there are no usable root certificates, or `ca_file` holds none. The file is named, its
/// content is not shown.
pub(crate) fn client_config(secure: bool, ca_file: Option<&Path>) -> Result<ClientConfig, NexusError> {
    let unusable = |error: rustls::Error| NexusError::setup(format!("TLS: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?;
    if !secure {
        if ca_file.is_some() {
            return Err(NexusError::setup("connection.ca_file needs an https address"));
        }
        let none = builder.with_root_certificates(RootCertStore::empty());
        return Ok(none.with_no_client_auth());
    }
    let private = ca_file.map(private_roots).transpose()?;
    let verifier = Verifier::new_with_extra_roots(private.unwrap_or_default(), provider).map_err(unusable)?;
    // "Dangerous" is to choose a verifier; this one is the platform's own.
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// The certificates of `connection.ca_file`, every one of them usable as a root.
fn private_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, NexusError> {
    let unusable = |what: &str| NexusError::setup(format!("connection.ca_file: '{}' {what}", file.display()));
    let text = std::fs::read(file).map_err(|error| unusable(&format!("cannot be read: {}", error.kind())))?;
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|_| unusable("is no PEM file"))?;
    if certificates.is_empty() {
        return Err(unusable("holds no certificate in PEM form"));
    }
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates.iter().enumerate() {
        roots
            .add(certificate.clone())
            .map_err(|_| unusable(&format!("holds no usable certificate at position {}", index + 1)))?;
    }
    Ok(certificates)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
