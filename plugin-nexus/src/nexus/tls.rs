//! TLS for the client: rustls with the ring provider and the roots of the operating system.
//!
//! The configuration is always handed over ready-made. The plugin is a shared library and must
//! neither depend on nor install a process-wide crypto provider.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use url::Url;

/// The configuration for a server at `url`; without roots when the address is plain http.
///
/// # Errors
///
/// When the operating system has no usable root certificates.
pub(super) fn client_config(url: &Url) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = if url.scheme() == "https" {
        builder.with_platform_verifier()?
    } else {
        builder.with_root_certificates(RootCertStore::empty())
    };
    Ok(builder.with_no_client_auth())
}
