//! The few calls of the operating system that the standard library has no safe form of.
#![allow(unsafe_code)] // Each call passes plain numbers; the reasons stand at the calls.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has the child lead a process group of its own and be killed by the kernel when the thread that forks it ends.
pub fn own_group_and_death_with_parent(command: &mut Command) {
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        let promise = move || {
            // SAFETY: both calls take and return plain numbers and are async-signal-safe, as needed after a fork.
            let (set, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
            if set != 0 {
                return Err(io::Error::last_os_error());
            }
            // Between the fork and the promise the parent may have died already.
            if u32::try_from(now) == Ok(parent) {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(libc::ESRCH))
            }
        };
        // SAFETY: the closure allocates nothing and takes no lock.
        unsafe { command.pre_exec(promise) };
    }
}

/// Sends a signal to every process of the group. A group without processes is not an error: they have ended.
pub fn signal_group(group: u32, signal: i32) {
    // Group 0 and -1 would mean this process' own group and every process.
    if let Ok(group) = i32::try_from(group)
        && group > 1
    {
        // SAFETY: plain numbers; the caller holds the group's leader unreaped, so the number is not another's.
        unsafe { libc::kill(-group, signal) };
    }
}

/// Blocks until the child has ended and leaves it as a zombie, so that its id stays its own.
pub fn wait_without_reaping(pid: u32) {
    loop {
        // SAFETY: siginfo_t is plain data for which all zeroes is valid, and the pointer outlives the call.
        let failed = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid, &raw mut info, libc::WEXITED | libc::WNOWAIT) != 0
        };
        if !failed || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Whether a process with this id is running. A zombie, which only waits for its parent to take note, is not.
pub fn alive(pid: u32) -> bool {
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the program's name, which stands in parentheses and may contain anything.
        return !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
    }
    let Ok(pid) = i32::try_from(pid) else { return false };
    // SAFETY: signal 0 only asks whether the process exists.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The CPU time that a process has used, in seconds: the 14th and 15th field of `/proc/<pid>/stat` (proc(5)).
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may have spaces in it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    let used = ticks()? + ticks()?;
    // SAFETY: sysconf only reads a setting of the system.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    (a_second > 0).then(|| used / a_second as f64)
}
