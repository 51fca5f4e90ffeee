verdict-compliant = Compliant
verdict-at-risk = AtRisk
verdict-violated = Violated
verdict-provisional = Provisional
verdict-unknown = Unknown

enforcement-clear = Clear
enforcement-would-act = WouldAct
enforcement-enforcing = Enforcing
enforcement-refused = Refused
enforcement-paused = Paused

action-hold-batch = HoldBatch
action-prefer-elsewhere = PreferElsewhere
action-freeze-growth = FreezeGrowth

purpose-facility = Facility
purpose-it = IT
purpose-generator = Generator
purpose-excluded = Excluded
purpose-renewable = Renewable
purpose-reuse = Reuse
purpose-water = Water
purpose-carbon = Carbon

truth-true = True
truth-false = False
truth-unknown = Unknown
