use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};

use super::{
    super::{csv, junit, oscal, sarif, table, xlsx},
    schemas::{OSCAL, SARIF, valid, valid_junit},
    *,
};

fn names(value: &Json, key: &str) -> Vec<String> {
    value.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn sarif_is_after_its_schema_and_points_to_lines() {
    for lang in Lang::ALL {
        let log = sarif::render(&audit(), lang);
        valid(&SARIF, &log);
        nothing_hidden(&crate::report::visible::json(&log).unwrap());
    }
    let log = sarif::render(&audit(), Lang::Zh);
    let run = &log["runs"][0];
    let rules = &run["tool"]["driver"]["rules"];
    let at = names(rules, "id").iter().position(|id| id == "no-privilege").unwrap();
    let rule = &rules[at];
    assert_eq!(rule["shortDescription"]["text"], "容器不以特权模式运行");
    assert_eq!(rule["properties"]["en"]["title"], "Containers are not <privileged>");
    assert_eq!(rule["properties"]["security-severity"], "8.0");
    assert_eq!(run["language"], "zh-CN");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let results = run["results"].as_array().unwrap();
    let web: Vec<_> = results
        .iter()
        .filter(|result| {
            result["ruleIndex"] == at && result["locations"][0]["logicalLocations"][0]["name"] == "web"
        })
        .collect();
    assert_eq!(web.len(), 2, "a result a place");
    let location = &web[1]["locations"][0];
    assert_eq!(
        location["physicalLocation"]["artifactLocation"]["uri"],
        "file:///srv/with%20space/web%231.yaml"
    );
    assert_eq!(location["physicalLocation"]["region"]["startLine"], 5);
    assert_eq!(
        location["logicalLocations"][0]["fullyQualifiedName"],
        "apps/v1/Deployment/shop/web/spec.template.spec.containers[1].securityContext.privileged"
    );
    assert_eq!((&web[0]["level"], &web[0]["kind"]), (&json!("error"), &json!("fail")));
    let mut prints: Vec<_> = results.iter().map(|result| result["partialFingerprints"].to_string()).collect();
    prints.sort();
    prints.dedup();
    // Places of the same object without a path are told apart by their control.
    assert_eq!(prints.len(), results.len());
    let waived: Vec<_> = results.iter().filter(|result| result.get("suppressions").is_some()).collect();
    assert_eq!(waived.len(), 20);
    assert!(
        waived[0]["suppressions"][0]["justification"]
            .as_str()
            .unwrap()
            .starts_with("waiver many until 2027-01-01")
    );
    assert!(waived[19]["message"]["text"].as_str().unwrap().ends_with("(and 5 places more)"));
    for (outcome, kind, level) in
        [("error", "fail", "error"), ("unknown", "open", "none"), ("pass", "pass", "none")]
    {
        let found = results.iter().find(|result| result["properties"]["outcome"] == outcome).unwrap();
        assert_eq!((&found["kind"], &found["level"]), (&json!(kind), &json!(level)));
    }
}

#[test]
fn junit_is_after_its_schema_and_counts_as_the_audit_does() {
    let audit = audit();
    let text = junit::render(&audit).unwrap();
    valid_junit(&text);
    nothing_hidden(&text);
    let document = uppsala::parse(&text).unwrap();
    let suites = document.get_elements_by_tag_name("testsuite");
    assert_eq!(suites.len(), audit.controls.len() + 1);
    let root = document.get_elements_by_tag_name("testsuites")[0];
    let root = document.element(root).unwrap();
    assert_eq!(root.get_attribute("failures"), Some(audit.counts.fail.to_string().as_str()));
    assert_eq!(
        root.get_attribute("errors"),
        Some((audit.counts.error + audit.faults.len()).to_string().as_str())
    );
    let skipped = document.get_elements_by_tag_name("skipped").len();
    assert_eq!(skipped, audit.counts.skip + audit.counts.unknown + audit.counts.warn + audit.unread.len());
    assert!(text.contains("&lt;script&gt;document.title"), "{text}");
    assert!(text.contains("waived by many until 2027-01-01T00:00:00Z"));
}

#[test]
fn what_passes_and_is_not_kept_is_one_case() {
    let mut audit = audit();
    for line in &mut audit.objects {
        line.findings.retain(|finding| finding.outcome != Outcome::Pass);
    }
    let text = junit::render(&audit).unwrap();
    valid_junit(&text);
    assert!(text.contains("name=\"1 object passes\""), "{text}");
}

#[test]
fn oscal_is_after_its_schema_and_refers_to_what_is_there() {
    let document = oscal::render(&audit());
    valid(&OSCAL, &document);
    let result = &document["assessment-results"]["results"][0];
    let observations = names(&result["observations"], "uuid");
    let risks = names(&result["risks"], "uuid");
    let items = names(&result["local-definitions"]["inventory-items"], "uuid");
    assert_eq!(observations.len(), audit().objects.iter().map(|line| line.findings.len()).sum::<usize>());
    for list in [&observations, &risks, &items] {
        let mut sorted = list.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), list.len(), "identifiers are not shared");
    }
    for observation in result["observations"].as_array().unwrap() {
        assert!(items.contains(&observation["subjects"][0]["subject-uuid"].as_str().unwrap().to_owned()));
    }
    let findings = result["findings"].as_array().unwrap();
    for finding in findings {
        for (list, key, known) in [
            ("related-observations", "observation-uuid", &observations),
            ("related-risks", "risk-uuid", &risks),
        ] {
            for related in finding[list].as_array().into_iter().flatten() {
                assert!(known.contains(&related[key].as_str().unwrap().to_owned()));
            }
        }
    }
    let state = |id: &str| {
        let finding = findings.iter().find(|finding| finding["target"]["target-id"] == id).unwrap();
        finding["target"]["status"]["state"].clone()
    };
    assert_eq!((state("training"), state("least-privilege")), (json!("satisfied"), json!("not-satisfied")));
    assert_eq!((state("radio"), state("doors")), (json!("satisfied"), json!("not-satisfied")));
}

#[test]
fn csv_has_a_row_a_place_and_no_formula() {
    let bytes = csv::render(&audit(), Lang::Zh).unwrap();
    let mut reader = ::csv::Reader::from_reader(&bytes[3..]);
    assert_eq!(reader.headers().unwrap().iter().next(), Some("规则包"));
    let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
    let places: usize = audit()
        .objects
        .iter()
        .flat_map(|line| &line.findings)
        .map(|finding| finding.places.len().max(1))
        .sum();
    assert_eq!(rows.len(), places);
    for cell in rows.iter().flatten() {
        nothing_hidden(cell);
        assert!(!cell.starts_with(['=', '+', '-', '@', '＝']), "{cell}");
    }
    assert!(rows.iter().flatten().any(|cell| cell == "'=cmd|' /C calc'!A0"));
}

#[test]
fn the_workbook_has_the_field_record_first() {
    let audit = audit();
    let bytes = xlsx::render(&audit, Lang::Zh).unwrap();
    let mut book = Xlsx::new(Cursor::new(bytes)).unwrap();
    assert_eq!(book.sheet_names(), ["现场记录", "问题清单", "说明"]);
    let record = book.worksheet_range("现场记录").unwrap();
    let heads: Vec<_> = record.rows().next().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        heads,
        ["条款", "测评指标", "控制点", "测评项", "测评对象", "结果记录", "符合程度", "证据", "判定方式"]
    );
    let rows: Vec<Vec<String>> =
        record.rows().skip(1).map(|row| row.iter().map(ToString::to_string).collect()).collect();
    let of = |clause: &str, object: &str| {
        rows.iter()
            .find(|row| row[0] == clause && row[4] == object)
            .unwrap_or_else(|| panic!("{clause} {object}"))
    };
    assert_eq!(of("8.1.4.2 d", "全部")[6], "不符合");
    assert!(
        of("8.1.4.2 d", "全部")[5]
            .starts_with("存在高风险项; 容器不以特权模式运行：检查 11 个，通过 1，不通过 9，已豁免 1"),
        "{}",
        of("8.1.4.2 d", "全部")[5]
    );
    assert_eq!(of("8.1.4.2 d", "Deployment shop/web")[6], "不符合");
    assert_eq!(of("8.1.4.2 d", "CronJob quiet")[6], "符合");
    assert!(of("8.1.4.2 d", "Pod waived/many")[5].contains("由 many 豁免"));
    assert_eq!(of("8.1.10.2 a", "Namespace closed")[6], "部分符合", "evidence alone is not the whole");
    assert_eq!(of("8.1.8.3 a", "全部")[7], format!("{}: {}", HOSTILE[0], HOSTILE[1]));
    for name in ["现场记录", "问题清单", "说明"] {
        assert!(book.worksheet_formula(name).unwrap().used_cells().next().is_none(), "{name}");
        for (_, _, cell) in book.worksheet_range(name).unwrap().used_cells() {
            if let Data::String(text) = cell {
                nothing_hidden(text);
            }
        }
    }
    let notes = book.worksheet_range("说明").unwrap();
    assert!(notes.rows().any(|row| row[0].to_string().contains("预检，非认证")));
}

#[test]
fn the_table_says_it_all_on_a_terminal() {
    for lang in Lang::ALL {
        nothing_hidden(&table::render(&audit(), lang, table::ALL));
    }
    let text = table::render(&audit(), Lang::En, table::ALL);
    for line in [
        "This is a pre-check, not certification.",
        "no-privilege  Containers are not <privileged>: 9 objects fail, 1 waived",
        "high  no-privilege  Containers are not <privileged> (8.1.4.2 d): 9 of 11 fail",
        "  fail  Deployment shop/web",
        "/srv/with space/web#1.yaml:5  spec.template.spec.containers[0].securityContext.privileged  container a is privileged",
        "  waived  Pod waived/many (waived by many)",
        "      and 5 more",
        "  Change: Set `securityContext.privileged: false` <here>.",
        "x.yaml:3: \\u{1b}[2J\\u{1b}]0;taken\\u{7}",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    // The most severe first.
    assert!(text.find("critical  closed").unwrap() < text.find("high  no-privilege").unwrap());
    assert!(text.find("high  no-privilege").unwrap() < text.find("low  probed").unwrap());
    let short = table::render(&audit(), Lang::En, 1);
    assert!(short.contains("  and 10 more"), "{short}");
}

#[test]
fn that_nothing_matched_is_said() {
    let mut audit = audit();
    audit.objects.clear();
    for control in &mut audit.controls {
        control.tally = banyan_policies::verdict::Tally::default();
    }
    for (lang, words) in [(Lang::En, "Nothing matched"), (Lang::Zh, "无匹配")] {
        assert!(table::render(&audit, lang, table::ALL).contains(words));
        assert!(super::super::html::render(&audit, lang).unwrap().contains(words));
    }
    valid(&SARIF, &sarif::render(&audit, Lang::En));
    valid(&OSCAL, &oscal::render(&audit));
    valid_junit(&junit::render(&audit).unwrap());
}

#[test]
fn the_words_of_an_assessment_are_for_mlps() {
    let other = audit();
    let mut mlps = other.clone();
    mlps.packs[0].name = "mlps".to_owned();
    for (audit, said) in [(&other, false), (&mlps, true)] {
        assert_eq!(table::render(audit, Lang::En, table::ALL).contains("level 3): not conforming; "), said);
        assert_eq!(oscal::render(audit).to_string().contains("NonConforming"), said);
        let report =
            super::super::openreports::clauses_report(audit, super::super::openreports::Api::default(), "c");
        assert_eq!(report["metadata"]["annotations"].to_string().contains("NonConforming by"), said);
    }
}
