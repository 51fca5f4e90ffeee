//! The clients of all servers in use, so that sites with the same server share its connections and limits.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::client::{Client, Hook};
use super::error::QueryError;
use super::settings::Settings;

/// A client that nobody asked for this long is forgotten, and with it the credentials that it holds.
const FORGET_AFTER: Duration = Duration::from_hours(1);

/// Clients by their settings. A change of a credential or certificate makes another client.
pub struct Clients {
    permits: Arc<Semaphore>,
    hook: Hook,
    known: Mutex<HashMap<Settings, (Client, Instant)>>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl Clients {
    /// No clients yet; `concurrency` requests at a time over all of them, and `hook` after each.
    pub fn new(concurrency: usize, hook: Hook) -> Self {
        Self { permits: Arc::new(Semaphore::new(concurrency)), hook, known: Mutex::default() }
    }

    /// The client for `settings`, made when there is none. Errors: [`QueryError::Misconfigured`].
    pub fn get(&self, settings: &Settings) -> Result<Client, QueryError> {
        self.get_at(settings, Instant::now())
    }

    fn get_at(&self, settings: &Settings, now: Instant) -> Result<Client, QueryError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((client, used)) = known.get_mut(settings) {
            *used = now;
            return Ok(client.clone());
        }
        known.retain(|_, (_, used)| now.saturating_duration_since(*used) < FORGET_AFTER);
        let client = Client::new(settings, Arc::clone(&self.permits), Arc::clone(&self.hook))?;
        known.insert(settings.clone(), (client.clone(), now));
        Ok(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_decide_the_client_and_idle_ones_are_forgotten() {
        let clients = Clients::new(4, Arc::new(|_| {}));
        let settings = |port: u16| Settings {
            url: format!("http://127.0.0.1:{port}"),
            timeout: Duration::from_secs(1),
            auth: None,
            ca_pem: None,
        };
        let count = || clients.known.lock().unwrap().len();
        let start = Instant::now();
        clients.get_at(&settings(1), start).unwrap();
        clients.get_at(&settings(1), start).unwrap();
        assert_eq!(count(), 1);
        clients.get_at(&settings(2), start + Duration::from_secs(1)).unwrap();
        assert_eq!(count(), 2);
        // An hour after the first was last used it goes; the second is a second younger.
        clients.get_at(&settings(3), start + FORGET_AFTER).unwrap();
        assert_eq!(count(), 2);
        clients.get_at(&Settings { url: "ftp://x".into(), ..settings(4) }, start + FORGET_AFTER).unwrap_err();
        assert_eq!(count(), 2);
    }
}
