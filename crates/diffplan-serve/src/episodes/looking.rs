//! What an episode shows, as a stream of events.

use super::control::{Episode, Listener, Shown};
use crate::server::App;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// Somebody who looks.
struct Looking {
    episode: Arc<Episode>,
    shown: watch::Receiver<Shown>,
    stop: watch::Receiver<bool>,
    /// The number of the last thing that was seen.
    seen: u64,
    waiting: VecDeque<Event>,
    _listener: Listener,
}

pub(super) fn stream(app: &App, episode: Arc<Episode>) -> Response {
    let (listener, mut shown) = episode.listen();
    // The newest frame at once.
    shown.mark_changed();
    let looking = Looking {
        episode,
        shown,
        stop: app.stop.subscribe(),
        seen: 0,
        waiting: VecDeque::new(),
        _listener: listener,
    };
    let alive = KeepAlive::new().interval(app.settings.heartbeat());
    Sse::new(stream::unfold(looking, next))
        .keep_alive(alive)
        .into_response()
}

async fn next(mut looking: Looking) -> Option<(Result<Event, Infallible>, Looking)> {
    loop {
        if let Some(event) = looking.waiting.pop_front() {
            return Some((Ok(event), looking));
        }
        let changed = tokio::select! {
            changed = looking.shown.changed() => changed.is_ok(),
            _ = looking.stop.wait_for(|stopping| *stopping) => false,
        };
        if !changed {
            return None;
        }
        looking.look();
        if looking.waiting.is_empty() && looking.episode.is_closed() {
            return None;
        }
    }
}

impl Looking {
    /// What is new, in the order in which it was shown.
    fn look(&mut self) {
        let shown = self.shown.borrow_and_update().clone();
        let all = [("frame", shown.frame), ("error", shown.error), ("end", shown.end)];
        let mut new: Vec<_> = all
            .into_iter()
            .filter_map(|(name, one)| {
                one.filter(|(number, _)| *number > self.seen)
                    .map(|(number, text)| (number, name, text))
            })
            .collect();
        new.sort_by_key(|(number, _, _)| *number);
        self.seen = new.last().map_or(self.seen, |(number, _, _)| *number);
        self.waiting.extend(
            new.into_iter()
                .map(|(_, name, text)| Event::default().event(name).data(&*text)),
        );
    }
}
