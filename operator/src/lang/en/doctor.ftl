doctor-head-verdict = VERDICT
doctor-head-check = CHECK
doctor-head-what = WHAT
doctor-head-subject = OF
doctor-head-seen = SEEN
doctor-todo = What to do:
doctor-all-well = The installation is sound.

doctor-pass = pass
doctor-warn = warn
doctor-fail = FAIL
doctor-unknown = unknown

doctor-check-server = version of the API server
doctor-check-crds = definitions
doctor-check-deployment = the operator's Deployment
doctor-check-operator-rights = rights of the operator
doctor-check-caller-rights = your rights
doctor-check-clock = clock of the API server
doctor-check-lease = lease
doctor-check-policies = admission policies
doctor-check-monitoring = scraping and alerts
doctor-check-prometheus-clock = clock of Prometheus
doctor-check-retention = retention of Prometheus

# The condition of the operator.
doctor-sound = server, definitions, rights, clocks and admission policies are as they should be
doctor-not-looked-at = the operator could not look at { $checks }; `banyan doctor` says why

doctor-unread = not looked at: { $message }
doctor-version = { $version }
doctor-too-old = { $version } is older than { $oldest }: the operator does not start, and without MutatingAdmissionPolicy v1 HoldBatch cannot hold new Jobs
doctor-untested = { $version } is not among the supported versions, { $oldest } to { $newest }
doctor-schema-equal = as in this version
doctor-schema-absent = does not exist
doctor-schema-not-served = is not served
doctor-schema-older =
    { $count ->
        [one] is older, or was changed: { $fields } is missing or different
       *[other] is older, or was changed: { $count } fields and rules are missing or different, such as { $fields }
    }
doctor-schema-newer =
    { $count ->
        [one] is newer: this version does not know { $fields }
       *[other] is newer: this version does not know { $count } fields, such as { $fields }
    }
doctor-rights-held = all { $count } are there
doctor-rights-missing = missing: { $rights }
doctor-in-step = in step
doctor-skewed = { $seconds } s ahead of this machine's
doctor-skewed-steady = { $what }: off by more than { $limit } s
doctor-held = held by { $holder }, renewed { $seconds } s ago
doctor-nobody = nobody has ever held it
doctor-nobody-since = nobody holds it; it was last renewed { $seconds } s ago
doctor-policies = policies and bindings of FreezeGrowth, HoldBatch and Waivers are there
doctor-policy-missing = { $objects } is missing: { $action } is not carried out as the status says
doctor-policy-left-out = the policy of { $action } is not part of this installation
doctor-waivers-unguarded = { $objects } is missing: nobody sees to it that a Waiver is approved by somebody else than its author
doctor-parameters-unkept = { $objects } is missing: once no policy with ConfigMaps as parameters is bound, API servers stop reading them until they start anew
doctor-policy-unused = the policy of { $action } is there, but the operator was told that it is not, and refuses the action
doctor-monitored = ServiceMonitor and PrometheusRule are there
doctor-not-served = monitoring.coreos.com is not served: there is no Prometheus Operator
doctor-monitoring-missing = missing: { $kinds }
doctor-ready =
    { $ready ->
        [one] 1 replica is ready, version { $version }
       *[other] { $ready } replicas are ready, version { $version }
    }
doctor-no-deployment = there is none in this namespace
doctor-not-ready = { $ready } of { $wanted } replicas are ready
doctor-other-version = the operator is { $theirs }, this command line is { $own }
doctor-kept = { $days } days are kept, so many can be filled in; the ledger has { $ledger }
doctor-brief = { $days } days are kept; { $needed } are needed to close each day
doctor-not-told = the server does not tell it, as Thanos and Mimir do not

doctor-do-reach-prometheus = run this where Prometheus can be reached and its Secret can be read
doctor-do-look = ask for the right to look, or run this as an administrator
doctor-do-upgrade-server = upgrade Kubernetes
doctor-do-try = try it in a test cluster first; see the release notes
doctor-do-apply-crds = banyan crds | kubectl apply --server-side --force-conflicts -f -, or upgrade the chart
doctor-do-describe-crd = kubectl describe crd names the conflict
doctor-do-upgrade-cli = use the command line of the newer version, or upgrade the operator
doctor-do-upgrade-chart = helm upgrade the release: it puts back what the chart installs
doctor-do-ask-rights = commands that need them say so; ask an administrator
doctor-do-clock = let NTP set both clocks
doctor-do-pods = kubectl get pods and logs of the operator; see the runbook BanyanNoLeader
doctor-do-install = install the chart, or name its namespace with --namespace
doctor-do-hold-batch = new Jobs start before they can be held; set holdBatch.enabled in the chart if that is not meant
doctor-do-freeze-growth = set freezeGrowth.enabled in the chart, or remove the policy
doctor-do-rules = scrape port 8080, path /metrics, and load what `banyan rules` prints
doctor-do-monitoring = set serviceMonitor.enabled and prometheusRule.enabled in the chart, or scrape and alert by other means
doctor-do-same-version = use the same version of both
doctor-do-retention = raise --storage.tsdb.retention.time of Prometheus: what it drops before the ledger has it is lost
doctor-do-not-told = make sure that its retention is longer than the days that its meters take to close
