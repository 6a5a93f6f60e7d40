//! What keeps a server from starting, or ends it.

use std::io;
use std::net::SocketAddr;

/// A result whose error is this crate's.
pub type Result<T> = std::result::Result<T, Error>;

/// Every message is complete as it is displayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", match source.kind() {
        io::ErrorKind::AddrInUse => "the port is in use; name another one, or 0 for any that is free".to_owned(),
        io::ErrorKind::PermissionDenied => format!("{source}; ports below 1024 need rights of the system's"),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address; 127.0.0.1 is the machine itself".to_owned(),
        _ => source.to_string(),
    })]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A setting that makes no server.
    #[error("{name} = {value}: expected {expected}")]
    Setting {
        /// Which.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it could be.
        expected: String,
    },
    /// Threads that cannot be had.
    #[error("cannot start threads: {0}")]
    Threads(String),
    /// The options in force, or the environment, are none that plans can be made with.
    #[error(transparent)]
    Pipeline(#[from] diffplan_pipelines::Error),
    /// Of the environment.
    #[error(transparent)]
    Eval(#[from] diffplan_eval::Error),
}
