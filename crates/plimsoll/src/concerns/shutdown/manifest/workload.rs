//! What of a file runs pods, and which of its containers is the one that Plimsoll is in.

use super::autoscaler::Autoscaler;
use super::command::Invocation;
use super::node::{At, Node};

/// A workload of a manifest.
#[derive(Debug, Clone)]
pub struct Workload<'a> {
    pub kind: Kind,
    pub name: String,
    pub namespace: Option<String>,
    /// The whole object.
    pub object: At<'a>,
    /// The `spec` of its pods.
    pub pod: At<'a>,
    /// The fewest replicas that an autoscaler of the same files gives it.
    pub scaled_from: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Pod,
    /// Runs to its end and is not in anybody's way when it stops: only told, not examined.
    Job,
    CronJob,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::Pod,
        Self::Job,
        Self::CronJob,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Pod => "Pod",
            Self::Job => "Job",
            Self::CronJob => "CronJob",
        }
    }

    #[must_use]
    pub const fn is_examined(self) -> bool {
        !matches!(self, Self::Job | Self::CronJob)
    }

    const fn pod(self) -> &'static [&'static str] {
        match self {
            Self::Pod => &["spec"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template", "spec"],
            _ => &["spec", "template", "spec"],
        }
    }
}

/// Everything in `documents` that runs pods. Other kinds are passed over: a file may hold anything. `autoscalers` are those
/// of all files.
#[must_use]
pub fn workloads<'a>(documents: &'a [Node], autoscalers: &[Autoscaler<'_>]) -> Vec<Workload<'a>> {
    let found = objects(documents).filter_map(|object| workload(&object));
    found
        .map(|workload| Workload {
            scaled_from: autoscalers.iter().find(|one| one.scales(&workload)).map(|one| one.replicas_min),
            ..workload
        })
        .collect()
}

/// The objects of all documents: the items of a `List`, of any kind of list; else the document itself.
pub(super) fn objects(documents: &[Node]) -> impl Iterator<Item = At<'_>> {
    documents.iter().map(At::root).flat_map(|document| match document.get("items") {
        Some(items) if document.text_of("kind").is_some_and(|kind| kind.ends_with("List")) => items.items(),
        _ => vec![document],
    })
}

fn workload<'a>(object: &At<'a>) -> Option<Workload<'a>> {
    let kind = object.text_of("kind")?;
    let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
    let of_metadata =
        |key| object.descend(&["metadata", key]).and_then(|field| field.text()).map(str::to_owned);
    let name = of_metadata("name").unwrap_or_else(|| "(no name)".to_owned());
    let (namespace, pod) = (of_metadata("namespace"), object.descend(kind.pod())?);
    Some(Workload { kind, name, namespace, object: object.clone(), pod, scaled_from: None })
}

/// Which container was taken, and how sure that is.
#[derive(Debug, Clone)]
pub enum Choice<'a> {
    /// Its command, its image or its environment names Plimsoll; or the user named it.
    Certain(At<'a>),
    /// It is the only one; Plimsoll may be in the image.
    Only(At<'a>),
    /// There are several, and none names Plimsoll; or the named one is not there.
    None,
}

impl<'a> Workload<'a> {
    #[must_use]
    pub fn choose(&self, named: Option<&str>) -> Choice<'a> {
        let containers = self.pod.get("containers").map_or_else(Vec::new, |list| list.items());
        if let Some(name) = named {
            let found = containers.into_iter().find(|each| each.text_of("name") == Some(name));
            return found.map_or(Choice::None, Choice::Certain);
        }
        let signs: [fn(&At<'_>) -> bool; 3] = [
            |container| Invocation::of(container).is_visible(),
            |container| container.text_of("image").is_some_and(|image| image.contains("plimsoll")),
            has_our_variable,
        ];
        let certain = signs.iter().find_map(|sign| containers.iter().find(|container| sign(container)));
        match (certain, containers.as_slice()) {
            (Some(container), _) => Choice::Certain(container.clone()),
            (None, [only]) => Choice::Only(only.clone()),
            (None, _) => Choice::None,
        }
    }
}

fn has_our_variable(container: &At<'_>) -> bool {
    let variables = container.get("env").map_or_else(Vec::new, |env| env.items());
    variables.iter().any(|each| each.text_of("name").is_some_and(|name| name.starts_with("PLIMSOLL_")))
}
