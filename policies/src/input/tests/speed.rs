//! How quick reading is. Not a test of anything: `cargo test --release -p banyan-policies --lib speed -- --ignored --nocapture`.

use std::{fmt::Write as _, time::Instant};

use crate::input::{Limits, Reader, parse};

/// Pods of about 500 bytes of YAML.
fn pods(count: usize) -> Vec<String> {
    let pod = |place: usize| {
        format!(
            "apiVersion: v1
kind: Pod
metadata:
  name: pod-{place}
  namespace: ns-{}
  labels:
    app: web
    tier: \"front\"
spec:
  serviceAccountName: default
  containers:
  - name: main
    image: registry.example.com/team/app:{place}
    ports:
    - containerPort: 8080
    resources:
      limits:
        cpu: 500m
        memory: 128Mi
    securityContext:
      runAsNonRoot: true
      allowPrivilegeEscalation: false
      capabilities:
        drop: [ALL]
  volumes:
  - name: data
    emptyDir: {{}}
",
            place % 50
        )
    };
    (0..count).map(pod).collect()
}

#[test]
#[ignore = "measures"]
fn speed_of_reading() {
    let pods = pods(10_000);
    let yaml = pods.join("---\n");
    let items = pods
        .iter()
        .map(|pod| "- ".to_owned() + &pod.trim_end().replace('\n', "\n  ") + "\n")
        .collect::<String>();
    let list = format!("apiVersion: v1\nitems:\n{items}kind: List\n");
    let values: Vec<serde_json::Value> = pods.iter().map(|pod| serde_yaml::from_str(pod).unwrap()).collect();
    let mut json = String::new();
    for value in &values {
        writeln!(json, "{value}").unwrap();
    }
    let json_list = serde_json::json!({ "apiVersion": "v1", "items": values, "kind": "List" });
    let pretty = serde_json::to_string_pretty(&json_list).unwrap();
    let limits = Limits::default();
    for (name, text) in [("YAML", &yaml), ("YAML List", &list), ("JSON lines", &json), ("JSON List", &pretty)]
    {
        let mut best = [f64::MAX; 2];
        for _ in 0..5 {
            let start = Instant::now();
            let documents: Vec<_> =
                Reader::new(text.as_bytes(), "f", limits).collect::<Result<_, _>>().unwrap();
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let read: usize = documents.iter().map(|document| parse(document, &limits).objects.len()).sum();
            best[1] = best[1].min(start.elapsed().as_secs_f64());
            assert_eq!(read, 10_000);
        }
        println!("{name}: cutting {:.2} µs a Pod, parsing {:.2} µs a Pod", best[0] * 100.0, best[1] * 100.0);
    }
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let read = pods.iter().filter(|pod| serde_yaml::from_str::<serde_json::Value>(pod).is_ok()).count();
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(read, 10_000);
    }
    println!("for comparison, yaml_serde: {:.2} µs a Pod", best * 100.0);
}
