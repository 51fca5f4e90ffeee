validate-valid = { $file }:{ $line }: { $kind } { $name }: valid
validate-left-out = { $file }: { $kind } { $name } is not Banyan's and is left out
validate-none = none of the manifests is a resource of { $group }
validate-unknown = there is no such field
validate-meant = ; did you mean { $near }?
validate-no-such = there is no { $given }: there is { $known }
validate-missing = is missing
validate-type = has to be of the type { $wanted }
validate-not-one-of = has to be one of { $known }
validate-pattern = does not have the form { $pattern }
validate-format = is not a { $format }
validate-too-short = has to have at least { $limit } { $limit ->
    [one] character
   *[other] characters
}
validate-too-long = may have at most { $limit } characters
validate-too-few = has to have at least { $limit } { $limit ->
    [one] item
   *[other] items
}
validate-too-many = may have at most { $limit } items
validate-too-small = has to be at least { $limit }
validate-too-large = may be at most { $limit }
validate-twice = another item of the list has the same key or value
validate-same-name = { $kind } { $name } is there a second time
validate-same-cluster = site { $site } has the same cluster id
validate-approval = is not part of a manifest: another person writes it with `banyan waiver approve`
