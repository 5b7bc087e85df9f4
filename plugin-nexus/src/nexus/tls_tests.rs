//! A server with a certificate of a private CA that is made for the test.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::graph::catalogue;
use crate::graph::schema::NodeLabel;
use crate::nexus::faulty_server::{Reply, Server, session};
use crate::nexus::{FaultClass, NexusClient, NexusConfig};

struct TlsServer {
    url: String,
    ca: String,
}

impl TlsServer {
    /// Answers `/health` and statements over TLS.
    async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &ca)
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut request = [0; 4_096];
                    let _ = stream.read(&mut request).await;
                    let body = if request.starts_with(b"GET /health ") {
                        r#"{"version":"2.5.0","uptime_seconds":900}"#
                    } else {
                        r#"{"columns":["n"],"rows":[[3]]}"#
                    };
                    let length = body.len();
                    let head =
                        format!("HTTP/1.1 200 X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { url, ca: ca.pem() }
    }

    fn config(&self) -> NexusConfig {
        NexusConfig::new(self.url.parse().unwrap())
    }
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_its_file_is_given() {
    let server = TlsServer::start().await;
    let ca = file(&server.ca);
    let mut config = server.config();
    config.ca_file = Some(ca.path().to_owned());
    let client = Arc::new(NexusClient::new(config).unwrap());
    let session = session(&client).await;
    let rows = session
        .run(&catalogue::nodes::count_nodes(NodeLabel::Document))
        .await
        .unwrap();
    assert_eq!(rows.rows().len(), 1);
}

#[tokio::test]
async fn a_private_ca_is_not_trusted_by_itself_nor_for_another_ca() {
    let (server, other) = (TlsServer::start().await, TlsServer::start().await);
    let ca = file(&other.ca);
    for ca_file in [None, Some(ca.path().to_owned())] {
        let mut config = server.config();
        config.ca_file = ca_file;
        let client = match NexusClient::new(config) {
            Ok(client) => client,
            // A machine without any root certificates trusts nobody either.
            Err(error) => {
                assert!(error.to_string().contains("CA certificates"), "{error}");
                continue;
            }
        };
        let error = client.look().await.unwrap_err();
        assert_eq!(error.class(), FaultClass::Unreachable);
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(!error.may_have_been_applied());
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused_and_no_provider_of_the_process_is_needed() {
    let server = Server::start(|_| Reply::Drop).await;
    let tls = TlsServer::start().await;
    let ca = file(&tls.ca);
    let mut config = server.config();
    config.url.set_scheme("https").unwrap();
    config.ca_file = Some(ca.path().to_owned());
    let error = NexusClient::new(config).unwrap().look().await.unwrap_err();
    // It waits for the end of a request line that never comes.
    assert_eq!(error.class(), FaultClass::Unanswered, "{error:?}");
    assert_eq!(server.seen() + server.looks(), 0);
}

#[test]
fn an_unusable_ca_file_is_named_and_not_shown() {
    let (empty, nonsense, broken, damaged) = (
        file(""),
        file("topsecret"),
        file("-----BEGIN CERTIFICATE-----\ntopsecret\n"),
        file("-----BEGIN CERTIFICATE-----\ndG9wc2VjcmV0\n-----END CERTIFICATE-----\n"),
    );
    for (path, reason) in [
        (Path::new("/nonexistent/ca.pem"), "cannot be read"),
        (Path::new("/"), "cannot be read"),
        (empty.path(), "holds no certificate"),
        (nonsense.path(), "holds no certificate"),
        (broken.path(), "is no PEM file"),
        (damaged.path(), "at position 1"),
    ] {
        let error = client_config(true, Some(path)).unwrap_err();
        assert!(matches!(error, NexusError::Setup { .. }));
        let printed = format!("{error} {error:?}");
        assert!(printed.contains("connection.ca_file"), "{printed}");
        assert!(printed.contains(path.to_str().unwrap()), "{printed}");
        assert!(printed.contains(reason), "{printed}");
        assert!(
            !printed.contains("topsecret") && !printed.contains("dG9w"),
            "{printed}"
        );
    }
    let error = client_config(false, Some(empty.path())).unwrap_err();
    assert!(error.to_string().contains("https"), "{error}");
}
