use super::*;

fn shell(script: &str) -> (tempfile::TempDir, Spec) {
    let dir = tempfile::tempdir().unwrap();
    let spec = Spec::new("shell", "/bin/sh", dir.path().join("shell.log")).args(["-c", script]);
    (dir, spec)
}

/// The number that the script has written to its log.
async fn written_pid(child: &Child) -> u32 {
    crate::wait::eventually(Duration::from_secs(10), "the script's output", || async {
        let text = std::fs::read_to_string(child.log())?;
        Ok(text.ends_with('\n').then(|| text.trim().parse()).transpose()?)
    })
    .await
    .unwrap()
}

async fn gone(pid: u32) {
    crate::wait::until(Duration::from_secs(5), "the process to be gone", || async { Ok(!alive(pid)) })
        .await
        .unwrap();
}

#[tokio::test]
async fn output_is_standard_output_alone_and_a_failure_says_what_was_written_to_standard_error() {
    let (_dir, spec) = shell("echo out; echo err >&2");
    assert_eq!(spec.output(Duration::from_secs(10)).await.unwrap(), "out\n");

    let (_dir, spec) = shell("echo out; echo err >&2; exit 3");
    let message = spec.output(Duration::from_secs(10)).await.unwrap_err().to_string();
    assert!(message.contains("err") && message.contains('3'), "{message}");
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed() {
    let (_dir, spec) = shell("echo $$ >&2; sleep 60");
    let log = spec.log.clone();
    assert!(spec.output(Duration::from_millis(300)).await.is_err());
    let pid = std::fs::read_to_string(log).unwrap().trim().parse().unwrap();
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_child_that_does_not_listen_is_killed_after_the_grace() {
    let (_dir, spec) = shell("trap '' TERM; echo $$; while :; do sleep 0.1; done");
    let child = spec.spawn().unwrap();
    assert_eq!(written_pid(&child).await, child.pid());
    let status = child.stop(Duration::from_millis(200)).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    assert!(!alive(child.pid()));
}

#[tokio::test]
async fn a_paused_child_can_still_be_asked_to_end() {
    let (_dir, spec) = shell("trap 'exit 7' TERM; echo $$; while :; do sleep 0.1; done");
    let child = spec.spawn().unwrap();
    written_pid(&child).await;
    child.pause();
    let status = child.stop(Duration::from_secs(10)).await.unwrap();
    assert_eq!(status.code(), Some(7));
}

#[tokio::test]
async fn what_a_child_started_ends_with_it() {
    let (_dir, spec) = shell("sleep 60 & echo $!; exec sleep 60");
    let child = spec.spawn().unwrap();
    let grandchild = written_pid(&child).await;
    assert!(alive(grandchild));
    drop(child);
    gone(grandchild).await;
}

#[tokio::test]
async fn a_child_that_died_is_told_with_its_last_words() {
    let (_dir, spec) = shell("echo no room >&2; exit 4");
    let child = spec.spawn().unwrap();
    child.wait().await;
    let message = child.check_alive().unwrap_err().to_string();
    assert!(message.contains("no room") && message.contains("exit status: 4"), "{message}");
}

#[test]
fn a_program_that_does_not_exist_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Spec::new("x", "/nowhere/at-all", dir.path().join("log")).spawn().unwrap_err();
    assert!(format!("{error:#}").contains("/nowhere/at-all"), "{error:#}");
}
