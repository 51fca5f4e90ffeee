//! Drives a kind: keeps when each resource is due, reconciles a bounded number at once, and never one twice at a time.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::Instant,
};

/// How long reconciles under way may take to end when the process stops.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Shortest and longest wait after a failure.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));

/// When each resource of a kind is due.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    by_time: BTreeSet<(Instant, String)>,
    by_name: HashMap<String, Instant>,
    running: HashSet<String>,
    failures: HashMap<String, u32>,
}

impl State {
    fn set(&mut self, name: &str, at: Instant) {
        if let Some(old) = self.by_name.insert(name.to_owned(), at) {
            self.by_time.remove(&(old, name.to_owned()));
        }
        self.by_time.insert((at, name.to_owned()));
    }
}

impl Queue {
    /// The resource is due at once.
    pub fn now(&self, name: &str) {
        self.at(name, Instant::now());
    }

    /// The resource is due at `at`, or earlier if it was due earlier.
    pub fn at(&self, name: &str, at: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.by_name.get(name).is_none_or(|old| at < *old) {
            state.set(name, at);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// When the resource is due, if it is.
    #[cfg(test)]
    pub fn due(&self, name: &str) -> Option<Instant> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).by_name.get(name).copied()
    }

    /// The resource is gone.
    #[cfg(test)]
    pub fn forget(&self, name: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.by_name.remove(name) {
            state.by_time.remove(&(at, name.to_owned()));
        }
        state.failures.remove(name);
    }

    /// Takes the next resource that is due and not being worked on; else when to look again.
    fn take(&self) -> Result<String, Option<Instant>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let next = state.by_time.iter().find(|(_, name)| !state.running.contains(name)).cloned();
        match next {
            Some((at, name)) if at <= now => {
                state.by_time.remove(&(at, name.clone()));
                state.by_name.remove(&name);
                state.running.insert(name.clone());
                Ok(name)
            }
            Some((at, _)) => Err(Some(at)),
            None => Err(None),
        }
    }

    fn done(&self, name: &str, next: Next) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running.remove(name);
        let wait = match next {
            Next::After(wait) => {
                state.failures.remove(name);
                spread(name, wait)
            }
            Next::Failed => {
                let failures = state.failures.entry(name.to_owned()).or_default();
                *failures = failures.saturating_add(1);
                let wait = BACKOFF.0.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
                spread(name, wait.min(BACKOFF.1))
            }
            Next::Gone => {
                state.failures.remove(name);
                return;
            }
        };
        let at = Instant::now() + wait;
        // It may have become due while it was being worked on.
        if state.by_name.get(name).is_none_or(|old| at < *old) {
            state.set(name, at);
        }
    }
}

/// When to look at a resource again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After this long.
    After(Duration),
    /// It failed: after a growing wait.
    Failed,
    /// It does not exist any more.
    Gone,
}

/// Up to a tenth more, always the same for a name, so that a thousand sites do not ask all at once.
fn spread(name: &str, wait: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let share = hasher.finish() % 1000;
    wait + wait.mul_f64(share as f64 / 10_000.0).min(Duration::from_secs(15))
}

/// Reconciles what is due, at most `concurrency` at once, until `stop` says true; then those under way are waited for,
/// at most [`DRAIN`]. When `leading` says false they are cut off instead. Either way none runs any more when this is done.
pub async fn drive<F, R>(
    queue: Arc<Queue>,
    concurrency: usize,
    mut stop: watch::Receiver<bool>,
    mut leading: watch::Receiver<bool>,
    reconcile: F,
) where
    F: Fn(String) -> R,
    R: Future<Output = Next> + Send + 'static,
{
    let mut running: JoinSet<(String, Next)> = JoinSet::new();
    // Whatever ran when leadership was lost does not run any more.
    queue.state.lock().unwrap_or_else(PoisonError::into_inner).running.clear();
    loop {
        let mut wake = None;
        while running.len() < concurrency {
            match queue.take() {
                Ok(name) => {
                    let work = reconcile(name.clone());
                    let guard = Finished { queue: Arc::clone(&queue), name };
                    running.spawn(async move {
                        let next = work.await;
                        (guard.name.clone(), next)
                    });
                }
                Err(at) => {
                    wake = at;
                    break;
                }
            }
        }
        let sleep = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = turned(&mut stop, true) => break,
            () = turned(&mut leading, false) => {
                running.shutdown().await;
                return;
            }
            () = sleep => {}
            () = queue.changed.notified() => {}
            Some(finished) = running.join_next(), if !running.is_empty() => {
                match finished {
                    Ok((name, next)) => queue.done(&name, next),
                    Err(error) => tracing::error!(%error, "a reconcile ended abnormally"),
                }
            }
        }
    }
    // A write under way must not reach the API server after the lease has been given up.
    let drained = tokio::time::timeout(DRAIN, async { while running.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(left = running.len(), "reconciles under way were cut off");
        running.shutdown().await;
    }
}

/// Waits until `signal` says `to`, or nobody is left to say it.
async fn turned(signal: &mut watch::Receiver<bool>, to: bool) {
    let _ = signal.wait_for(|is| *is == to).await;
}

/// Makes sure that a resource whose reconcile panicked is looked at again.
struct Finished {
    queue: Arc<Queue>,
    name: String,
}

impl Drop for Finished {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue.done(&self.name, Next::Failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_resource_that_becomes_due_while_it_is_worked_on_is_looked_at_again() {
        let queue = Arc::new(Queue::default());
        queue.now("a");
        let runs = Arc::new(AtomicUsize::new(0));
        let (seen, again) = (Arc::clone(&runs), Arc::clone(&queue));
        let (_running, stop) = watch::channel(false);
        let (_lead, leading) = watch::channel(true);
        let driving = tokio::spawn(drive(Arc::clone(&queue), 4, stop, leading, move |name| {
            let (seen, again) = (Arc::clone(&seen), Arc::clone(&again));
            async move {
                if seen.fetch_add(1, Ordering::SeqCst) == 0 {
                    again.now(&name);
                }
                Next::After(Duration::from_hours(1))
            }
        }));
        tokio::time::timeout(Duration::from_mins(1), async {
            while runs.load(Ordering::SeqCst) < 2 {
                tokio::time::advance(Duration::from_millis(10)).await;
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        driving.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time() {
        let queue = Queue::default();
        let mut waits = Vec::new();
        for _ in 0..4 {
            queue.done("a", Next::Failed);
            let at = queue.state.lock().unwrap().by_name["a"];
            waits.push(at - Instant::now());
            queue.state.lock().unwrap().by_name.clear();
            queue.state.lock().unwrap().by_time.clear();
        }
        assert!(waits.windows(2).all(|pair| pair[1] > pair[0].mul_f64(1.8)), "{waits:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_bound_run_at_once() {
        let queue = Arc::new(Queue::default());
        for name in ["a", "b", "c", "d", "e"] {
            queue.now(name);
        }
        let (now, most, total) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (n, m, t) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&total));
        let (_running, stop) = watch::channel(false);
        let (_lead, leading) = watch::channel(true);
        let driving = tokio::spawn(drive(queue, 2, stop, leading, move |_| {
            let (n, m, t) = (Arc::clone(&n), Arc::clone(&m), Arc::clone(&t));
            async move {
                m.fetch_max(n.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
                n.fetch_sub(1, Ordering::SeqCst);
                t.fetch_add(1, Ordering::SeqCst);
                Next::Gone
            }
        }));
        tokio::time::timeout(Duration::from_mins(1), async {
            while total.load(Ordering::SeqCst) < 5 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
        assert_eq!(most.load(Ordering::SeqCst), 2);
        driving.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_runs_any_more_once_it_has_ended_for_want_of_leadership() {
        struct Runs(Arc<AtomicUsize>);
        impl Drop for Runs {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let queue = Arc::new(Queue::default());
        queue.now("a");
        let runs = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&runs);
        let (_running, stop) = watch::channel(false);
        let (lead, leading) = watch::channel(true);
        let driving = tokio::spawn(drive(queue, 2, stop, leading, move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            let running = Runs(Arc::clone(&seen));
            async move {
                let _running = running;
                std::future::pending().await
            }
        }));
        tokio::time::timeout(Duration::from_mins(1), async {
            while runs.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await
        .unwrap();
        lead.send_replace(false);
        tokio::time::timeout(Duration::from_mins(1), driving).await.unwrap().unwrap();
        assert_eq!(runs.load(Ordering::SeqCst), 0);
    }
}
