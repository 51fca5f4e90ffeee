//! Fights with other field managers, and the rules that end them.

use super::{Page, say, words};
use crate::t;

impl Page<'_> {
    pub(super) fn contested(&mut self) {
        let (lang, told) = (self.lang, self.told);
        if told.contested.is_empty() {
            return;
        }
        self.head(&t!(lang, "explain-head-contested"));
        for fight in &told.contested {
            let (object, manager) = (fight.object.as_str(), fight.manager.as_str());
            let action = words::action(lang, fight.action);
            let fields = say::list(lang, &fight.fields);
            self.item(&match fight.left_since {
                None => t!(
                    lang,
                    "explain-contested",
                    object = object,
                    manager = manager,
                    fields = fields,
                    action = action,
                    rounds = fight.rounds
                ),
                Some(since) => t!(
                    lang,
                    "explain-contested-left",
                    object = object,
                    manager = manager,
                    fields = fields,
                    action = action,
                    rounds = fight.rounds,
                    since = self.at(since)
                ),
            });
            self.item(&t!(lang, "explain-contested-end", advice = fight.advice.as_str()));
            for line in fight.rule.iter().flat_map(|rule| rule.lines()) {
                self.item(&format!("    {line}"));
            }
        }
    }
}
