//! Held against kube-cel's own interpreter where both must agree, and against the specification where that interpreter differs.
use kube_cel::{
    KubeCelExt,
    cel::{Context, Program},
};
use serde_json::{Value as Json, json};

use super::*;

struct Object;

impl Names for Object {
    fn variable(&self, _: &str) -> Option<Root> {
        None
    }
    fn related(&self, name: &str) -> Option<Root> {
        (name == "pods").then_some(Root::Related(0))
    }
    fn object(&self) -> bool {
        true
    }
    fn item(&self) -> bool {
        false
    }
}

struct At<'a>(&'a Json);

impl<'a> Env<'a> for At<'a> {
    fn root(&self, root: Root) -> Result<Value<'a>, EvalError> {
        match root {
            Root::Object => Ok(Value::from_json(self.0)),
            Root::Now => Ok(Value::Time("2026-06-01T00:00:00Z".parse().unwrap())),
            _ => Err(EvalError::new("not here")),
        }
    }
}

fn ours(text: &str, object: &Json) -> Result<Json, String> {
    let expr = compile(text, &Object).map_err(|error| error.to_string())?;
    eval(&expr, &At(object), &Budget::new()).map(|value| value.to_json()).map_err(|error| error.to_string())
}

fn theirs(text: &str, object: &Json) -> Result<Json, String> {
    let mut context = Context::default().with_all();
    context.add_variable_from_value("object", super::bridge::to_cel(&Value::from_json(object)));
    Program::compile(text)
        .unwrap()
        .execute(&context)
        .map(|value| super::bridge::from_cel(&value).to_json())
        .map_err(|error| error.to_string())
}

#[test]
fn agrees_with_kube_cels_interpreter() {
    let object = json!({"a": 1, "b": "text", "list": [3, 1, 2], "names": ["x", "yy"], "deep": {"er": {"est": true}}, "half": 0.5, "port": "80",
        "containers": [{"name": "a", "image": "r/a:1"}, {"name": "b", "image": "r/b@sha256:0", "privileged": true}]});
    let mut unlike = Vec::new();
    for text in [
        "object.a + 2 * 3 - 4 / 2 % 3",
        "object.a == 1 && object.b != 'x' || object.half > 1.0",
        "object.list.all(x, x > 0) && object.list.exists(x, x == 2) && !object.list.exists(x, x > 3)",
        "object.list.exists_one(x, x > 2)",
        "object.list.map(x, x * 2)",
        "object.list.map(x, x > 1, string(x))",
        "object.containers.filter(c, has(c.privileged) && c.privileged).map(c, c.name)",
        "object.list + [9]",
        "object.list[1]",
        "object['b'] + object.names[0]",
        "size(object.list) + object.names.size() + size('anb') + size(object)",
        "'b' in object && !('q' in object) && 2 in object.list && !(7 in object.list) && 'yy' in ['yy', 'z']",
        "object.b.startsWith('te') && object.b.endsWith('xt') && object.b.contains('ex') && object.b.matches('^t.*t$')",
        "object.b.upperAscii() + 'ABC'.lowerAscii() + ' t '.trim()",
        "'a,b,c'.split(',')",
        "'a,b,c'.split(',', 2)",
        "object.names.join('-')",
        "'a.b.a'.replace('a', 'c') + 'a.b.a'.replace('a', 'c', 1)",
        "'hello'.indexOf('l') + 'hello'.indexOf('z')",
        "'hello'.substring(1) + 'hello'.substring(1, 3)",
        "int(object.port) + int('7') + int(2.9)",
        "string(object.a) + string(object.half)",
        "double(object.a) + object.half",
        "has(object.deep.er) ? object.deep.er.est : false",
        "has(object.deep.er.nope)",
        "[1, 2] == [1, 2] && {'a': 1} == {'a': 1} && 'a' < 'b'",
        "quantity('1Gi').isGreaterThan(quantity('1M'))",
        "isIP('10.0.0.1') && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
        "sets.contains([1, 2, 3], [2]) && !sets.intersects([1], [2])",
        "url('https://a.example:8443/x').getHost()",
        "semver('1.36.2').minor()",
        "'%s has %d'.format(['a', 3])",
        "object.names.map(n, object.list.map(x, string(x) + n))",
        "duration('1h30m').getMinutes()",
        "timestamp('2026-06-01T00:00:00Z') > timestamp('2026-05-01T00:00:00Z')",
        "object.list.sort()",
        "base64.decode('aGk=') == b'hi'",
        "-object.a + -3",
    ] {
        let (ours, theirs) = (ours(text, &object), theirs(text, &object));
        if ours != theirs || ours.is_err() {
            unlike.push(format!("{text}: {ours:?}, kube-cel {theirs:?}"));
        }
    }
    assert!(unlike.is_empty(), "{unlike:#?}");
}

#[test]
fn what_the_specification_says() {
    let object = json!({"a": 1, "none": null, "list": ["x"], "map": {"k": 1}});
    // An error on one side does not matter when the other side decides.
    assert_eq!(ours("object.nope.x || true", &object), Ok(json!(true)));
    assert_eq!(ours("object.nope.x && false", &object), Ok(json!(false)));
    assert!(ours("object.nope.x || false", &object).is_err());
    assert_eq!(ours("['x', 'y'].exists(k, object.map[k] == 1 || k == 'y')", &object), Ok(json!(true)));
    // A member of something that has none is an error; kube-cel's interpreter says false.
    assert!(ours("object.a.b", &object).is_err());
    assert!(ours("has(object.a.b)", &object).is_err());
    // A string's size is in characters; kube-cel's interpreter counts bytes.
    assert_eq!(ours("size('añb')", &object), Ok(json!(3)));
    // Numbers are equal by value, whatever their types, and a truth value has a string.
    assert_eq!(ours("object.a == 1.0 && dyn(1u) == object.a", &object), Ok(json!(true)));
    assert_eq!(ours("string(true)", &object), Ok(json!("true")));
    // null counts as absent.
    assert_eq!(ours("has(object.none)", &object), Ok(json!(false)));
    // Loops over maps go over keys.
    assert_eq!(ours("object.map.all(k, k == 'k')", &object), Ok(json!(true)));
    assert!(ours("1 + 1.0", &object).is_err());
    assert!(ours("9223372036854775807 + 1", &object).is_err());
    assert!(ours("1 / 0", &object).is_err());
    assert_eq!(ours("now - timestamp('2026-05-31T00:00:00Z') == duration('24h')", &object), Ok(json!(true)));
    assert_eq!(ours("(now - timestamp('2026-05-31T00:00:00Z')).getHours()", &object), Ok(json!(24)));
}

#[test]
fn selectors_and_flags() {
    let object = json!({"labels": {"app": "web", "tier": "front"}, "c": {"command": ["apiserver", "--a=1", "--b", "2", "--c"], "args": ["--a=3"]}});
    for (selector, takes) in [
        ("{}", true),
        ("{'matchLabels': {'app': 'web'}}", true),
        ("{'matchLabels': {'app': 'db'}}", false),
        ("{'matchExpressions': [{'key': 'tier', 'operator': 'In', 'values': ['front']}]}", true),
        ("{'matchExpressions': [{'key': 'tier', 'operator': 'NotIn', 'values': ['front']}]}", false),
        ("{'matchExpressions': [{'key': 'none', 'operator': 'NotIn', 'values': ['front']}]}", true),
        ("{'matchExpressions': [{'key': 'none', 'operator': 'DoesNotExist'}]}", true),
        ("{'matchExpressions': [{'key': 'app', 'operator': 'Exists'}]}", true),
    ] {
        assert_eq!(
            ours(&format!("selects(dyn({selector}), object.labels)"), &object),
            Ok(json!(takes)),
            "{selector}"
        );
    }
    assert_eq!(ours("flags(object.c)", &object), Ok(json!({"a": "3", "b": "2", "c": "true"})));
}

#[test]
fn unknown_names_and_functions_are_found_when_a_pack_is_read() {
    assert_eq!(compile("objekt.a", &Object).unwrap_err(), CelError::Name("objekt".into()));
    assert_eq!(compile("variables.x", &Object).unwrap_err(), CelError::Name("variables.x".into()));
    assert_eq!(
        compile("object.a.startWith('x')", &Object).unwrap_err(),
        CelError::Function("startWith".into(), 1)
    );
    assert!(matches!(compile("object.a.matches('(')", &Object).unwrap_err(), CelError::Pattern(..)));
    assert!(matches!(compile("object.a ==", &Object).unwrap_err(), CelError::Syntax(_)));
    assert!(matches!(compile(&"a".repeat(20_000), &Object).unwrap_err(), CelError::TooLong(_)));
    assert!(compile(&format!("{}object.a{}", "(".repeat(500), ")".repeat(500)), &Object).is_err());
}

#[test]
fn an_evaluation_that_takes_too_long_ends_as_an_error() {
    let object = json!({"list": (0..300).collect::<Vec<_>>()});
    let text = "object.list.all(a, object.list.all(b, object.list.all(c, a + b + c >= 0)))";
    assert_eq!(ours(text, &object), Err("the evaluation takes too many steps".to_owned()));
}

#[test]
fn only_what_is_read_is_kept() {
    let object = json!({"metadata": {"name": "a", "labels": {"app": "x"}, "managedFields": [1, 2]}, "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "c", "image": "i", "env": []}]}}, "other": {"big": 1}}});
    let expr = compile(
        "object.metadata.labels['app'] == 'x' && object.spec.template.spec.containers.all(c, c.image != '') && (has(object.spec.other) || related.pods.exists(p, p.metadata.labels.app == 'x'))",
        &Object,
    )
    .unwrap();
    let found = uses(&expr);
    assert_eq!(
        found[&Root::Object].project(&object),
        json!({"metadata": {"labels": {"app": "x"}}, "spec": {"template": {"spec": {"containers": [{"image": "i"}]}}, "other": {}}})
    );
    assert_eq!(
        found[&Root::Related(0)]
            .project(&json!([{"metadata": {"labels": {"app": "x", "b": "c"}, "name": "n"}, "spec": 1}])),
        json!([{"metadata": {"labels": {"app": "x"}}}])
    );
}

#[test]
fn mutants_differ_in_one_place() {
    let expr = compile("!has(object.a) || object.a < 3", &Object).unwrap();
    let object = json!({"a": 2});
    let verdicts: Vec<_> = mutants(&expr)
        .iter()
        .map(|mutant| eval(mutant, &At(&object), &Budget::new()).ok().map(|value| value.to_json()))
        .collect();
    assert!(verdicts.len() >= 8, "{}", verdicts.len());
    assert!(verdicts.contains(&Some(json!(false))));
}

#[test]
fn certificates_are_maps_and_a_text_without_any_is_an_error() {
    let pem = include_str!("../../testdata/certificates/sm2-leaf.pem");
    let object =
        json!({ "pem": pem, "base64": data_encoding::BASE64.encode(pem.as_bytes()), "none": "hello" });
    for field in ["pem", "base64"] {
        let text = format!(
            "certificates(object.{field}).map(c, [c.keyAlgorithm, c.keyBits, c.signatureHash, c.subject, c.dnsNames[0]])"
        );
        assert_eq!(
            ours(&text, &object),
            Ok(json!([["SM2", 256, "SM3", "C=CN, O=Rongcheng, CN=gm.example.cn", "gm.example.cn"]]))
        );
        let text = format!(
            "certificates(object.{field}).all(c, !c.selfSigned && !c.isCA && c.notAfter > now + duration('720h') && c.notBefore > now && c.curve == 'sm2p256v1' && c.serial == '1f3a' && c.fingerprint.startsWith('{}') && c.issuer.contains('国密') && c.signatureAlgorithm == 'SM2-with-SM3')",
            "1db6982cc0b62c65"
        );
        assert_eq!(ours(&text, &object), Ok(json!(true)));
    }
    assert!(
        ours("certificates(object.none).all(c, false)", &object)
            .unwrap_err()
            .contains("neither PEM nor base64")
    );
    assert!(ours("certificates(object)", &object).is_err());
}

#[test]
fn the_text_of_an_instant_is_that_of_rfc_3339() {
    assert_eq!(ours("'at ' + string(now)", &json!({})), Ok(json!("at 2026-06-01T00:00:00Z")));
}
