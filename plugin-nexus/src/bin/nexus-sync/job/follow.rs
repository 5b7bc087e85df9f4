//! Watching a job until it ends.
//!
//! Invariants: watching changes nothing, so whoever stops, for whatever reason, leaves the job as it is; a host that is away for a
//! while (a restart) does not end it, since jobs outlive that.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::progress::Progress;
use super::{Job, State, get};
use crate::error::Error;
use crate::session::Session;

/// How long a host may be away.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How a watch ended.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The job did.
    Ended(Value, Box<Job>),
    /// Somebody does not want to wait; with what was seen last.
    Interrupted(Option<Value>),
}

/// How jobs are watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Follow {
    patience: Duration,
}

impl Default for Follow {
    fn default() -> Self {
        Self { patience: PATIENCE }
    }
}

impl Follow {
    /// Watches a job.
    pub(crate) async fn job(self, session: &Session, id: &str) -> Result<Followed, Error> {
        let mut seen = None;
        let mut progress = Progress::new(session.output);
        let watched = tokio::select! {
            watched = self.watch(session, id, &mut progress, &mut seen) => Some(watched),
            () = interrupted() => None,
        };
        progress.clear();
        match watched {
            Some(Ok((value, job))) => Ok(Followed::Ended(value, Box::new(job))),
            Some(Err(error)) => {
                session.output.note(&format!(
                    "job {id} may go on; see: nexus-sync jobs show {id} --follow"
                ));
                Err(error)
            }
            None => {
                session.output.tell(&format!(
                    "job {id} goes on\n  follow it: nexus-sync jobs show {id} --follow\n  cancel it: nexus-sync jobs cancel {id}"
                ));
                Ok(Followed::Interrupted(seen))
            }
        }
    }

    async fn watch(
        self,
        session: &Session,
        id: &str,
        progress: &mut Progress,
        seen: &mut Option<Value>,
    ) -> Result<(Value, Job), Error> {
        let mut pause = SHORTEST_PAUSE;
        let mut answered = Instant::now();
        let (mut away, mut paused) = (false, false);
        loop {
            match get(session, id).await {
                Ok((value, job)) => {
                    answered = Instant::now();
                    away = false;
                    progress.show(&job);
                    if job.state.is_end() {
                        return Ok((value, job));
                    }
                    if job.state == State::Paused && !paused {
                        session.output.note(&format!(
                            "job {id} is paused; it goes on with: nexus-sync jobs resume {id}"
                        ));
                    }
                    paused = job.state == State::Paused;
                    *seen = Some(value);
                }
                Err(error) if error.is_transient() && answered.elapsed() < self.patience => {
                    if !away {
                        session.output.note(&format!("{error}; trying again"));
                    }
                    away = true;
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

/// Done at Ctrl-C; never where that cannot be heard.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use crate::stand_in::{Reply, StandIn};

    fn following(replies: Vec<Reply>) -> (StandIn, Session) {
        let next = AtomicUsize::new(0);
        let host = StandIn::start(move |_| {
            let at = next.fetch_add(1, Ordering::SeqCst).min(replies.len() - 1);
            replies[at].clone()
        });
        let session = Session::quiet(host.client());
        (host, session)
    }

    fn job(state: &str) -> Reply {
        Reply::Json(200, json!({"id": "7", "state": state}))
    }

    #[tokio::test]
    async fn a_host_that_is_away_for_a_moment_does_not_end_it() {
        let away = Reply::Json(503, json!({"message": "starting"}));
        let (host, session) = following(vec![
            job("queued"),
            away,
            Reply::Half,
            job("running"),
            job("done"),
        ]);
        let followed = Follow::default().job(&session, "7").await.unwrap();
        assert!(matches!(followed, Followed::Ended(_, job) if job.state == State::Done));
        assert_eq!(host.asked().len(), 5);
    }

    #[tokio::test]
    async fn what_does_not_pass_by_itself_ends_it_at_once() {
        for (reply, code) in [
            (Reply::Json(404, json!({"message": "no such job"})), 5),
            (Reply::Json(401, json!({"message": "no"})), 4),
            (Reply::Json(200, json!({"state": 7})), 5),
        ] {
            let (host, session) = following(vec![reply]);
            let error = Follow::default().job(&session, "7").await.unwrap_err();
            assert_eq!(error.code() as u8, code, "{error}");
            assert_eq!(host.asked().len(), 1);
        }
    }

    #[tokio::test]
    async fn patience_ends() {
        let session = Session::quiet(crate::stand_in::client("http://127.0.0.1:1", None));
        let follow = Follow {
            patience: Duration::from_millis(300),
        };
        let error = follow.job(&session, "7").await.unwrap_err();
        assert_eq!(error.code() as u8, 3, "{error}");
    }
}
