//! Where the parts of a Nexus server are, below one checked base address.

use url::Url;

use super::error::NexusError;

/// The addresses that are asked.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    pub(super) cypher: Url,
    pub(super) health: Url,
    pub(super) stats: Url,
    pub(super) labels: Url,
    pub(super) types: Url,
    /// Whether TLS is spoken.
    pub(super) secure: bool,
}

impl Addresses {
    /// The addresses below `base`.
    ///
    /// # Errors
    ///
    /// [`NexusError::Setup`], without the address: it may hold credentials.
    pub(super) fn below(base: Url) -> Result<Self, NexusError> {
        let base = checked(base)?;
        let join = |path| {
            base.join(path)
                .map_err(|error| NexusError::setup(format!("address: {error}")))
        };
        Ok(Self {
            cypher: join("cypher")?,
            health: join("health")?,
            stats: join("stats")?,
            labels: join("schema/labels")?,
            types: join("schema/rel_types")?,
            secure: base.scheme() == "https",
        })
    }
}

/// The address with a path that ends in `/`, so that others can be joined to it.
fn checked(mut url: Url) -> Result<Url, NexusError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NexusError::setup("the address must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NexusError::setup(
            "the address must not contain credentials; use the API key",
        ));
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(base: &str) -> Result<Addresses, NexusError> {
        Addresses::below(base.parse().unwrap())
    }

    #[test]
    fn a_base_path_is_kept() {
        let addresses = below("https://gateway.example/nexus?x=1#y").unwrap();
        assert_eq!(addresses.cypher.as_str(), "https://gateway.example/nexus/cypher");
        assert_eq!(
            addresses.labels.as_str(),
            "https://gateway.example/nexus/schema/labels"
        );
        assert!(addresses.secure && !below("http://h").unwrap().secure);
    }

    #[test]
    fn an_unusable_address_is_refused_and_not_repeated() {
        for address in ["ftp://127.0.0.1/", "http://user:pw@127.0.0.1/", "unix:/run/nexus"] {
            let error = below(address).unwrap_err();
            assert!(matches!(error, NexusError::Setup { .. }), "{address}");
            assert!(!error.to_string().contains("pw"));
        }
    }
}
