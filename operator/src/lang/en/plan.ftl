plan-still = { $kind } { $name }: no change
plan-make = make
plan-change = change
plan-remove = remove
plan-borrow = borrow
plan-give-back = give back
plan-unread = unread
plan-condition = condition
plan-enforce = enforce
plan-verdicts = verdicts
plan-judged = annual { $annual }, operational { $operational }
plan-absent = absent
plan-held-for = not taken, it is held for { $other }
plan-kept = left as somebody else has set it: { $fields }

# The comment in a merge request.
plan-column-verdicts = Verdicts
plan-title = Banyan: { $changed } of { $all } { $all ->
    [one] resource changes
   *[other] resources change
}
plan-not-sound = Not everything is well: see the problems below. What could not be looked at may turn out otherwise.
plan-resource = Resource
plan-what = Change
plan-actions = Actions
plan-no-change = none
plan-refused = refused
plan-problem = problem
plan-left-out = { $lines } more { $lines ->
    [one] line is
   *[other] lines are
} in the output of banyan plan with -o diff.
