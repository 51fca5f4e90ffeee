//! How quick reading is. Not a test of anything: `cargo test --release -p banyan-policies --lib speed -- --ignored --nocapture`.

use std::{fmt::Write as _, io::Read, time::Instant};

use crate::input::{Limits, Reader, parse};

/// A Pod of about 500 bytes of YAML.
fn pod(place: usize) -> String {
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
}

#[test]
#[ignore = "measures"]
fn speed_of_reading() {
    let pods: Vec<String> = (0..10_000).map(pod).collect();
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

/// A List of Pods that is written as it is read.
struct Pods {
    next: usize,
    count: usize,
    ready: Vec<u8>,
}

impl Read for Pods {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.ready.is_empty() && self.next <= self.count {
            let text = match self.next {
                0 => "apiVersion: v1\nitems:\n".to_owned(),
                place if place < self.count => {
                    "- ".to_owned() + &pod(place).trim_end().replace('\n', "\n  ") + "\n"
                }
                _ => "kind: List\n".to_owned(),
            };
            self.ready = text.into();
            self.next += 1;
        }
        let take = self.ready.len().min(buffer.len());
        buffer[..take].copy_from_slice(&self.ready[..take]);
        self.ready.drain(..take);
        Ok(take)
    }
}

#[test]
#[ignore = "measures"]
fn memory_of_reading() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned()
    };
    println!("before: {}", resident());
    let limits = Limits::default();
    let pods = Pods { next: 0, count: 500_001, ready: Vec::new() };
    let read: usize = Reader::new(pods, "f", limits)
        .map(|document| parse(&document.unwrap(), &limits))
        .map(|parsed| parsed.objects.len() + 1_000_000 * parsed.faults.len())
        .sum();
    assert_eq!(read, 500_000);
    println!("after a List of 500,000 Pods: {}", resident());
}
