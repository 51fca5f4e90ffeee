evidence-cluster = cluster { $cluster }, read from { $from } to { $until }
evidence-manifests = manifests, of no cluster in particular
evidence-collected = { $file }: { $objects } objects of { $kinds } kinds, redacted
evidence-packed = { $file } is written; the hash of its manifest stands for all of it:
evidence-judged = judged as of { $at } by { $tool }: { $objects } objects
evidence-verifies = it verifies: { $files } files are what the manifest says, and there is nothing else
evidence-does-not-verify = { $file } does not verify
