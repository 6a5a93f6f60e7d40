//! Work on threads that may be kept busy, called off where nobody waits for it any more.

use crate::problem::Problem;
use diffplan_pipelines::deadline::CancelToken;
use std::sync::{Arc, Mutex, PoisonError};

/// Calls a plan off once it is dropped: what waits for the plan holds it.
pub(crate) struct CallOff(Arc<Call>);

/// What the one who plans looks at.
#[derive(Default)]
pub(crate) struct Call {
    /// That of the request.
    pub(crate) token: CancelToken,
    /// That of a planner with one of its own, while it plans for this request.
    lent: Mutex<Option<CancelToken>>,
}

impl CallOff {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn call(&self) -> Arc<Call> {
        Arc::clone(&self.0)
    }
}

impl Drop for CallOff {
    fn drop(&mut self) {
        self.0.token.cancel();
        if let Some(lent) = &*self.0.lent.lock().unwrap_or_else(PoisonError::into_inner) {
            lent.cancel();
        }
    }
}

impl Call {
    /// Hands this on to a planner's token as well.
    pub(crate) fn lend(&self, token: CancelToken) {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        if self.token.is_cancelled() {
            token.cancel();
        }
        *lent = Some(token);
    }

    /// No longer: its plans are somebody else's from now on.
    pub(crate) fn give_back(&self) {
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// `work` on a thread that may be kept busy. A panic is a problem of ours, told and survived.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(made) => made,
        Err(_) => Err(Problem::internal(
            "diffplan has a fault, please report it: a plan ended in a panic",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_waits_for_is_called_off() {
        let (off, own, others) = (CallOff::new(), CancelToken::new(), CancelToken::new());
        let call = off.call();
        call.lend(own.clone());
        assert!(!own.is_cancelled());
        drop(off);
        assert!(own.is_cancelled() && call.token.is_cancelled());
        call.lend(others.clone());
        assert!(others.is_cancelled());
        let off = CallOff::new();
        let (call, planner) = (off.call(), CancelToken::new());
        call.lend(planner.clone());
        call.give_back();
        drop(off);
        assert!(!planner.is_cancelled());
    }
}
