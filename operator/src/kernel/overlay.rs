//! Own writes that the watch has not brought back yet.
//!
//! Between writing a status and seeing it again, an observation shows the status of before. Deciding on that one would
//! repeat what was just done. The overlay keeps the last written status of each resource until the watch has caught
//! up with it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Orders resource versions. They compare as numbers on every server that Banyan supports (KEP-5504, Kubernetes 1.35).
pub fn is_older(observed: &str, written: &str) -> bool {
    match (observed.parse::<u128>(), written.parse::<u128>()) {
        (Ok(observed), Ok(written)) => observed < written,
        _ => observed != written,
    }
}

/// Last written statuses by uid.
#[derive(Debug)]
pub struct Overlay<S>(Mutex<HashMap<String, (String, S)>>);

impl<S> Default for Overlay<S> {
    fn default() -> Self {
        Self(Mutex::new(HashMap::new()))
    }
}

impl<S: Clone> Overlay<S> {
    /// Remembers that the object `uid` had `status` at `version`.
    pub fn wrote(&self, uid: &str, version: &str, status: S) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(uid.to_owned(), (version.to_owned(), status));
    }

    /// The status to decide on for an object observed at `version` with `status`.
    pub fn latest(&self, uid: &str, version: &str, status: Option<S>) -> Option<S> {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(uid) {
            Some((at, own)) if is_older(version, at) => Some(own.clone()),
            Some(_) => {
                written.remove(uid);
                status
            }
            None => status,
        }
    }

    /// Forgets the statuses of objects that `known` does not know by uid: they are gone.
    pub fn retain(&self, known: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| known(uid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_write_that_is_not_seen_yet_is_what_counts() {
        let overlay = Overlay::default();
        overlay.wrote("u", "12", "new");
        assert_eq!(overlay.latest("u", "9", Some("old")), Some("new"));
        assert_eq!(overlay.latest("u", "12", Some("new")), Some("new"));
        assert_eq!(overlay.latest("u", "13", Some("newer")), Some("newer"));
        assert_eq!(overlay.latest("other", "1", Some("its own")), Some("its own"));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let overlay = Overlay::default();
        overlay.wrote("gone", "12", "own");
        overlay.wrote("here", "12", "own");
        overlay.retain(|uid| uid == "here");
        assert_eq!(overlay.latest("gone", "9", None), None);
        assert_eq!(overlay.latest("here", "9", None), Some("own"));
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(is_older("9", "10"));
        assert!(!is_older("10", "9"));
    }
}
