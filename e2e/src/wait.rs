//! Waiting for a condition, with an end and an explanation.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Looks again and again until `look` returns a value.
///
/// `what` completes the sentence "waited 20 s for …". `look` returns `Ok(None)` while the condition does not hold yet;
/// its errors count as not yet too, because a server that is starting or was just killed answers with one.
///
/// # Errors
/// After `limit`, with `what` and the last error of `look`. A look that hangs is cut off at the limit as well.
pub async fn eventually<T, F, Fut>(limit: Duration, what: impl Display, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let start = Instant::now();
    let mut pause = Duration::from_millis(20);
    let mut last = None;
    loop {
        let left = limit.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = None,
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = last.or_else(|| Some(anyhow!("no answer within the time left"))),
        }
        if start.elapsed() + pause >= limit {
            let waited = format!("waited {:.1} s for {what}", limit.as_secs_f64());
            return Err(match last {
                Some(error) => error.context(format!("{waited}; the last look failed")),
                None => anyhow!("{waited}"),
            });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// As [`eventually`], for a condition without a value.
pub async fn until<F, Fut>(limit: Duration, what: impl Display, mut holds: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool>>,
{
    eventually(limit, what, || {
        let look = holds();
        async { Ok(look.await?.then_some(())) }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_value_ends_the_wait() {
        let mut looks = 0;
        let found = eventually(Duration::from_secs(5), "three looks", || {
            looks += 1;
            let now = looks;
            async move { Ok((now == 3).then_some(now)) }
        })
        .await
        .unwrap();
        assert_eq!(found, 3);
    }

    #[tokio::test]
    async fn the_limit_names_what_was_awaited_and_the_last_error() {
        let error = until(Duration::from_millis(60), "the moon", || async { Err(anyhow!("clouds")) })
            .await
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("for the moon") && text.contains("clouds"), "{text}");
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_cut_off() {
        let start = Instant::now();
        let result = until(Duration::from_millis(60), "an answer", std::future::pending).await;
        assert!(result.is_err());
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}
