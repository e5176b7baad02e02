//! Memory and CPUs of the container against the number of workers.

use super::node::At;
use super::{Code, Finding, Invocation, Settings, Subject, whole};
use crate::concerns::memory::heap::{Limit, Plan, Policy, Source, is_decided};
use crate::concerns::words::counted;

const MB: u64 = 1 << 20;
/// What a Node process takes outside its heap: code, stacks, buffers. Measured on small apps, so a lower bound.
const NATIVE_MB: u64 = 60;
/// Node does not take a larger heap by itself, however much memory there is.
const HEAP_DEFAULT_MAX_MB: u64 = 4096;
/// Below this an app of a few packages does not start well.
const HEAP_LEAST_MB: u64 = 64;
/// What an app of usual size is happy with.
const HEAP_USUAL_MB: u64 = 256;
const HEAP_FLAG: &str = "--max-old-space-size";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Finding> {
    let memory = match subject.limit("memory") {
        Some((at, bytes)) => oversubscribed(subject, &at, whole(bytes) / MB),
        None => Some(limit_missing(subject)),
    };
    memory.into_iter().chain(too_few_cpus(subject)).collect()
}

fn limit_missing(subject: &Subject<'_>) -> Finding {
    let workers = subject.workers().unwrap_or(1);
    let what = "the container has no memory limit".to_owned();
    let why =
        "heaps are sized by the memory of the whole node, and the kernel chooses whom to kill when that is \
               used up"
            .to_owned();
    let limit = limit_advised_mb(workers);
    let fix = format!("resources:\n  requests: {{ memory: {limit}Mi }}\n  limits: {{ memory: {limit}Mi }}");
    let parent = subject.container.get("resources").unwrap_or_else(|| subject.container.clone());
    let key = if parent.path.ends_with("resources") { "limits.memory" } else { "resources.limits.memory" };
    Finding::missing(&parent, key, Code::MemoryLimitMissing, [what, why, fix])
}

/// Where Plimsoll makes the heaps, they fit or there is too little; else Node takes up to half of the limit for each.
fn oversubscribed(subject: &Subject<'_>, at: &At<'_>, limit_mb: u64) -> Option<Finding> {
    let workers = subject.workers()?;
    let options = subject.variable("NODE_OPTIONS").unwrap_or_default();
    let (heap_mb, origin) = match heap_set_mb(subject, options, limit_mb) {
        Some(heap_mb) => (heap_mb, "as set"),
        None => match plan(subject, options, workers, limit_mb) {
            Some(plan) if plan.is_tight => return Some(too_little(subject, at, workers, &plan)),
            Some(plan) => (plan.old_mb, "as Plimsoll makes it"),
            None => ((limit_mb / 2).min(HEAP_DEFAULT_MAX_MB), "half of the limit, Node's default"),
        },
    };
    let needed_mb = heap_mb.saturating_add(NATIVE_MB).saturating_mul(workers);
    (needed_mb > limit_mb).then(|| {
        let what = format!("{} may take {needed_mb} MB of {limit_mb} MB", counted(workers, "worker"));
        let why = format!(
            "{workers} × ({heap_mb} MB heap, {origin}, + {NATIVE_MB} MB outside it) = {needed_mb} MB: the kernel \
             kills a worker before V8 thinks of collecting"
        );
        Finding::at(at, Code::MemoryOversubscribed, what, why, memory_fix(options, workers, limit_mb))
    })
}

/// The heaps that Plimsoll will make there; `None`: somebody else decides about them.
fn plan(subject: &Subject<'_>, options: &str, workers: u64, limit_mb: u64) -> Option<Plan> {
    let invocation = Invocation::of(subject.container);
    if is_decided(options) || invocation.run_arguments().iter().any(|word| is_decided(word)) {
        return None;
    }
    let Settings { heaps, surge, memory_limit, .. } = *subject.settings;
    let limit = Limit { bytes: memory_limit.unwrap_or(limit_mb * MB), source: Source::Container };
    let policy = Policy { rule: heaps, limit, surge, node: None };
    policy.plan(u16::try_from(workers).unwrap_or(u16::MAX))
}

fn too_little(subject: &Subject<'_>, at: &At<'_>, workers: u64, plan: &Plan) -> Finding {
    let (surge, share_mb) = (subject.settings.surge, plan.share_bytes / MB);
    let what = format!("each worker gets {share_mb} MB, which is less than an app needs");
    let why = format!(
        "the limit is shared by {workers} and, during a reload, {surge} more; of its share a worker needs a part for what is \
         not its heap"
    );
    let limit = limit_advised_mb(workers.saturating_add(surge.into()));
    let fix = format!("resources:\n  limits: {{ memory: {limit}Mi }}");
    Finding::at(at, Code::MemoryOversubscribed, what, why, fix)
}

/// A quarter of the limit is left: for Plimsoll, and for what workers take beyond the usual.
fn memory_fix(options: &str, workers: u64, limit_mb: u64) -> String {
    let share_mb = limit_mb * 3 / 4 / workers.max(1);
    match share_mb.checked_sub(NATIVE_MB).filter(|heap_mb| *heap_mb >= HEAP_LEAST_MB) {
        Some(heap_mb) => {
            let kept =
                options.split_whitespace().filter(|word| !word.replace('_', "-").starts_with(HEAP_FLAG));
            let kept: String = kept.map(|word| format!("{word} ")).collect();
            format!("env:\n  - {{ name: NODE_OPTIONS, value: \"{kept}{HEAP_FLAG}={heap_mb}\" }}")
        }
        None => format!(
            "resources:\n  limits: {{ memory: {}Mi }}\nenv:\n  - {{ name: NODE_OPTIONS, value: \
             \"{HEAP_FLAG}={HEAP_USUAL_MB}\" }}",
            limit_advised_mb(workers)
        ),
    }
}

fn limit_advised_mb(workers: u64) -> u64 {
    let needed = workers.saturating_mul(HEAP_USUAL_MB + NATIVE_MB);
    (needed.saturating_mul(4) / 3).next_multiple_of(HEAP_LEAST_MB)
}

/// The heap that `NODE_OPTIONS` or the app's command line sets; the latter is the stronger.
fn heap_set_mb(subject: &Subject<'_>, options: &str, limit_mb: u64) -> Option<u64> {
    let invocation = Invocation::of(subject.container);
    let of_command = invocation.run_arguments().iter().map(String::as_str);
    let words: Vec<&str> = options.split_whitespace().chain(of_command).collect();
    words.iter().rev().find_map(|word| {
        let word = word.replace('_', "-");
        let (flag, value) = word.split_once('=')?;
        let value: u64 = value.parse().ok()?;
        match flag.strip_prefix(HEAP_FLAG)? {
            "" => Some(value),
            "-percentage" => Some(limit_mb * value.min(100) / 100),
            _ => None,
        }
    })
}

fn too_few_cpus(subject: &Subject<'_>) -> Option<Finding> {
    let (at, cpus) = subject.limit("cpu")?;
    let workers = subject.workers().filter(|workers| *workers > 1 && cpus < 1.0)?;
    let limit = at.text().unwrap_or_default();
    let what = format!("{workers} workers share less than one CPU ({limit})");
    let why =
        "when the quota of a period is used up, all of them stand still until the next, and so does every \
               request: more workers only reach that sooner"
            .to_owned();
    let fix = "resources:\n  limits: { cpu: \"1\" }\n# or one worker:\nenv:\n  - { name: \
               PLIMSOLL_WORKERS_COUNT, value: \"1\" }"
        .to_owned();
    Some(Finding::at(&at, Code::CpuLimitTooSmall, what, why, fix))
}
