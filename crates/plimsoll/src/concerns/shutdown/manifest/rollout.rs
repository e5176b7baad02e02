//! Is somebody left to serve while a new version is rolled out?
//!
//! A drain loses no request that has arrived; it cannot help those that find no pod at all.

use super::node::At;
use super::workload::{Kind, Workload};
use super::{Code, Finding};

pub(super) fn check(workload: &Workload<'_>) -> Option<Finding> {
    let spec = workload.object.get("spec")?;
    let replicas = workload.scaled_from.or_else(|| spec.number_of("replicas")).unwrap_or(1);
    match workload.kind {
        // Scaled to nothing: whoever did that knows that nobody serves.
        _ if replicas == 0 => None,
        Kind::Deployment => deployment(&spec, replicas),
        Kind::StatefulSet if replicas == 1 => Some(stateful(&spec)),
        _ => None,
    }
}

fn deployment(spec: &At<'_>, replicas: u64) -> Option<Finding> {
    let strategy = spec.get("strategy")?;
    let fix = "strategy:\n  rollingUpdate: { maxUnavailable: 0, maxSurge: 1 }".to_owned();
    if let Some(kind) = strategy.get("type").filter(|kind| kind.text() == Some("Recreate")) {
        let what = "`Recreate` stops every pod before the first new one starts".to_owned();
        let why = "from then until a new pod is ready, every request fails".to_owned();
        let fix = fix.replace("strategy:", "strategy:\n  type: RollingUpdate");
        return Some(Finding::at(&kind, Code::DeployIsOutage, what, why, fix));
    }
    let rolling = strategy.get("rollingUpdate")?;
    let unavailable = share(&rolling, "maxUnavailable", replicas, Rounding::Down)?;
    let surge = share(&rolling, "maxSurge", replicas, Rounding::Up)?;
    // Kubernetes does the same: with neither, a rollout could not begin.
    let unavailable = if unavailable == 0 && surge == 0 { 1 } else { unavailable };
    (unavailable >= replicas).then(|| {
        let what = format!("a deploy may stop {} of {replicas} at once", unavailable.min(replicas));
        let why = "until a new pod is ready, every request fails".to_owned();
        let field = rolling.get("maxUnavailable").unwrap_or_else(|| rolling.clone());
        Finding::at(&field, Code::DeployIsOutage, what, why, fix)
    })
}

fn stateful(spec: &At<'_>) -> Finding {
    let what = "a StatefulSet of one pod stops it before the new one starts".to_owned();
    let why = "from then until the new pod is ready, every request fails".to_owned();
    let fix = "replicas: 2\n# or a Deployment, if the pod keeps nothing on a volume of its own".to_owned();
    match spec.get("replicas") {
        Some(field) => Finding::at(&field, Code::DeployIsOutage, what, why, fix),
        None => Finding::missing(spec, "replicas", Code::DeployIsOutage, [what, why, fix]),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Up,
    Down,
}

/// A number or a percentage of the replicas, a quarter by default. `None`: neither.
fn share(rolling: &At<'_>, key: &str, replicas: u64, rounding: Rounding) -> Option<u64> {
    let text = match rolling.get(key) {
        Some(field) => field.text()?,
        None => "25%",
    };
    match text.strip_suffix('%') {
        None => text.parse().ok(),
        Some(percent) => {
            let hundredths = percent.parse::<u64>().ok()?.checked_mul(replicas)?;
            Some(if rounding == Rounding::Up { hundredths.div_ceil(100) } else { hundredths / 100 })
        }
    }
}
