//! What is wrong with a manifest: the closed table of codes, and one finding.

use super::node::{At, Position};

/// Codes are part of the contract with scripts: added over time, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    SettingsInvalid,
    TerminationGraceTooShort,
    PreStopDoublesDelay,
    StopSignal,
    ShellSwallowsSignals,
    AdminUnreachable,
    LivenessThroughApp,
    ProbePath,
    ProbePort,
    ProbeBlind,
    ProbeTimeout,
    ReadinessMissing,
    DeployIsOutage,
    MemoryLimitMissing,
    MemoryOversubscribed,
    CpuLimitTooSmall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Requests will be lost, or the pod will not run.
    Error,
    /// It works until the day that it is needed.
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub what: String,
    /// The field, as `spec.template.spec.containers[0].livenessProbe`.
    pub path: String,
    pub position: Position,
    pub why: String,
    /// What to write, as YAML.
    pub fix: String,
}

impl Code {
    pub const ALL: [Self; 16] = [
        Self::SettingsInvalid,
        Self::TerminationGraceTooShort,
        Self::PreStopDoublesDelay,
        Self::StopSignal,
        Self::ShellSwallowsSignals,
        Self::AdminUnreachable,
        Self::LivenessThroughApp,
        Self::ProbePath,
        Self::ProbePort,
        Self::ProbeBlind,
        Self::ProbeTimeout,
        Self::ReadinessMissing,
        Self::DeployIsOutage,
        Self::MemoryLimitMissing,
        Self::MemoryOversubscribed,
        Self::CpuLimitTooSmall,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SettingsInvalid => "settings_invalid",
            Self::TerminationGraceTooShort => "termination_grace_too_short",
            Self::PreStopDoublesDelay => "pre_stop_doubles_delay",
            Self::StopSignal => "stop_signal",
            Self::ShellSwallowsSignals => "shell_swallows_signals",
            Self::AdminUnreachable => "admin_unreachable",
            Self::LivenessThroughApp => "liveness_through_app",
            Self::ProbePath => "probe_path",
            Self::ProbePort => "probe_port",
            Self::ProbeBlind => "probe_blind",
            Self::ProbeTimeout => "probe_timeout",
            Self::ReadinessMissing => "readiness_missing",
            Self::DeployIsOutage => "deploy_is_outage",
            Self::MemoryLimitMissing => "memory_limit_missing",
            Self::MemoryOversubscribed => "memory_oversubscribed",
            Self::CpuLimitTooSmall => "cpu_limit_too_small",
        }
    }

    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::PreStopDoublesDelay
            | Self::ProbeBlind
            | Self::ProbeTimeout
            | Self::ReadinessMissing
            | Self::MemoryLimitMissing
            | Self::MemoryOversubscribed
            | Self::CpuLimitTooSmall => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl Severity {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Finding {
    /// About a field that is there.
    pub(super) fn at(field: &At<'_>, code: Code, what: String, why: String, fix: String) -> Self {
        Self { code, what, path: field.path.clone(), position: field.position, why, fix }
    }

    /// About a field that is not there: the place is that of its parent.
    pub(super) fn missing(parent: &At<'_>, key: &str, code: Code, texts: [String; 3]) -> Self {
        let [what, why, fix] = texts;
        Self { code, what, path: parent.path_of(key), position: parent.position, why, fix }
    }
}
