//! For each rule of the definitions, a value at the edge of what is allowed and one just past it. Here those of `DataCenter`; the
//! other kinds have a file each.

mod baseline;
mod waiver;

use serde_json::{Value, json};

pub use baseline::whole as baseline;
pub use waiver::whole as waiver;

/// One rule, and a value on each side of it.
pub struct Case {
    /// The field that a refusal names.
    pub field: String,
    /// The keyword of the schema, or the message of a validation rule.
    pub rule: &'static str,
    /// JSON pointer of what is changed.
    pointer: String,
    /// A resource in which every field of the spec is set.
    base: fn() -> Value,
    /// Changed on both sides.
    with: Vec<(&'static str, Value)>,
    good: Value,
    bad: Value,
}

impl Case {
    /// The manifest that must be accepted.
    pub fn accepted(&self) -> Value {
        // What must be there is in the base.
        self.manifest((self.rule != "required").then_some(&self.good))
    }

    /// The manifest that must be refused.
    pub fn refused(&self) -> Value {
        self.manifest(Some(&self.bad))
    }

    /// The kind.
    pub fn kind(&self) -> String {
        (self.base)()["kind"].as_str().unwrap_or_default().to_owned()
    }

    fn manifest(&self, value: Option<&Value>) -> Value {
        let mut manifest = (self.base)();
        for (pointer, value) in &self.with {
            set(&mut manifest, pointer, value.clone());
        }
        if let Some(value) = value {
            set(&mut manifest, &self.pointer, value.clone());
        }
        manifest
    }

    /// The same of another kind.
    fn on(mut self, base: fn() -> Value) -> Self {
        self.base = base;
        self
    }

    fn with(mut self, pointer: &'static str, value: Value) -> Self {
        self.with.push((pointer, value));
        self
    }
}

/// A case in which the field that is changed is the one that is named.
fn case(field: &str, rule: &'static str, good: Value, bad: Value) -> Case {
    at(field, rule, &format!("/{}", field.replace(['.', '['], "/").replace(']', "")), good, bad)
}

/// A case in which another field is named than the one that is changed.
fn at(field: &str, rule: &'static str, pointer: &str, good: Value, bad: Value) -> Case {
    Case { field: field.to_owned(), rule, pointer: pointer.to_owned(), base: whole, with: vec![], good, bad }
}

/// A field that must be there.
fn required(field: &str) -> Case {
    case(field, "required", Value::Null, Value::Null)
}

/// Puts `value` at `pointer`; `null` removes what is there, and an index past the end of a list appends.
fn set(manifest: &mut Value, pointer: &str, value: Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    match manifest.pointer_mut(parent) {
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => items[index] = value,
            _ => items.push(value),
        },
        Some(Value::Object(fields)) if value.is_null() => drop(fields.remove(last)),
        Some(Value::Object(fields)) => drop(fields.insert(last.to_owned(), value)),
        // A mistake in the table: the case then fails, because its two sides are alike.
        _ => {}
    }
}

/// A resource in which every field of the spec is set, so that each case changes one thing.
pub fn whole() -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1",
        "kind": "DataCenter",
        "metadata": { "name": "rules" },
        "spec": {
            "suspend": false,
            "location": { "region": "cn-fujian", "city": "fuzhou", "district": "gulou", "timeZone": "Asia/Shanghai" },
            "class": "A",
            "commissioned": "2024-06-01",
            "racks": { "standard": 100, "inUse": 50 },
            "ratedITKilowatts": 100,
            "cooling": "ElectricAir",
            "nodeSelector": {
                "matchLabels": { "any": "a" },
                "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }],
            },
            "cluster": {
                "id": "01234567-89ab-cdef-0123-456789abcdef",
                "kubeconfigSecretRef": { "name": "site", "key": "kubeconfig" },
            },
            "energy": {
                "prometheus": {
                    "url": "https://prometheus.monitoring:9090",
                    "authSecretRef": { "name": "prometheus" },
                    "caConfigMapRef": { "name": "authority", "key": "ca.crt" },
                    "timeout": "10s",
                },
                "meters": [
                    {
                        "name": "feed", "purpose": "Facility", "query": "feed", "type": "Counter", "unit": "kWh",
                        "interval": "15m", "ratedKilowatts": 100, "maxValue": 1000,
                        "validFrom": "2024-06-01T00:00:00+08:00", "validTo": "2025-06-01T00:00:00+08:00",
                    },
                    {
                        "name": "it", "purpose": "IT", "position": "PDU", "query": "it", "type": "Gauge", "unit": "kW",
                        "interval": "1m",
                    },
                ],
            },
            "pue": {
                "targets": [{ "from": "2024-06-01", "max": "1.30" }, { "from": "2026-01-01", "max": "1.25" }],
                "minimumCoveragePercent": 95,
            },
            "thermal": {
                "ashraeClass": "A2", "inletTemperatureQuery": "inlet", "relativeHumidityQuery": "humidity",
            },
            "maintenance": [{
                "from": "2026-03-01T00:00:00+08:00", "to": "2026-03-01T06:00:00+08:00", "reason": "UPS test",
            }],
            "enforcement": {
                "mode": "Observe",
                "actions": ["HoldBatch"],
                "hysteresis": {
                    "up": "0.02", "down": "0.02", "violateWindows": 3, "clearWindows": 6, "window": "1h", "dwell": "1h",
                },
            },
        },
    })
}

fn letters(count: usize) -> Value {
    json!("a".repeat(count))
}

/// `count` things, made from their numbers.
fn many(count: usize, thing: impl Fn(usize) -> Value) -> Value {
    (0..count).map(thing).collect()
}

fn meter(number: usize) -> Value {
    let purpose = if number == 0 { "Facility" } else { "Generator" };
    json!({
        "name": format!("m{number}"), "purpose": purpose, "query": "m", "type": "Counter", "unit": "kWh", "interval": "15m",
    })
}

/// The meter that [`meter`] makes for a number, and an IT meter before them.
fn meters(count: usize) -> Value {
    let it = json!({
        "name": "it", "purpose": "IT", "position": "Rack", "query": "it", "type": "Counter", "unit": "J", "interval": "1s",
    });
    many(count, |number| if number == 0 { it.clone() } else { meter(number - 1) })
}

/// A date-time of `length` characters.
fn instant(year: u32, length: usize) -> Value {
    let digits = length - "2026-03-01T00:00:00.Z".len();
    json!(format!("{year}-03-01T00:00:00.{}Z", "0".repeat(digits)))
}

/// All cases.
pub fn all() -> Vec<Case> {
    [
        place(),
        server(),
        meter_fields(),
        meter_rules(),
        target(),
        enforcement(),
        baseline::cases(),
        waiver::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn place() -> Vec<Case> {
    let mut cases = vec![
        at(
            "metadata.name",
            "the name of a DataCenter has at most 52 characters, because it is part of labels",
            "/metadata/name",
            letters(52),
            letters(53),
        ),
        required("spec"),
        required("spec.location"),
        required("spec.location.timeZone"),
        case("spec.location.timeZone", "minLength", json!("Z"), json!("")),
        case("spec.location.timeZone", "maxLength", letters(63), letters(64)),
        case("spec.location.timeZone", "pattern", json!("Etc/GMT+8"), json!("+08:00")),
        case("spec.class", "enum", json!("C"), json!("D")),
        case("spec.commissioned", "format", json!("2024-02-29"), json!("2026-02-30")),
        case("spec.commissioned", "maxLength", json!("2024-02-29"), json!("2024-02-29T")),
        required("spec.racks.standard"),
        case("spec.racks.standard", "minimum", json!(1), json!(0)).with("/spec/racks/inUse", json!(0)),
        case("spec.racks.standard", "maximum", json!(1_000_000), json!(1_000_001)),
        case("spec.racks.inUse", "minimum", json!(0), json!(-1)),
        case("spec.racks.inUse", "maximum", json!(1_000_000), json!(1_000_001))
            .with("/spec/racks/standard", json!(1_000_000)),
        case("spec.racks.inUse", "no more racks can be in use than there are", json!(100), json!(101)),
        at(
            "spec.racks.inUseQuery",
            "give inUse or inUseQuery, not both",
            "/spec/racks/inUse",
            Value::Null,
            json!(50),
        )
        .with("/spec/racks/inUseQuery", json!("racks")),
        case("spec.racks.inUseQuery", "minLength", letters(1), json!(""))
            .with("/spec/racks/inUse", Value::Null),
        case("spec.racks.inUseQuery", "maxLength", letters(1024), letters(1025))
            .with("/spec/racks/inUse", Value::Null),
        case("spec.ratedITKilowatts", "minimum", json!(1), json!(-1)),
        case("spec.ratedITKilowatts", "maximum", json!(10_000_000), json!(10_000_001)),
        case("spec.cooling", "enum", json!("Liquid"), json!("Water")),
        required("spec.cluster.id"),
        case("spec.cluster.id", "minLength", id('f', ""), json!("01234567-89ab-cdef-0123-456789abcde")),
        case("spec.cluster.id", "maxLength", id('f', ""), id('f', "f")),
        case("spec.cluster.id", "pattern", id('9', ""), id('G', "")),
    ];
    for field in ["region", "city", "district"] {
        cases.push(case(&format!("spec.location.{field}"), "maxLength", letters(63), letters(64)));
    }
    cases.extend(selector("spec.nodeSelector"));
    cases.extend(object_name("spec.cluster.kubeconfigSecretRef.name"));
    cases.extend(data_key("spec.cluster.kubeconfigSecretRef.key"));
    cases
}

fn id(last: char, more: &str) -> Value {
    json!(format!("01234567-89ab-cdef-0123-456789abcde{last}{more}"))
}

fn labels(count: usize) -> Value {
    Value::Object((0..count).map(|number| (format!("k{number}"), json!("a"))).collect())
}

fn expressions(count: usize) -> Value {
    many(count, |number| json!({ "key": format!("k{number}"), "operator": "Exists" }))
}

/// Kubernetes' own selector with bounds.
fn selector(field: &str) -> Vec<Case> {
    let at = |rest: &str| format!("{field}.{rest}");
    let first = |rest: &str| at(&format!("matchExpressions[0].{rest}"));
    let values = |count: usize| many(count, |_| json!("a"));
    vec![
        case(&at("matchLabels.any"), "maxLength", letters(63), letters(64)),
        case(&at("matchLabels"), "maxProperties", labels(16), labels(17)),
        case(&at("matchExpressions"), "maxItems", expressions(16), expressions(17)),
        required(&first("key")),
        case(&first("key"), "minLength", letters(1), json!("")),
        case(&first("key"), "maxLength", letters(317), letters(318)),
        required(&first("operator")),
        case(&first("operator"), "enum", json!("NotIn"), json!("Gt")),
        case(&first("values"), "maxItems", values(64), values(65)),
        case(&first("values[0]"), "maxLength", letters(63), letters(64)),
    ]
}

/// A list that is a set of at most `most` names, each for which `good` and `bad` are cases.
fn set_of(field: &str, most: usize, twice: &str) -> Vec<Case> {
    let names = |count: usize| many(count, |number| json!(format!("a{number}")));
    vec![
        case(field, "maxItems", names(most), names(most + 1)),
        at(
            &format!("{field}[1]"),
            "x-kubernetes-list-type",
            &format!("/{}", field.replace('.', "/")),
            json!([twice]),
            json!([twice, twice]),
        ),
    ]
}

/// Sets of names of objects.
fn object_names(field: &str, most: usize) -> Vec<Case> {
    let item = format!("{field}[0]");
    let mut cases = set_of(field, most, "a");
    cases.extend(object_name(&item).into_iter().filter(|case| case.rule != "required"));
    cases
}

/// What a person writes for others to read.
fn sentence(field: &str) -> Vec<Case> {
    vec![
        required(field),
        case(field, "maxLength", letters(1024), letters(1025)),
        case(field, "pattern", json!(" 无线"), json!(" \n")),
    ]
}

/// A text that is not empty.
fn text(field: &str, most: usize) -> Vec<Case> {
    vec![
        case(field, "minLength", letters(1), json!("")),
        case(field, "maxLength", letters(most), letters(most + 1)),
    ]
}

/// The id of a control.
fn control_id(field: &str) -> Vec<Case> {
    let mut cases = text(field, 48);
    cases.push(case(field, "pattern", json!("pod-a1"), json!("pod--a")));
    cases
}

/// Names of objects: no namespace before a slash, and no other path.
fn object_name(field: &str) -> Vec<Case> {
    vec![
        required(field),
        case(field, "minLength", letters(1), json!("")),
        case(field, "maxLength", letters(253), letters(254)),
        case(field, "pattern", json!("site.v1"), json!("kube-system/site")),
    ]
}

fn data_key(field: &str) -> Vec<Case> {
    vec![
        required(field),
        case(field, "minLength", letters(1), json!("")),
        case(field, "maxLength", letters(253), letters(254)),
        case(field, "pattern", json!("_A.b-9"), json!("../token")),
    ]
}

fn duration(field: &str, good: &str) -> Vec<Case> {
    // Zeros in front, as many as the pattern allows, make 25 characters of the four parts.
    let padded = format!("00000h00000m{good:0>6}");
    vec![
        case(field, "maxLength", json!(format!("{padded}0000ms")), json!(format!("{padded}00000ms"))),
        case(field, "pattern", json!(good), json!("1d")),
    ]
}

fn decimal(field: &str, good: &str) -> Vec<Case> {
    vec![
        case(field, "maxLength", json!(format!("{good:0<8}")), json!("0000000001.000000")),
        case(field, "pattern", json!(good), json!("1,25")),
    ]
}

fn server() -> Vec<Case> {
    const SERVER: &str = "spec.energy.prometheus";
    const AUTH: &str = "/spec/energy/prometheus/authSecretRef";
    let url = format!("{SERVER}.url");
    let long = |count: usize| json!(format!("https://{}", "a".repeat(count - 8)));
    let mut cases = vec![
        required(SERVER),
        required(&url),
        case(&url, "minLength", json!("http://p"), json!("http://")).with(AUTH, Value::Null),
        case(&url, "maxLength", long(512), long(513)),
        case(&url, "pattern", json!("https://p/prometheus"), json!("https://user:password@p")),
        case(
            &url,
            "credentials travel over https only: use an https url or leave authSecretRef out",
            json!("https://p:9090"),
            json!("http://p:9090"),
        ),
        case(
            &format!("{SERVER}.timeout"),
            "a request's time limit lies between 1s and 2m",
            json!("2m"),
            json!("2m1s"),
        ),
        case(
            &format!("{SERVER}.timeout"),
            "a request's time limit lies between 1s and 2m",
            json!("1s"),
            json!("999ms"),
        ),
    ];
    cases.extend(object_name(&format!("{SERVER}.authSecretRef.name")));
    cases.extend(object_name(&format!("{SERVER}.caConfigMapRef.name")));
    cases.extend(data_key(&format!("{SERVER}.caConfigMapRef.key")));
    cases.extend(duration(&format!("{SERVER}.timeout"), "30s"));
    cases
}

fn meter_fields() -> Vec<Case> {
    const METERS: &str = "spec.energy.meters";
    let field = |name: &str| format!("{METERS}[0].{name}");
    let mut cases = vec![
        required(METERS),
        case(METERS, "minItems", meters(2), meters(1)),
        case(METERS, "maxItems", meters(64), meters(65)),
        at(
            &format!("{METERS}[2]"),
            "x-kubernetes-list-type",
            "/spec/energy/meters/2",
            meter(1),
            json!({
                "name": "feed", "purpose": "Facility", "query": "m", "type": "Counter", "unit": "kWh", "interval": "15m",
            }),
        ),
        case(&field("name"), "minLength", letters(1), json!("")),
        case(&field("name"), "maxLength", letters(63), letters(64)),
        case(&field("name"), "pattern", json!("feed-a"), json!("Feed A")),
        case(&field("purpose"), "enum", json!("Generator"), json!("Feed"))
            .with("/spec/energy/meters/2", meter(0)),
        case(&field("query"), "minLength", letters(1), json!("")),
        case(&field("query"), "maxLength", letters(1024), letters(1025)),
        case(&field("type"), "enum", json!("Counter"), json!("Histogram")),
        case(&field("unit"), "enum", json!("MWh"), json!("GWh")),
        case(&format!("{METERS}[1].position"), "enum", json!("Rack"), json!("Room")),
        case(&field("interval"), "a meter's interval lies between 1s and 744h", json!("1s"), json!("999ms")),
        case(
            &field("interval"),
            "a meter's interval lies between 1s and 744h",
            json!("744h"),
            json!("744h1ms"),
        ),
        case(&field("ratedKilowatts"), "minimum", json!(1), json!(-6000)),
        case(&field("ratedKilowatts"), "maximum", json!(10_000_000), json!(10_000_001)),
        case(&field("maxValue"), "minimum", json!(1), json!(0)),
        case(&field("validFrom"), "format", json!("2024-02-29T00:00:00Z"), json!("2025-02-29T00:00:00Z")),
        case(&field("validFrom"), "maxLength", instant(2024, 40), instant(2024, 41)),
        case(&field("validTo"), "format", json!("2026-01-01T00:00:00+08:00"), json!("2026-01-01")),
        case(&field("validTo"), "maxLength", instant(2026, 40), instant(2026, 41)),
    ];
    cases.extend(["name", "purpose", "query", "type", "unit", "interval"].map(|name| required(&field(name))));
    cases.extend(duration(&field("interval"), "15m"));
    cases
}

fn meter_rules() -> Vec<Case> {
    const ENERGY: &str = "a counter of energy is in Wh, kWh, MWh or J, a gauge of power in W, kW or MW";
    const METERS: &str = "spec.energy.meters";
    let extra = |purpose: &str, kind: &str, unit: &str| json!({ "name": "extra", "purpose": purpose, "query": "m", "type": kind, "unit": unit, "interval": "15m" });
    let unit = format!("{METERS}[2].unit");
    vec![
        at(
            METERS,
            "a site needs at least one Facility meter",
            "/spec/energy/meters/0/purpose",
            json!("Facility"),
            json!("Generator"),
        ),
        at(
            METERS,
            "a site needs at least one IT meter",
            "/spec/energy/meters/1",
            json!({ "name": "it", "purpose": "IT", "position": "UPS", "query": "m", "type": "Counter", "unit": "Wh", "interval": "15m" }),
            meter(1),
        ),
        at(
            &format!("{METERS}[1].position"),
            "an IT meter needs a position: UPS, PDU or Rack",
            "/spec/energy/meters/1/position",
            json!("UPS"),
            Value::Null,
        ),
        at(
            &format!("{METERS}[0].position"),
            "only an IT meter has a position",
            "/spec/energy/meters/0/position",
            Value::Null,
            json!("UPS"),
        ),
        case(&format!("{METERS}[0].unit"), ENERGY, json!("J"), json!("kW")),
        case(&format!("{METERS}[1].unit"), ENERGY, json!("MW"), json!("kWh")),
        at(
            &unit,
            "water is a Counter in L or m3",
            "/spec/energy/meters/2",
            extra("Water", "Counter", "m3"),
            extra("Water", "Counter", "kWh"),
        ),
        at(
            &unit,
            "water is a Counter in L or m3",
            "/spec/energy/meters/2",
            extra("Water", "Counter", "L"),
            extra("Water", "Gauge", "L"),
        ),
        at(
            &unit,
            "carbon is a Counter in kgCO2e or tCO2e",
            "/spec/energy/meters/2",
            extra("Carbon", "Counter", "tCO2e"),
            extra("Carbon", "Counter", "L"),
        ),
        at(
            &format!("{METERS}[1].maxValue"),
            "only a Counter rolls over at a maxValue",
            "/spec/energy/meters/1/maxValue",
            Value::Null,
            json!(1000),
        ),
        case(
            &format!("{METERS}[0].validTo"),
            "validFrom lies before validTo",
            json!("2024-05-31T16:00:01Z"),
            // The instant of validFrom, in another zone.
            json!("2024-05-31T16:00:00Z"),
        ),
    ]
}

fn target() -> Vec<Case> {
    const TARGETS: &str = "spec.pue.targets";
    let first = |field: &str| format!("{TARGETS}[0].{field}");
    let steps = |count: usize| {
        many(count, |number| json!({ "from": format!("2024-01-{:02}", number + 1), "max": "1.30" }))
    };
    let mut cases = vec![
        required(TARGETS),
        required(&first("from")),
        required(&first("max")),
        case(TARGETS, "minItems", steps(1), steps(0)),
        case(TARGETS, "maxItems", steps(24), steps(25)),
        at(
            &format!("{TARGETS}[1]"),
            "x-kubernetes-list-type",
            "/spec/pue/targets/1/from",
            json!("2024-06-02"),
            json!("2024-06-01"),
        ),
        at(
            TARGETS,
            "a PUE target never rises: each later target is at or below the ones before it",
            "/spec/pue/targets/1/max",
            json!("1.300"),
            json!("1.301"),
        ),
        // The order in the list is not the order in time.
        at(
            TARGETS,
            "a PUE target never rises: each later target is at or below the ones before it",
            "/spec/pue/targets/1",
            json!({ "from": "2020-01-01", "max": "1.50" }),
            json!({ "from": "2020-01-01", "max": "1.20" }),
        ),
        case(
            &first("max"),
            "a PUE target below 1.0 cannot be met: a facility draws at least what its IT draws",
            json!("1.0"),
            json!("0.999999"),
        )
        .with("/spec/pue/targets/1", json!({ "from": "2026-01-01", "max": "1" })),
        case(&first("max"), "a PUE target above 10 restricts nothing", json!("10"), json!("10.000001")),
        case(&first("from"), "format", json!("2024-02-29"), json!("2026-02-30")),
        case(&first("from"), "maxLength", json!("2024-02-29"), json!("2024-02-29T")),
        case("spec.pue.minimumCoveragePercent", "minimum", json!(50), json!(49)),
        case("spec.pue.minimumCoveragePercent", "maximum", json!(100), json!(101)),
        required("spec.thermal.ashraeClass"),
        case("spec.thermal.ashraeClass", "enum", json!("A4"), json!("A5")),
        required("spec.thermal.inletTemperatureQuery"),
        case("spec.thermal.inletTemperatureQuery", "minLength", letters(1), json!("")),
        case("spec.thermal.inletTemperatureQuery", "maxLength", letters(1024), letters(1025)),
        case("spec.thermal.relativeHumidityQuery", "minLength", letters(1), json!("")),
        case("spec.thermal.relativeHumidityQuery", "maxLength", letters(1024), letters(1025)),
    ];
    cases.extend(decimal(&first("max"), "1.5"));
    cases
}

fn enforcement() -> Vec<Case> {
    const HYSTERESIS: &str = "spec.enforcement.hysteresis";
    const WORK: &str = "spec.maintenance";
    let span = |number: usize| json!({ "from": "2026-03-01T00:00:00Z", "to": format!("2026-03-01T01:00:{:02}Z", number % 60), "reason": "work" });
    let field = |name: &str| format!("{HYSTERESIS}.{name}");
    let mut cases = vec![
        case(WORK, "maxItems", many(64, span), many(65, span)),
        required(&format!("{WORK}[0].from")),
        required(&format!("{WORK}[0].to")),
        required(&format!("{WORK}[0].reason")),
        case(
            &format!("{WORK}[0].from"),
            "format",
            json!("2026-02-28T00:00:00Z"),
            json!("2026-02-30T00:00:00Z"),
        ),
        case(&format!("{WORK}[0].from"), "maxLength", instant(2025, 40), instant(2025, 41)),
        case(&format!("{WORK}[0].to"), "format", json!("2026-03-02T00:00:00Z"), json!("tomorrow")),
        case(&format!("{WORK}[0].to"), "maxLength", instant(2027, 40), instant(2027, 41)),
        case(&format!("{WORK}[0].reason"), "minLength", letters(1), json!("")),
        case(&format!("{WORK}[0].reason"), "maxLength", letters(256), letters(257)),
        case(
            &format!("{WORK}[0].to"),
            "maintenance ends after it begins",
            json!("2026-03-01T00:00:01+08:00"),
            json!("2026-03-01T00:00:00+08:00"),
        ),
        case("spec.enforcement.mode", "enum", json!("Enforce"), json!("Force")),
        case("spec.enforcement.actions[0]", "enum", json!("FreezeGrowth"), json!("PowerOff")),
        case(
            "spec.enforcement.actions",
            "maxItems",
            json!(["FreezeGrowth", "PreferElsewhere", "HoldBatch"]),
            json!(["FreezeGrowth", "PreferElsewhere", "HoldBatch", "HoldBatch"]),
        ),
        at(
            "spec.enforcement.actions[1]",
            "x-kubernetes-list-type",
            "/spec/enforcement/actions/1",
            json!("PreferElsewhere"),
            json!("HoldBatch"),
        ),
        case(&field("violateWindows"), "minimum", json!(1), json!(0)),
        case(&field("violateWindows"), "maximum", json!(48), json!(49)),
        case(&field("clearWindows"), "minimum", json!(1), json!(0)),
        case(&field("clearWindows"), "maximum", json!(48), json!(49)),
        case(&field("window"), "a window lasts between 1m and 24h", json!("1m"), json!("59s")),
        case(&field("window"), "a window lasts between 1m and 24h", json!("24h"), json!("24h1s")),
        case(&field("dwell"), "a dwell lasts at most 168h", json!("168h"), json!("168h1s")),
    ];
    cases.extend(decimal(&field("up"), "0.1"));
    cases.extend(decimal(&field("down"), "0.1"));
    cases.extend(duration(&field("window"), "30m"));
    cases.extend(duration(&field("dwell"), "30m"));
    cases
}
