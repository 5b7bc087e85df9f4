//! The credentials of this server's own calls: a token of Vectorizer (JWT), got by logging in, renewed before it expires.
//!
//! Invariants:
//! - Neither password nor token is in a log, an error or `Debug`.
//! - A login that was refused is not tried again for [`REFUSAL`]: Vectorizer counts such attempts, and locks the user out.
//! - Several calls that find the token gone make one login.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;

use super::config::UpstreamConfig;
use super::fault::CallFault;
use crate::config::Secret;

/// How long a refused login stands.
const REFUSAL: Duration = Duration::from_secs(30);

/// Makes one call, with this token where there is one: path, body, token.
pub(super) type Post<'a> = dyn Fn(&str, &serde_json::Value, Option<&str>) -> Result<Grant, CallFault> + 'a;

/// What Vectorizer answers to a login or a renewal.
#[derive(Deserialize)]
pub(super) struct Grant {
    access_token: String,
    /// In seconds.
    expires_in: u64,
}

/// See the [module](self).
pub(super) struct Session {
    user: Option<(String, Secret)>,
    state: Mutex<State>,
}

enum State {
    LoggedOut,
    LoggedIn {
        token: String,
        renew_at: Instant,
        until: Instant,
    },
    Refused {
        why: CallFault,
        until: Instant,
    },
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(config: &UpstreamConfig) -> Self {
        Self {
            user: config.username.clone().zip(config.password.clone()),
            state: Mutex::new(State::LoggedOut),
        }
    }

    /// A token that is good for now; `None` where calls are made without.
    pub(super) fn token(&self, now: Instant, post: &Post<'_>) -> Result<Option<String>, CallFault> {
        let Some((name, password)) = &self.user else {
            return Ok(None);
        };
        let mut state = self.state.lock();
        let renewed = match &*state {
            State::Refused { why, until } if now < *until => return Err(why.clone()),
            State::LoggedIn { token, renew_at, .. } if now < *renew_at => return Ok(Some(token.clone())),
            // One that cannot be renewed may be got anew.
            State::LoggedIn { token, until, .. } if now < *until => {
                post("/auth/refresh", &json!({}), Some(token)).ok()
            }
            State::LoggedIn { .. } | State::LoggedOut | State::Refused { .. } => None,
        };
        let granted = match renewed {
            Some(grant) => Ok(grant),
            None => {
                let login = json!({"username": name, "password": password.reveal()});
                post("/auth/login", &login, None)
            }
        };
        match granted {
            Ok(grant) => {
                let life = Duration::from_secs(grant.expires_in);
                *state = State::LoggedIn {
                    token: grant.access_token.clone(),
                    renew_at: now + life.mul_f64(0.8),
                    until: now + life,
                };
                Ok(Some(grant.access_token))
            }
            Err(fault) => {
                let refused = fault.of_login();
                *state = match refused.is_lasting() {
                    true => {
                        tracing::error!(error = %refused, "Vectorizer refuses the configured user");
                        State::Refused {
                            why: refused.clone(),
                            until: now + REFUSAL,
                        }
                    }
                    false => State::LoggedOut,
                };
                Err(refused)
            }
        }
    }

    /// Vectorizer does not know this token any more. True: another one can be had.
    pub(super) fn forget(&self, token: &str) -> bool {
        let mut state = self.state.lock();
        if matches!(&*state, State::LoggedIn { token: held, .. } if held == token) {
            *state = State::LoggedOut;
        }
        self.user.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn session() -> Session {
        let config = serde_json::from_value(json!({"username": "u", "password": "s3cret"})).unwrap();
        Session::new(&config)
    }

    /// Grants `t1`, `t2`, … for an hour and notes what was asked.
    fn granting(
        asked: &RefCell<Vec<String>>,
    ) -> impl Fn(&str, &serde_json::Value, Option<&str>) -> Result<Grant, CallFault> {
        move |path, _, token| {
            let mut asked = asked.borrow_mut();
            asked.push(format!("{path} {}", token.unwrap_or("-")));
            Ok(Grant {
                access_token: format!("t{}", asked.len()),
                expires_in: 3600,
            })
        }
    }

    #[test]
    fn a_token_is_used_until_it_ages_and_then_renewed() {
        let (session, asked) = (session(), RefCell::default());
        let post = granting(&asked);
        let begin = Instant::now();
        let at = |minutes: u64| {
            let now = begin + Duration::from_secs(60 * minutes);
            session.token(now, &post).unwrap().unwrap()
        };
        assert_eq!(
            [at(0), at(47), at(49), at(90), at(200)],
            ["t1", "t1", "t2", "t2", "t3"]
        );
        assert_eq!(
            *asked.borrow(),
            ["/auth/login -", "/auth/refresh t1", "/auth/login -"],
            "one that ran out cannot be renewed"
        );
    }

    #[test]
    fn a_token_that_vectorizer_forgot_is_got_anew() {
        let (session, asked) = (session(), RefCell::default());
        let post = granting(&asked);
        let now = Instant::now();
        assert_eq!(session.token(now, &post).unwrap().unwrap(), "t1");
        assert!(session.forget("t1"));
        assert_eq!(session.token(now, &post).unwrap().unwrap(), "t2");
        session.forget("t1");
        assert_eq!(
            session.token(now, &post).unwrap().unwrap(),
            "t2",
            "that was another one"
        );
    }

    #[test]
    fn a_refused_login_is_not_repeated_at_once_and_one_that_failed_is() {
        let session = session();
        let attempts = RefCell::new(0);
        let refusing = |status: u16| {
            let attempts = &attempts;
            move |_: &str, _: &serde_json::Value, _: Option<&str>| {
                *attempts.borrow_mut() += 1;
                Err(CallFault::Status {
                    status,
                    error_type: String::new(),
                    message: "no".to_owned(),
                })
            }
        };
        let now = Instant::now();
        for _ in 0..3 {
            session.token(now, &refusing(503)).err().unwrap();
        }
        assert_eq!(attempts.replace(0), 3);
        for _ in 0..3 {
            session.token(now, &refusing(401)).err().unwrap();
        }
        assert_eq!(*attempts.borrow(), 1);
        session.token(now + REFUSAL, &refusing(401)).err().unwrap();
        assert_eq!(*attempts.borrow(), 2);
    }

    #[test]
    fn without_a_user_there_is_no_login_and_nothing_secret_is_shown() {
        let anonymous = Session::new(&UpstreamConfig::default());
        let post = |_: &str, _: &serde_json::Value, _: Option<&str>| panic!("nobody to log in");
        assert_eq!(anonymous.token(Instant::now(), &post).unwrap(), None);
        assert!(!anonymous.forget("t"));
        assert!(!format!("{:?}", session()).contains("s3cret"));
    }
}
