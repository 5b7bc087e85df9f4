//! Listening, and stopping without cutting anyone short.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long requests under way may go on after the shutdown began. One that is cut short then was not
/// acknowledged; one that was acknowledged is durable.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until `shutdown` is done, then takes no new requests and lets those under way finish, for ten
/// seconds at most.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_with_grace(listener, router, shutdown, GRACE).await
}

async fn serve_with_grace(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> io::Result<()> {
    let (began, has_begun) = oneshot::channel();
    let signal = async move {
        shutdown.await;
        // Fails only when nobody waits any more.
        let _ = began.send(());
    };
    let deadline = async move {
        match has_begun.await {
            Ok(()) => tokio::time::sleep(grace).await,
            // The server ended by itself; its result counts.
            Err(_) => std::future::pending().await,
        }
    };
    // Small answers are sent at once.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps waiting for more to send");
        }
    });
    tokio::select! {
        result = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(signal)
            .into_future() => result,
        () = deadline => {
            tracing::warn!("requests still under way after the shutdown's grace were cut short");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use tokio::net::TcpStream;

    use super::*;

    async fn slow_server(
        request: Duration,
        grace: Duration,
    ) -> (
        TcpStream,
        oneshot::Sender<()>,
        tokio::task::JoinHandle<io::Result<()>>,
    ) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handler = move || async move {
            tokio::time::sleep(request).await;
            "done"
        };
        let router = Router::new().route("/", get(handler));
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let server = tokio::spawn(serve_with_grace(listener, router, shutdown, grace));
        let mut client = TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        (client, stop, server)
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_during_shutdown() {
        let (mut client, stop, server) =
            slow_server(Duration::from_millis(300), Duration::from_secs(10)).await;
        stop.send(()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_does_not_hold_up_the_shutdown() {
        let (_client, stop, server) = slow_server(Duration::from_secs(60), Duration::from_millis(100)).await;
        let begun = Instant::now();
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
}
