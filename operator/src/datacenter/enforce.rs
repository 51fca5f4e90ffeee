//! What is done about a site that misses its target, and when it is undone: a pure step from what is engaged to what
//! should be.
//!
//! One action a dwell, in the order of the spec; undone in reverse order, one a dwell. Whoever switches enforcement off
//! gets everything back at once, and so does whoever takes an action off the list. Missing data and maintenance hold
//! everything else as it is, suspend everything.

use banyan_crds::v1alpha1::{Action, EnforcementMode, EnforcementState, Verdict};
use jiff::{SignedDuration, Timestamp};

/// Whether an action that takes load away would help.
#[derive(Clone, Debug, PartialEq)]
pub enum Advice {
    /// It reduces the year's excess; what the ratio does meanwhile is in the message.
    Helps(String),
    /// It would raise the PUE: the site has too little load.
    WouldRaisePue(String),
    /// The model is not sure enough.
    NotSure(String),
}

/// What the decision is made on.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // Facts that have nothing to do with each other.
pub struct Situation<'a> {
    /// The site is being deleted.
    pub deleting: bool,
    /// `spec.suspend`.
    pub suspended: bool,
    /// Enforcement is on in this installation, and the site is in this cluster.
    pub enabled: bool,
    /// Reason of the maintenance that is going on.
    pub maintenance: Option<&'a str>,
    /// Mode of the spec; `None` without an enforcement section, or without what a verdict needs: meters and a target.
    pub mode: Option<EnforcementMode>,
    /// The policy behind `FreezeGrowth` is installed.
    pub freezes: bool,
    /// Actions of the spec, in order.
    pub wanted: &'a [Action],
    /// The operational verdict.
    pub verdict: Verdict,
    /// Advice on actions that take load away.
    pub advice: Advice,
    /// Least time between two steps.
    pub dwell: SignedDuration,
    /// Actions in force, in the order in which they were taken.
    pub engaged: &'a [(Action, Timestamp)],
    /// When the last step, taken or undone, was.
    pub last_step: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// What should be in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// Where enforcement stands.
    pub state: EnforcementState,
    /// Actions that stay or come into force, in order.
    pub engaged: Vec<(Action, Timestamp)>,
    /// Newly taken.
    pub taken: Vec<Action>,
    /// Newly undone, in the order in which they are undone.
    pub undone: Vec<Action>,
    /// Asked for and due, but refused.
    pub refused: Vec<Action>,
    /// When the last step was, this one included.
    pub last_step: Option<Timestamp>,
    /// When the next step is due, if one is only waiting for the dwell.
    pub next_step: Option<Timestamp>,
    /// Constant word.
    pub reason: &'static str,
    /// What is so, and why.
    pub message: String,
}

/// Whether an action takes load away and therefore needs [`Advice::Helps`].
const fn takes_load_away(action: Action) -> bool {
    match action {
        Action::HoldBatch | Action::PreferElsewhere => true,
        // A permit rule, not a remedy: it keeps a site that misses its target from growing.
        Action::FreezeGrowth => false,
    }
}

/// One step.
pub fn decide(situation: &Situation<'_>) -> Decision {
    let s = situation;
    if s.deleting {
        return all_off(s, "Deleting", "the site is being deleted: everything is given back".to_owned());
    }
    if s.suspended {
        return held(s, "Suspended", "suspended: nothing is taken or undone".to_owned());
    }
    let Some(mode) = s.mode else {
        let message = "no enforcement is asked for: it needs spec.enforcement, spec.energy and spec.pue";
        return all_off(s, "NotRequested", message.to_owned());
    };
    if !s.enabled {
        let message = "enforcement is not for this installation: it is switched off, or the site's cluster is another one";
        return all_off(s, "Disabled", message.to_owned());
    }
    match mode {
        EnforcementMode::Observe => observe(s),
        EnforcementMode::Enforce => enforce(s),
    }
}

/// Nothing is in force; what would be is told by the very step that Enforce would take, without waits between actions.
fn observe(s: &Situation<'_>) -> Decision {
    let would = enforce(&Situation {
        mode: Some(EnforcementMode::Enforce),
        engaged: &[],
        last_step: None,
        dwell: SignedDuration::ZERO,
        ..s.clone()
    });
    let (state, words) = match would.state {
        EnforcementState::Enforcing => {
            let mut words = format!("Enforce would take {}: {}", list(&would.taken), text(&s.advice));
            if !would.refused.is_empty() {
                words = format!("{words}; it would refuse {}", list(&would.refused));
            }
            (EnforcementState::WouldAct, words)
        }
        EnforcementState::Refused => {
            let words = format!("Enforce would refuse {}: {}", list(&would.refused), would.message);
            (EnforcementState::Clear, words)
        }
        EnforcementState::Paused => {
            (EnforcementState::Clear, format!("Enforce would wait: {}", would.message))
        }
        EnforcementState::Clear | EnforcementState::WouldAct => {
            (EnforcementState::Clear, "nothing would be due".to_owned())
        }
    };
    Decision { state, ..all_off(s, "Observing", format!("mode is Observe; {words}")) }
}

/// The step of a site whose mode is Enforce.
fn enforce(s: &Situation<'_>) -> Decision {
    if let Some(reason) = s.maintenance {
        let message =
            format!("maintenance ({reason}): nothing is taken, and undone is what is no longer asked for");
        return held(s, "Maintenance", message);
    }
    if s.verdict == Verdict::Unknown {
        let message = "the verdict is Unknown: nothing is taken, and undone is what is no longer asked for";
        return held(s, "VerdictUnknown", message.to_owned());
    }

    // A step in the future was taken by a clock that has been put right since.
    let ready_at = s
        .last_step
        .filter(|at| *at <= s.now)
        .and_then(|at| at.checked_add(s.dwell).ok())
        .filter(|at| *at > s.now);
    // Until when the next step waits: for the last one, or for the one that this look has made.
    let wait = |stepped: bool| {
        let dwell = || s.now.checked_add(s.dwell).unwrap_or(s.now);
        ready_at.or_else(|| (stepped && !s.dwell.is_zero()).then(dwell))
    };
    let mut engaged = s.engaged.to_vec();
    let mut taken = Vec::new();
    let mut undone = Vec::new();
    let mut next_step = None;
    let mut refused = Vec::new();

    // What the spec no longer names, or what turned out to make things worse, goes first and at once.
    for at in (0..engaged.len()).rev() {
        let action = engaged[at].0;
        let harmful = takes_load_away(action) && matches!(s.advice, Advice::WouldRaisePue(_));
        if !asked_for(s, action) || harmful {
            undone.push(action);
            engaged.remove(at);
        }
    }
    if s.verdict == Verdict::Violated {
        for action in s.wanted {
            if engaged.iter().any(|(held, _)| held == action) {
                continue;
            }
            let unsure = takes_load_away(*action) && !matches!(s.advice, Advice::Helps(_));
            if unsure || !asked_for(s, *action) {
                refused.push(*action);
                continue;
            }
            if let Some(at) = wait(!taken.is_empty()) {
                next_step = Some(at);
                break;
            }
            engaged.push((*action, s.now));
            taken.push(*action);
        }
    } else {
        while let Some((action, _)) = engaged.last().copied() {
            if let Some(at) = wait(!undone.is_empty()) {
                next_step = Some(at);
                break;
            }
            undone.push(action);
            engaged.pop();
        }
    }
    let stepped = !taken.is_empty() || !undone.is_empty();
    let in_force = list(&engaged.iter().map(|(action, _)| *action).collect::<Vec<_>>());
    let (state, reason, message) = if s.verdict != Verdict::Violated {
        if engaged.is_empty() {
            (EnforcementState::Clear, "Clear", "nothing is due".to_owned())
        } else {
            (
                EnforcementState::Enforcing,
                "Undoing",
                format!("the site is no longer violated; {in_force} will be undone, one action a dwell"),
            )
        }
    } else if engaged.is_empty() {
        match (&s.advice, refused.iter().any(|action| takes_load_away(*action))) {
            (Advice::WouldRaisePue(why), true) => (EnforcementState::Refused, "WouldRaisePUE", why.clone()),
            (advice, true) => (EnforcementState::Refused, "NotSure", text(advice).to_owned()),
            (_, false) if !refused.is_empty() => {
                (EnforcementState::Refused, "PolicyMissing", NO_POLICY.to_owned())
            }
            (_, false) => (EnforcementState::Clear, "NothingToDo", "no action is asked for".to_owned()),
        }
    } else {
        let mut message = format!("in force: {in_force}; {}", text(&s.advice));
        if !refused.is_empty() {
            message = format!("{message}; {} is refused", list(&refused));
            if refused.contains(&Action::FreezeGrowth) {
                message = format!("{message}: {NO_POLICY}");
            }
        }
        (EnforcementState::Enforcing, "Enforcing", message)
    };
    Decision {
        state,
        engaged,
        taken,
        undone,
        refused,
        last_step: if stepped { Some(s.now) } else { s.last_step },
        next_step,
        reason,
        message,
    }
}

fn text(advice: &Advice) -> &str {
    match advice {
        Advice::Helps(text) | Advice::WouldRaisePue(text) | Advice::NotSure(text) => text,
    }
}

/// Why a freeze is refused where nothing would carry it out.
const NO_POLICY: &str =
    "the admission policy of FreezeGrowth is not installed (freezeGrowth.enabled of the chart)";

/// Whether the spec names the action, and this installation can carry it out.
fn asked_for(s: &Situation<'_>, action: Action) -> bool {
    s.wanted.contains(&action) && (action != Action::FreezeGrowth || s.freezes)
}

fn list(actions: &[Action]) -> String {
    actions.iter().map(|action| format!("{action:?}")).collect::<Vec<_>>().join(", ")
}

/// Nothing is taken, and nothing undone but what is no longer asked for; under suspend not even that.
fn held(s: &Situation<'_>, reason: &'static str, message: String) -> Decision {
    let (engaged, dropped): (Vec<_>, Vec<_>) =
        s.engaged.iter().copied().partition(|(action, _)| s.suspended || asked_for(s, *action));
    let undone: Vec<_> = dropped.into_iter().rev().map(|(action, _)| action).collect();
    // Nothing waits where nothing is in force and nothing would be looked at.
    let clear = engaged.is_empty() && s.mode != Some(EnforcementMode::Enforce);
    let state = if clear { EnforcementState::Clear } else { EnforcementState::Paused };
    Decision { state, engaged, ..off(s, undone, reason, message) }
}

fn all_off(s: &Situation<'_>, reason: &'static str, message: String) -> Decision {
    off(s, s.engaged.iter().rev().map(|(action, _)| *action).collect(), reason, message)
}

/// Nothing is taken, `undone` is undone, and nothing stays in force.
fn off(s: &Situation<'_>, undone: Vec<Action>, reason: &'static str, message: String) -> Decision {
    Decision {
        state: EnforcementState::Clear,
        engaged: vec![],
        taken: vec![],
        last_step: if undone.is_empty() { s.last_step } else { Some(s.now) },
        undone,
        refused: vec![],
        next_step: None,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use Action::{FreezeGrowth, HoldBatch, PreferElsewhere};

    use super::*;

    const ALL: [Action; 3] = [HoldBatch, PreferElsewhere, FreezeGrowth];

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn violated(
        engaged: &[(Action, Timestamp)],
        last_step: Option<Timestamp>,
        now: Timestamp,
    ) -> Situation<'_> {
        Situation {
            deleting: false,
            suspended: false,
            enabled: true,
            maintenance: None,
            mode: Some(EnforcementMode::Enforce),
            freezes: true,
            wanted: &ALL,
            verdict: Verdict::Violated,
            advice: Advice::Helps("helps".into()),
            dwell: SignedDuration::from_mins(60),
            engaged,
            last_step,
            now,
        }
    }

    #[test]
    fn one_action_a_dwell_in_the_order_of_the_spec() {
        let first = decide(&violated(&[], None, at(0)));
        assert_eq!(first.taken, [HoldBatch]);
        assert_eq!(first.next_step, Some(at(60)));
        let early = decide(&violated(&first.engaged, first.last_step, at(59)));
        assert_eq!(early.taken, []);
        assert_eq!(early.next_step, Some(at(60)));
        let second = decide(&violated(&first.engaged, first.last_step, at(60)));
        assert_eq!(second.taken, [PreferElsewhere]);
        let third = decide(&violated(&second.engaged, second.last_step, at(120)));
        assert_eq!(third.engaged.iter().map(|(action, _)| *action).collect::<Vec<_>>(), ALL);
        assert_eq!(third.next_step, None);
    }

    #[test]
    fn undone_in_reverse_one_a_dwell() {
        let engaged: Vec<_> = ALL.iter().map(|action| (*action, at(0))).collect();
        let clear = |engaged: &[(Action, Timestamp)], last, now| {
            decide(&Situation { verdict: Verdict::Compliant, ..violated(engaged, last, now) })
        };
        let first = clear(&engaged, Some(at(0)), at(60));
        assert_eq!(first.undone, [FreezeGrowth]);
        assert_eq!(first.state, EnforcementState::Enforcing);
        let second = clear(&first.engaged, first.last_step, at(120));
        assert_eq!(second.undone, [PreferElsewhere]);
        let third = clear(&second.engaged, second.last_step, at(180));
        assert_eq!(third.undone, [HoldBatch]);
        assert_eq!(third.state, EnforcementState::Clear);
    }

    #[test]
    fn without_a_dwell_everything_happens_at_once() {
        let mut situation = violated(&[], None, at(0));
        situation.dwell = SignedDuration::ZERO;
        let all = decide(&situation);
        assert_eq!(all.taken, ALL);
        let back = decide(&Situation {
            verdict: Verdict::AtRisk,
            engaged: &all.engaged,
            last_step: all.last_step,
            ..situation
        });
        assert_eq!(back.undone, [FreezeGrowth, PreferElsewhere, HoldBatch]);
    }

    #[test]
    fn switching_off_gives_everything_back_at_once_in_reverse() {
        let engaged: Vec<_> = ALL.iter().map(|action| (*action, at(0))).collect();
        for situation in [
            Situation { deleting: true, ..violated(&engaged, Some(at(0)), at(1)) },
            Situation { mode: Some(EnforcementMode::Observe), ..violated(&engaged, Some(at(0)), at(1)) },
            Situation { mode: None, ..violated(&engaged, Some(at(0)), at(1)) },
            Situation { enabled: false, ..violated(&engaged, Some(at(0)), at(1)) },
            // Deleting wins over suspend: nothing may be left behind.
            Situation { deleting: true, suspended: true, ..violated(&engaged, Some(at(0)), at(1)) },
        ] {
            assert_eq!(decide(&situation).undone, [FreezeGrowth, PreferElsewhere, HoldBatch]);
        }
    }

    #[test]
    fn nothing_is_taken_or_undone_while_blind_suspended_or_in_maintenance() {
        let engaged = [(HoldBatch, at(0))];
        for situation in [
            Situation { verdict: Verdict::Unknown, ..violated(&engaged, Some(at(0)), at(600)) },
            Situation { suspended: true, ..violated(&engaged, Some(at(0)), at(600)) },
            Situation {
                suspended: true,
                verdict: Verdict::Compliant,
                ..violated(&engaged, Some(at(0)), at(600))
            },
            Situation { maintenance: Some("UPS test"), ..violated(&engaged, Some(at(0)), at(600)) },
        ] {
            let decision = decide(&situation);
            assert_eq!(decision.engaged, engaged);
            assert_eq!((decision.taken, decision.undone), (vec![], vec![]));
            assert_eq!(decision.state, EnforcementState::Paused);
        }
    }

    #[test]
    fn what_would_raise_the_pue_is_refused_but_a_freeze_is_not_a_remedy() {
        let advice = Advice::WouldRaisePue("underloaded".into());
        let refused = decide(&Situation {
            wanted: &[HoldBatch, PreferElsewhere],
            advice: advice.clone(),
            ..violated(&[], None, at(0))
        });
        assert_eq!((refused.state, refused.reason), (EnforcementState::Refused, "WouldRaisePUE"));
        let frozen = decide(&Situation { advice: advice.clone(), ..violated(&[], None, at(0)) });
        assert_eq!(frozen.taken, [FreezeGrowth]);
        // And what is in force is given back when the prediction turns.
        let engaged = [(HoldBatch, at(0))];
        let turned =
            decide(&Situation { wanted: &[HoldBatch], advice, ..violated(&engaged, Some(at(0)), at(1)) });
        assert_eq!(turned.undone, [HoldBatch]);
    }

    #[test]
    fn not_sure_is_not_enough_to_act_and_not_enough_to_undo() {
        let advice = Advice::NotSure("few samples".into());
        let refused =
            decide(&Situation { wanted: &[HoldBatch], advice: advice.clone(), ..violated(&[], None, at(0)) });
        assert_eq!((refused.state, refused.reason), (EnforcementState::Refused, "NotSure"));
        let engaged = [(HoldBatch, at(0))];
        let kept = decide(&Situation { advice, ..violated(&engaged, Some(at(0)), at(90)) });
        assert_eq!(kept.engaged[0], engaged[0]);
    }

    #[test]
    fn an_action_taken_out_of_the_spec_is_undone_at_once_also_while_nothing_can_be_judged() {
        let engaged = [(HoldBatch, at(0)), (FreezeGrowth, at(60))];
        let fewer = Situation { wanted: &[FreezeGrowth], ..violated(&engaged, Some(at(60)), at(61)) };
        for situation in [
            Situation { verdict: Verdict::Unknown, ..fewer.clone() },
            Situation { maintenance: Some("UPS test"), ..fewer.clone() },
        ] {
            let decision = decide(&situation);
            assert_eq!((decision.undone, decision.state), (vec![HoldBatch], EnforcementState::Paused));
            assert_eq!(decision.engaged, [(FreezeGrowth, at(60))]);
        }
        let suspended = decide(&Situation { suspended: true, ..fewer });
        assert_eq!((suspended.undone, suspended.engaged), (vec![], engaged.to_vec()));
    }

    #[test]
    fn observe_tells_what_enforce_would_do_and_no_more() {
        let observing = Situation { mode: Some(EnforcementMode::Observe), ..violated(&[], None, at(0)) };
        let told = |situation: Situation<'_>| {
            let decision = decide(&situation);
            (decision.state, decision.message)
        };
        let (state, all) = told(observing.clone());
        assert_eq!(state, EnforcementState::WouldAct);
        assert!(all.contains("would take HoldBatch, PreferElsewhere, FreezeGrowth: helps"), "{all}");
        let harmful = Situation { advice: Advice::WouldRaisePue("underloaded".into()), ..observing.clone() };
        let (state, some) = told(harmful.clone());
        assert_eq!(state, EnforcementState::WouldAct);
        assert!(
            some.contains("take FreezeGrowth: underloaded; it would refuse HoldBatch, PreferElse"),
            "{some}"
        );
        let (state, none) = told(Situation { wanted: &[HoldBatch], ..harmful });
        assert_eq!(state, EnforcementState::Clear);
        assert!(none.contains("would refuse HoldBatch: underloaded"), "{none}");
        for (situation, word) in [
            (Situation { verdict: Verdict::Unknown, ..observing.clone() }, "wait: the verdict is Unknown"),
            (
                Situation { maintenance: Some("UPS test"), ..observing.clone() },
                "wait: maintenance (UPS test)",
            ),
            (Situation { verdict: Verdict::Compliant, ..observing }, "nothing would be due"),
        ] {
            let (state, message) = told(situation);
            assert!(state == EnforcementState::Clear && message.contains(word), "{message}");
        }
    }

    #[test]
    fn a_freeze_that_nothing_carries_out_is_refused() {
        let missing = Situation { freezes: false, wanted: &[FreezeGrowth], ..violated(&[], None, at(0)) };
        let refused = decide(&missing);
        assert_eq!((refused.state, refused.reason), (EnforcementState::Refused, "PolicyMissing"));
        // One in force is lifted at once, whatever the verdict.
        let engaged = [(HoldBatch, at(0)), (FreezeGrowth, at(0))];
        for verdict in [Verdict::Violated, Verdict::Unknown] {
            let missing = Situation { freezes: false, verdict, ..violated(&engaged, Some(at(0)), at(1)) };
            assert_eq!(decide(&missing).undone, [FreezeGrowth]);
        }
    }

    #[test]
    fn an_action_taken_out_of_the_spec_is_undone() {
        let engaged = [(HoldBatch, at(0)), (FreezeGrowth, at(60))];
        let decision =
            decide(&Situation { wanted: &[FreezeGrowth], ..violated(&engaged, Some(at(60)), at(61)) });
        assert_eq!(decision.undone, [HoldBatch]);
        assert_eq!(decision.engaged, [(FreezeGrowth, at(60))]);
    }
}
