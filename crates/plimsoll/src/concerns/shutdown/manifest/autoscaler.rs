//! Who else says how many replicas there are.

use super::node::{At, Node};
use super::workload::{Kind, Workload, objects};

/// Something that changes the number of replicas of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autoscaler<'a> {
    kind: &'a str,
    name: &'a str,
    namespace: Option<&'a str>,
    /// At least one: while nobody is there, a deploy stops nobody.
    pub(super) replicas_min: u64,
}

/// An autoscaler of Kubernetes itself, or of KEDA.
struct Api {
    kind: &'static str,
    /// Of a target that does not say.
    target: Option<Kind>,
    replicas_min: &'static str,
}

const APIS: [Api; 2] = [
    Api { kind: "HorizontalPodAutoscaler", target: None, replicas_min: "minReplicas" },
    Api { kind: "ScaledObject", target: Some(Kind::Deployment), replicas_min: "minReplicaCount" },
];

/// All of them in `documents`.
#[must_use]
pub fn autoscalers(documents: &[Node]) -> Vec<Autoscaler<'_>> {
    objects(documents).filter_map(|object| autoscaler(&object)).collect()
}

fn autoscaler<'a>(object: &At<'a>) -> Option<Autoscaler<'a>> {
    let kind = object.text_of("kind")?;
    let api = APIS.iter().find(|api| api.kind == kind)?;
    let spec = object.get("spec")?;
    let target = spec.get("scaleTargetRef")?;
    Some(Autoscaler {
        kind: target.text_of("kind").or(api.target.map(Kind::as_str))?,
        name: target.text_of("name")?,
        namespace: object.descend(&["metadata", "namespace"]).and_then(|field| field.text()),
        replicas_min: spec.number_of(api.replicas_min).unwrap_or(1).max(1),
    })
}

impl Autoscaler<'_> {
    /// Whether it is for this workload. An object without a namespace goes where `kubectl apply -n` says, so that one
    /// that has none fits all.
    pub(super) fn scales(&self, workload: &Workload<'_>) -> bool {
        let namespaces = self.namespace.zip(workload.namespace.as_deref());
        self.kind == workload.kind.as_str()
            && self.name == workload.name
            && namespaces.is_none_or(|(own, of_workload)| own == of_workload)
    }
}
