use banyan_crds::values::Decimal;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

use super::*;
use Verdict::{AtRisk, Compliant, Unknown, Violated};

/// The defaults of the API: 0.02 up and down, 3 windows to violate, 6 to clear, 1 h dwell.
fn bands() -> Bands {
    Bands::try_from(&Hysteresis::default()).unwrap()
}

fn hour(at: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + at * 3600).unwrap()
}

/// Hourly windows under a target of 1.30, closing at hour 1, 2, …; NaN stands for a window without data.
fn windows(pues: &[f64]) -> Vec<ClosedWindow> {
    (1..)
        .zip(pues)
        .map(|(at, pue)| ClosedWindow {
            from: hour(at - 1),
            to: hour(at),
            pue: if pue.is_nan() { Err("utility-a is silent".to_owned()) } else { Ok(*pue) },
            target: Some(1.30),
        })
        .collect()
}

/// The verdict after each window, fed one at a time.
fn verdicts(bands: &Bands, pues: &[f64]) -> Vec<Verdict> {
    let mut standing = None;
    windows(pues)
        .iter()
        .map(|window| {
            let next = operational(standing.as_ref(), std::slice::from_ref(window), bands, hour(0)).standing;
            standing = Some(next.clone());
            next.verdict
        })
        .collect()
}

const SILENT: f64 = f64::NAN;

#[test]
fn three_windows_over_violate_and_six_under_clear() {
    // Over is above 1.32, under is at or below 1.28.
    let over = verdicts(&bands(), &[1.29, 1.33, 1.33, 1.33, 1.29]);
    assert_eq!(over, [Compliant, AtRisk, AtRisk, Violated, Violated]);

    let mut day = vec![1.33; 3];
    day.extend([1.28; 5]);
    day.push(1.281); // breaks the streak
    day.extend([1.28; 6]);
    let mut expected = vec![AtRisk, AtRisk];
    expected.extend([Violated; 12]);
    expected.push(Compliant);
    assert_eq!(verdicts(&bands(), &day), expected);
}

#[test]
fn a_window_at_a_level_counts_as_the_words_say() {
    // 1.30 + 0.02 is 1.32 and "above" excludes it; 1.30 − 0.02 is 1.28 and "at or below" includes it.
    assert_eq!(verdicts(&bands(), &[1.32; 8]), [AtRisk; 8]);
    assert_eq!(verdicts(&bands(), &[1.320_001; 3])[2], Violated);
    assert_eq!(verdicts(&bands(), &[1.30; 3]), [Compliant; 3]);

    // 1.29 + 0.02 is 1.3100000000000001 in binary; the level is 1.31 all the same.
    let close = ClosedWindow { target: Some(1.29), ..windows(&[1.31]).remove(0) };
    let one = Bands { violate_windows: 1, ..bands() };
    assert_eq!(operational(None, &[close], &one, hour(0)).standing.verdict, AtRisk);
}

#[test]
fn only_a_violated_site_has_to_get_below_the_lower_level() {
    // Between 1.28 and 1.30: from AtRisk one window is enough, from Violated no number of them is.
    assert_eq!(verdicts(&bands(), &[1.33, 1.29]), [AtRisk, Compliant]);
    let mut day = vec![1.33; 3];
    day.extend([1.29; 20]);
    assert_eq!(verdicts(&bands(), &day).last(), Some(&Violated));
}

#[test]
fn a_target_near_one_can_still_be_cleared() {
    // 1.01 − 0.02 = 0.99 is out of reach; half-way between 1.0 and 1.01 is 1.005.
    let level =
        |target, wanted: f64| assert_eq!(bands().under(target).to_bits(), wanted.to_bits(), "{target}");
    level(1.01, 1.005);
    level(1.30, 1.28);
    // 1.02 − 0.02 = 1.0 is out of reach as well.
    level(1.02, 1.01);
}

#[test]
fn a_dwell_holds_a_verdict_while_the_windows_go_on_counting() {
    let slow = Bands { dwell: SignedDuration::from_hours(4), clear_windows: 2, ..bands() };
    // At risk since hour 2; three in a row by hour 4, but 4 h after hour 2 is hour 6. Violated since hour 6, two in a
    // row by hour 8, clear at hour 10.
    assert_eq!(
        verdicts(&slow, &[1.29, 1.33, 1.33, 1.33, 1.33, 1.33, 1.2, 1.2, 1.2, 1.2]),
        [Compliant, AtRisk, AtRisk, AtRisk, AtRisk, Violated, Violated, Violated, Violated, Compliant]
    );
    // Moves between Compliant and AtRisk do not wait.
    assert_eq!(verdicts(&slow, &[1.29, 1.31, 1.29]), [Compliant, AtRisk, Compliant]);
    // A site without a past has nothing to dwell on.
    assert_eq!(verdicts(&Bands { violate_windows: 1, ..slow }, &[1.33]), [Violated]);
}

#[test]
fn missing_data_is_unknown_at_once_and_breaks_a_streak() {
    assert_eq!(
        verdicts(&bands(), &[1.33, 1.33, SILENT, 1.33, 1.33, 1.33]),
        [AtRisk, AtRisk, Unknown, AtRisk, AtRisk, Violated]
    );
    let far_off = [0.97, 11.0, f64::INFINITY];
    assert_eq!(verdicts(&bands(), &far_off), [Unknown; 3]);
    let early = ClosedWindow { target: None, ..windows(&[1.2]).remove(0) };
    assert_eq!(operational(None, &[early], &bands(), hour(0)).standing.verdict, Unknown);
}

#[test]
fn a_target_that_comes_later_judges_the_windows_that_had_none() {
    let with = windows(&[1.33, 1.33, 1.33, 1.33]);
    let without: Vec<_> = with.iter().map(|one| ClosedWindow { target: None, ..one.clone() }).collect();
    let before = operational(None, &without, &bands(), hour(0)).standing;
    assert_eq!((before.verdict, before.until, before.judged_until()), (Unknown, Some(hour(4)), None));
    // Nothing moves while there is none.
    assert_eq!(operational(Some(&before), &without[1..], &bands(), hour(9)).standing, before);
    assert_eq!(operational(Some(&before), &[], &bands(), hour(9)).standing, before);
    let after = operational(Some(&before), &with, &bands(), hour(9)).standing;
    assert_eq!((after.verdict, after.since, after.judged_until()), (Violated, hour(3), Some(hour(4))));
}

#[test]
fn windows_that_were_skipped_break_a_streak() {
    // Two over, then an absence of ten hours: the next two are not the third and fourth in a row.
    let mut all = windows(&[1.33; 14]);
    all.drain(2..12);
    let standings: Vec<(Verdict, i64)> = (1..=all.len())
        .map(|until| operational(None, &all[..until], &bands(), hour(0)).standing)
        .map(|standing| (standing.verdict, standing.streak))
        .collect();
    assert_eq!(standings, [(AtRisk, 1), (AtRisk, 2), (AtRisk, 1), (AtRisk, 2)]);
    // Nor does a violated site clear over a hole.
    let mut all = windows(&[1.33, 1.33, 1.33, 1.25, 1.25, 1.25, 1.25, 1.25, 1.25, 1.25, 1.25]);
    all.remove(5);
    assert_eq!(operational(None, &all, &bands(), hour(0)).standing.verdict, Violated);
}

#[test]
fn with_data_again_a_site_stands_where_it_stood() {
    let mut day = vec![1.33; 3];
    day.extend([SILENT, SILENT, 1.2]);
    assert_eq!(verdicts(&bands(), &day)[3..], [Unknown, Unknown, Violated]);

    let after = operational(None, &windows(&day), &bands(), hour(0));
    let expected = Standing {
        verdict: Violated,
        value: Some(1.2),
        since: hour(6),
        until: Some(hour(6)),
        streak: 1,
        last_known: Some(Violated),
    };
    assert_eq!(after.standing, expected);
}

#[test]
fn the_message_of_a_gap_has_the_last_verdict_with_its_time() {
    let day = [1.33, 1.33, 1.33, SILENT, SILENT];
    let blind = operational(None, &windows(&day), &bands(), hour(0));
    // Hour 4 is 2027-01-15T12:00:00Z: 1 800 000 000 is 08:00.
    assert_eq!(
        blind.message,
        "no verdict for the window that closed at 2027-01-15T13:00:00Z: utility-a is silent; \
         the last verdict, Violated, stood until 2027-01-15T12:00:00Z"
    );
    assert_eq!(blind.standing.value, Some(1.33));
    // The same windows again change nothing, not even a word.
    assert_eq!(operational(Some(&blind.standing), &windows(&day), &bands(), hour(99)), blind);
}

#[test]
fn a_site_without_windows_is_unknown_since_now() {
    let first = operational(None, &[], &bands(), hour(7));
    assert_eq!((first.standing.verdict, first.standing.since), (Unknown, hour(7)));
    assert_eq!(first.message, "no window has closed yet");
    let later = operational(Some(&first.standing), &[], &bands(), hour(8));
    assert_eq!(later, first);
}

#[test]
fn messages_say_what_is_still_missing() {
    let told = |pues: &[f64]| operational(None, &windows(pues), &bands(), hour(0)).message;
    assert_eq!(
        told(&[1.29]),
        "PUE 1.2900 in the window that closed at 2027-01-15T09:00:00Z is at or under the target 1.3"
    );
    assert_eq!(
        told(&[1.29, 1.33]),
        "PUE 1.3300 in the window that closed at 2027-01-15T10:00:00Z is above the target 1.3; \
         violated after 3 windows in a row above 1.3200 (now 1)"
    );
    assert_eq!(
        told(&[1.33, 1.33, 1.33, 1.2]),
        "PUE 1.2000 in the window that closed at 2027-01-15T12:00:00Z, target 1.3; violated since 2027-01-15T11:00:00Z, \
         clear after 6 windows in a row at or below 1.2800 (now 1)"
    );
}

/// A window's PUE around the levels of a target of 1.30, or none.
fn some_pue() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => Just(1.33), 3 => Just(1.25), 1 => Just(1.31), 1 => Just(1.29), 1 => Just(1.28), 1 => Just(SILENT),
        1 => 0.9..1.5_f64,
    ]
}

fn some_bands() -> impl Strategy<Value = Bands> {
    (1_i64..5, 1_i64..7, 0_i64..6).prop_map(|(violate_windows, clear_windows, dwell)| Bands {
        violate_windows,
        clear_windows,
        dwell: SignedDuration::from_hours(dwell),
        ..bands()
    })
}

/// Through the status and back, as between two evaluations.
fn kept(standing: &Standing) -> Standing {
    Standing::from(&OperationalStatus {
        verdict: standing.verdict,
        value: standing.value.map(|value| Decimal::rounded(value, 4)),
        window: "1h".into(),
        until: standing.until.map(Time),
        since: Time(standing.since),
        streak: standing.streak,
        last_known: standing.last_known,
        blind_since: None,
    })
}

proptest! {
    #[test]
    fn windows_fed_in_parts_or_twice_or_shuffled_judge_as_at_once(
        pues in prop::collection::vec(some_pue(), 1..60),
        bands in some_bands(),
        cuts in prop::collection::vec(0_usize..60, 0..6),
        (overlap, reversed) in (0_usize..5, any::<bool>()),
    ) {
        let all = windows(&pues);
        let at_once = operational(None, &all, &bands, hour(0));

        let mut standing: Option<Standing> = None;
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).chain([all.len()]).collect();
        cuts.sort_unstable();
        for cut in cuts {
            // Each part brings a few windows again that were judged before.
            let done = all.iter().filter(|w| Some(w.to) <= standing.as_ref().and_then(|s| s.until)).count();
            let mut part = all[done.saturating_sub(overlap)..cut.max(done.saturating_sub(overlap))].to_vec();
            if reversed {
                part.reverse();
            }
            if part.is_empty() {
                continue;
            }
            standing = Some(kept(&operational(standing.as_ref(), &part, &bands, hour(500)).standing));
        }
        prop_assert_eq!(standing, Some(kept(&at_once.standing)));
    }

    #[test]
    fn a_verdict_moves_to_and_from_violated_only_with_reason(
        pues in prop::collection::vec(some_pue(), 1..80),
        bands in some_bands(),
    ) {
        let told = verdicts(&bands, &pues);
        let mut known = None;
        for (at, verdict) in told.iter().enumerate() {
            let back = |count: i64| &pues[(at + 1).saturating_sub(count as usize)..=at];
            match (known, *verdict) {
                (Some(Violated), Compliant | AtRisk) => {
                    prop_assert_eq!(*verdict, Compliant);
                    prop_assert_eq!(back(bands.clear_windows).len(), bands.clear_windows as usize);
                    prop_assert!(back(bands.clear_windows).iter().all(|pue| (1.0..=1.28).contains(pue)));
                }
                (None | Some(Compliant | AtRisk), Violated) => {
                    prop_assert_eq!(back(bands.violate_windows).len(), bands.violate_windows as usize);
                    prop_assert!(back(bands.violate_windows).iter().all(|pue| *pue > 1.32));
                }
                (_, Unknown) => prop_assert!(pues[at].is_nan() || pues[at] < 1.0),
                (_, Compliant) => prop_assert!(pues[at] <= 1.30),
                (_, AtRisk) => prop_assert!(pues[at] > 1.30),
                _ => {}
            }
            if *verdict != Unknown {
                known = Some(*verdict);
            }
        }
    }
}
