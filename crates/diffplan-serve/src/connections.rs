//! Connections: no more than so many, none that dawdles, and all of them ended when the server is.

use crate::guard::Peer;
use crate::server::App;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

/// Bytes of a head, and headers in it.
const HEAD: usize = 32 << 10;
const HEADERS: usize = 64;

/// Said to whoever comes when all places are taken.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n\
Content-Length: 85\r\n\r\n{\"error\":{\"kind\":\"busy\",\"message\":\"as many connections are open as this server has\"}}";

/// A place among the connections.
struct Place {
    _permit: OwnedSemaphorePermit,
    app: App,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves until the server is to stop, and then for the time of grace what is being answered.
pub(crate) async fn serve(listener: TcpListener, router: Router, app: App) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(app.settings.connections.min(Semaphore::MAX_PERMITS)));
    let mut stop = app.stop.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopping| *stopping) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                // Of files there are too many open, as a rule: some will be closed.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(permit) => {
                app.metrics.connections.fetch_add(1, Ordering::Relaxed);
                let place = Place {
                    _permit: permit,
                    app: app.clone(),
                };
                connect(stream, peer, router.clone(), place, &graceful);
            }
            Err(_) => {
                app.metrics.refused_connections.fetch_add(1, Ordering::Relaxed);
                refuse(stream).await;
            }
        }
    }
    drop(listener);
    app.episodes.close();
    // What is left after it ends with its connection, which calls its plan off.
    let _ = tokio::time::timeout(app.settings.grace, graceful.shutdown()).await;
}

/// Says so, as far as that takes no time.
async fn refuse(mut stream: TcpStream) {
    let said = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(Duration::from_millis(20), said).await;
}

fn connect(stream: TcpStream, peer: SocketAddr, router: Router, place: Place, graceful: &GracefulShutdown) {
    // Answers are whole when they are written: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let settings = &place.app.settings;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(settings.write_timeout));
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // Clients go away as they like.
        let _ = connection.await;
        drop(place);
    });
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn what_is_said_when_all_places_are_taken_is_whole() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
