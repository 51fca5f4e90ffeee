//! Child processes that never outlive this one.
//!
//! Every child has a process group of its own, so that Ctrl-C reaches this process only and this process decides the
//! order of things; it writes to a log file; it is ended by its id; and the kernel kills it when this process dies,
//! also by `kill -9`. The kernel ties that promise to the *thread* that forked, not to the process, so all children are
//! forked by one thread that lives as long as the process.

mod sys;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::sync::{oneshot, watch};

pub use sys::alive;

/// How long a killed process may take to be gone; more means that it hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The name used in messages.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables added to this process' environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where standard error goes, and standard output too unless `stdout` says otherwise. Appended to.
    pub log: PathBuf,
    /// Where standard output goes instead of the log. Truncated.
    pub stdout: Option<PathBuf>,
}

impl Spec {
    /// A program without arguments.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.into(),
            stdout: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = A>, A: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds an argument of the form `--name=value`.
    #[must_use]
    pub fn flag(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value);
        self.args.push(flag);
        self
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When the program or the log cannot be opened, and while everything is being stopped.
    pub fn spawn(&self) -> Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening the log {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stderr(log.try_clone()?);
        match &self.stdout {
            Some(path) => {
                command.stdout(File::create(path).with_context(|| format!("creating {}", path.display()))?)
            }
            None => command.stdout(log),
        };
        // A proxy of the machine's is for the world outside; what is started here talks to loopback.
        command
            .env_remove("KUBECONFIG")
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        sys::own_group_and_death_with_parent(&mut command);
        let child = fork(command).with_context(|| format!("starting {}", self.program.display()))?;
        watch_over(self, child)
    }

    /// Runs the program to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end within `limit`, with the end of its log.
    pub async fn run(mut self, limit: Duration) -> Result<Finished> {
        let stdout = self.log.with_extension("out");
        self.stdout = Some(stdout.clone());
        let child = self.spawn()?;
        let Ok(status) = tokio::time::timeout(limit, child.wait()).await else {
            child.kill().await?;
            bail!("{} did not end within {} s:\n{}", self.name, limit.as_secs(), child.log_tail(20));
        };
        let read = |path: &Path| {
            let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            anyhow::Ok(String::from_utf8_lossy(&text).into_owned())
        };
        Ok(Finished { status, stdout: read(&stdout)?, stderr: read(&self.log)? })
    }

    /// Runs the program to its end and returns its standard output.
    ///
    /// # Errors
    /// As [`Spec::run`], and when it ends with another status than 0, with what it says.
    pub async fn output(self, limit: Duration) -> Result<String> {
        let name = self.name.clone();
        let finished = self.run(limit).await?;
        if !finished.status.success() {
            bail!("{name} ended with {}:\n{}", finished.status, finished.stderr.trim_end());
        }
        Ok(finished.stdout)
    }
}

/// A process that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    entry: Arc<Entry>,
    exit: watch::Receiver<Option<ExitStatus>>,
    log: PathBuf,
}

impl Child {
    /// Its process id, which is its process group's too.
    pub fn pid(&self) -> u32 {
        self.entry.pid
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub async fn wait(&self) -> ExitStatus {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            // The watcher ends only after it has sent the status, so this is never reached with a status unset.
            Err(_) => self.exited().unwrap_or_default(),
        }
    }

    /// Asks it to end (SIGTERM) and kills it when it has not within `grace`.
    pub async fn stop(&self, grace: Duration) -> Result<ExitStatus> {
        self.entry.signal(libc::SIGTERM);
        // A stopped process takes the request only when it goes on.
        self.entry.signal(libc::SIGCONT);
        if let Ok(status) = tokio::time::timeout(grace, self.wait()).await {
            return Ok(status);
        }
        self.kill().await
    }

    /// Does what Ctrl-C does in a terminal (SIGINT).
    pub fn interrupt(&self) {
        self.entry.signal(libc::SIGINT);
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(&self) -> Result<ExitStatus> {
        self.entry.signal(libc::SIGKILL);
        let gone = tokio::time::timeout(KILL_LIMIT, self.wait()).await;
        gone.with_context(|| format!("{} (pid {}) is still there after SIGKILL", self.entry.name, self.pid()))
    }

    /// As [`Child::kill`], where nothing can be awaited: blocks for the milliseconds that it takes, so that whoever
    /// removes its files afterwards does not race with it.
    pub fn kill_now(&self) {
        self.entry.signal(libc::SIGKILL);
        wait_until(KILL_LIMIT, |running| !running.iter().any(|entry| Arc::ptr_eq(entry, &self.entry)));
    }

    /// Freezes it (SIGSTOP): its sockets stay open and nobody answers.
    pub fn pause(&self) {
        self.entry.signal(libc::SIGSTOP);
    }

    /// Lets a frozen process go on.
    pub fn resume(&self) {
        self.entry.signal(libc::SIGCONT);
    }

    /// The most memory that it has ever had resident, in bytes; `None` where the system does not tell.
    pub fn peak_memory(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
    }

    /// The CPU time that it has used, in seconds; 0 where the system does not tell.
    pub fn cpu_seconds(&self) -> f64 {
        sys::cpu_seconds(self.pid()).unwrap_or(0.0)
    }

    /// The last lines of its log, for messages.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }

    /// Fails when the process has ended, with the end of its log.
    pub fn check_alive(&self) -> Result<()> {
        match self.exited() {
            None => Ok(()),
            Some(status) => {
                bail!(
                    "{} ended with {status}; its log {} ends with\n{}",
                    self.entry.name,
                    self.log.display(),
                    self.log_tail(20)
                )
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// The last lines of a text file; empty when it cannot be read.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Stops every child of this process: SIGTERM, and SIGKILL after `grace`. Nothing can be started afterwards.
pub fn stop_all(grace: Duration) {
    STOPPING.store(true, Ordering::SeqCst);
    for signal in [libc::SIGTERM, libc::SIGCONT] {
        registry().iter().for_each(|entry| entry.signal(signal));
    }
    if !wait_until(grace, <[_]>::is_empty) {
        registry().iter().for_each(|entry| entry.signal(libc::SIGKILL));
        wait_until(KILL_LIMIT, <[_]>::is_empty);
    }
}

/// Asks a process that leads its own group, and its group, to end.
pub fn terminate(pid: u32) {
    sys::signal_group(pid, libc::SIGTERM);
}

/// From now on SIGINT (Ctrl-C), SIGTERM and SIGHUP stop every child, remove the run folder and end this process with
/// 128 plus the signal's number, as shells count.
pub fn stop_on_signals() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    drop(guard);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut next = || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => libc::SIGINT,
                    _ = terminate.recv() => libc::SIGTERM,
                    _ = hang_up.recv() => libc::SIGHUP,
                }
            })
        };
        let mut number = next();
        if let Some(tidying) = first_taker().take() {
            eprintln!("tidying up; a second signal stops at once …");
            // Whoever took it has ended since, and so will the process.
            let _ = tidying.send(());
            number = next();
        }
        INTERRUPTED.store(true, Ordering::SeqCst);
        eprintln!("stopping …");
        stop_all(Duration::from_secs(3));
        crate::dirs::finish(false);
        std::process::exit(128 + number);
    })?;
    Ok(())
}

/// Answers when the first signal has come, which then stops nothing: for somebody who has to tidy up while children run.
/// A second signal stops everything, as always.
pub async fn first_signal() {
    let (sender, receiver) = oneshot::channel();
    *first_taker() = Some(sender);
    if receiver.await.is_err() {
        // Another one has taken it.
        std::future::pending::<()>().await;
    }
}

fn first_taker() -> MutexGuard<'static, Option<oneshot::Sender<()>>> {
    static TAKER: Mutex<Option<oneshot::Sender<()>>> = Mutex::new(None);
    TAKER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be called before the main function returns: when a signal has begun to stop everything, what ran until now has
/// failed for that reason only, and the process ends when everything is stopped and not before.
pub fn leave_to_signal() {
    while INTERRUPTED.load(Ordering::SeqCst) {
        thread::park();
    }
}

/// A child that has not been reaped yet.
#[derive(Debug)]
struct Entry {
    name: String,
    pid: u32,
    /// Set, under the lock, when the id may belong to somebody else from now on.
    reaped: Mutex<bool>,
}

impl Entry {
    /// Signals the whole group, unless it has ended.
    fn signal(&self, signal: i32) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            sys::signal_group(self.pid, signal);
        }
    }
}

/// A signal has begun to stop everything.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Nothing may be started any more.
static STOPPING: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Vec<Arc<Entry>>> = Mutex::new(Vec::new());
static ONE_ENDED: Condvar = Condvar::new();

fn registry() -> MutexGuard<'static, Vec<Arc<Entry>>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the condition holds for the children that run; false when the limit came first.
fn wait_until(limit: Duration, holds: impl Fn(&[Arc<Entry>]) -> bool) -> bool {
    let end = Instant::now() + limit;
    let mut running = registry();
    while !holds(&running) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        running = ONE_ENDED.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    true
}

/// Registers a new child and starts the thread that awaits its end.
fn watch_over(spec: &Spec, mut child: std::process::Child) -> Result<Child> {
    let entry = Arc::new(Entry { name: spec.name.clone(), pid: child.id(), reaped: Mutex::new(false) });
    let (sender, exit) = watch::channel(None);
    let mut running = registry();
    running.push(entry.clone());
    // Asked under the registry's lock: either stop_all sees the entry, or this sees that everything stops.
    let stopping = STOPPING.load(Ordering::SeqCst);
    drop(running);
    let watched = entry.clone();
    thread::Builder::new().name(format!("wait-{}", spec.name)).spawn(move || {
        sys::wait_without_reaping(watched.pid);
        let mut reaped = watched.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        // Its own children share its group, whose number cannot be given away before the reaping.
        sys::signal_group(watched.pid, libc::SIGKILL);
        let status = child.wait().unwrap_or_default();
        *reaped = true;
        drop(reaped);
        sender.send_replace(Some(status));
        registry().retain(|other| !Arc::ptr_eq(other, &watched));
        ONE_ENDED.notify_all();
    })?;
    let child = Child { entry, exit, log: spec.log.clone() };
    if stopping {
        bail!("everything is being stopped");
    }
    Ok(child)
}

struct Order {
    command: Command,
    reply: mpsc::SyncSender<io::Result<std::process::Child>>,
}

/// Has the long-lived thread fork and execute the command.
fn fork(command: Command) -> io::Result<std::process::Child> {
    static ORDERS: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for Order { mut command, reply } in orders {
                // Nobody waits for the answer only when the caller has died.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let gone = || io::Error::other("the thread that starts processes is gone");
    let (reply, answer) = mpsc::sync_channel(1);
    orders.send(Order { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}
