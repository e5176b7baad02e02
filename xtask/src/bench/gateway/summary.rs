//! The samples of each contender, and what is told of them.

use serde::Serialize;

use super::super::contender::Contender;
use super::super::field::{NGINX, NGINX_AGAIN};
use super::super::report::{figure, megabytes};
use super::super::sample::Sample;
use super::super::stats::{max, median, min};
use super::super::syscalls::Census;

/// Beyond this part of a CPU used by others, a sample is called disturbed.
pub(super) const DISTURBED_CPUS: f64 = 0.1;

#[derive(Serialize)]
pub(super) struct Summary {
    #[serde(serialize_with = "name_only")]
    pub(super) contender: Contender,
    pub(super) samples: Vec<Sample>,
    pub(super) idle: Option<IdleFigures>,
    pub(super) syscalls: Vec<Census>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct IdleFigures {
    pub(super) connections: usize,
    pub(super) rss: u64,
    pub(super) pss: u64,
}

fn name_only<S: serde::Serializer>(contender: &Contender, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(contender.name)
}

impl Summary {
    pub(super) fn new(contender: Contender) -> Self {
        Self { contender, samples: Vec::new(), idle: None, syscalls: Vec::new() }
    }

    pub(super) fn values(&self, value: impl Fn(&Sample) -> Option<f64>) -> Vec<f64> {
        self.samples.iter().filter(|sample| sample.counts).filter_map(value).collect()
    }

    pub(super) fn proxy(&self) -> Vec<f64> {
        self.values(|sample| sample.proxy_us)
    }

    pub(super) fn median_mb(&self, value: impl Fn(&Sample) -> u64) -> Option<f64> {
        median(&self.values(|sample| Some(value(sample) as f64))).map(megabytes)
    }

    pub(super) fn idle_mb(&self) -> Option<f64> {
        self.idle.as_ref().map(|idle| megabytes(idle.rss as f64))
    }

    /// Ratio of the proxies' CPU per request: of the minima, and the median of the ratios within each turn.
    pub(super) fn ratio_to(&self, other: &Summary) -> (Option<f64>, Option<f64>) {
        let of_minima = min(&self.proxy()).zip(min(&other.proxy())).map(|(own, others)| own / others);
        let paired =
            self.samples.iter().zip(&other.samples).filter(|(own, others)| own.counts && others.counts);
        let paired: Vec<f64> =
            paired.filter_map(|(own, others)| Some(own.proxy_us? / others.proxy_us?)).collect();
        (of_minima, median(&paired))
    }

    /// Leaves out what was measured while others were at work; unless hardly anything would remain, for a
    /// few lucky samples are no better than many disturbed ones. The choice looks at nothing but the disturbance.
    pub(super) fn leave_out_disturbed(&mut self) {
        let quiet = |sample: &Sample| sample.foreign_cpus <= DISTURBED_CPUS;
        if self.samples.iter().filter(|sample| quiet(sample)).count() * 3 < self.samples.len() {
            return;
        }
        for sample in &mut self.samples {
            sample.counts = quiet(sample);
        }
    }

    /// Of the two ratios the one that speaks against us: a figure counts as reached when both reach it.
    pub(super) fn worse_ratio_to(&self, other: &Summary) -> Option<f64> {
        let (of_minima, paired) = self.ratio_to(other);
        Some(of_minima?.max(paired?))
    }
}

/// How far the two clocks of the proxies' CPU lie apart at most, in percent.
fn clocks_apart(summaries: &[Summary]) -> Option<f64> {
    let apart = |sample: &Sample| Some((sample.proxy_us_by_stat? / sample.proxy_us? - 1.0).abs() * 100.0);
    max(&summaries.iter().flat_map(|summary| summary.values(apart)).collect::<Vec<_>>())
}

pub(super) fn find<'a>(summaries: &'a [Summary], name: &str) -> Option<&'a Summary> {
    summaries.iter().find(|summary| summary.contender.name == name)
}

pub(super) fn notes(summaries: &[Summary]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((nginx, again)) = find(summaries, NGINX).zip(find(summaries, NGINX_AGAIN)) {
        let (of_minima, paired) = again.ratio_to(nginx);
        notes.push(format!(
            "Noise floor: nginx against itself is {} (minima) and {} (median of turns).",
            figure(of_minima, "x", 3),
            figure(paired, "x", 3)
        ));
    }
    notes.push(disturbance(summaries));
    if let Some(apart) = clocks_apart(summaries) {
        notes.push(format!("`schedstat` and `stat` agree on the proxies' CPU within {apart:.1} %."));
    }
    for idle in summaries.iter().filter_map(|summary| summary.idle.as_ref()).take(1) {
        notes.push(format!("Idle connections that were open: {}.", idle.connections));
    }
    notes
}

fn disturbance(summaries: &[Summary]) -> String {
    let samples = || summaries.iter().flat_map(|summary| &summary.samples);
    let foreign: Vec<f64> = samples().map(|sample| sample.foreign_cpus).collect();
    let disturbed = foreign.iter().filter(|cpus| **cpus > DISTURBED_CPUS).count();
    let left_out = samples().filter(|sample| !sample.counts).count();
    format!(
        "Disturbance: processes outside the bench and the hypervisor used {} CPUs (median); {disturbed} of {} samples \
         had more than {DISTURBED_CPUS}, of which {left_out} were left out.",
        figure(median(&foreign), "", 2),
        foreign.len()
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::contender::Kind;
    use super::*;

    fn summary(proxy: &[f64]) -> Summary {
        let samples = proxy
            .iter()
            .map(|us| Sample { proxy_us: Some(*us), counts: true, ..Sample::default() })
            .collect();
        Summary { samples, ..Summary::new(Contender { name: "any", kind: Kind::Node }) }
    }

    #[test]
    fn disturbed_samples_are_left_out_unless_hardly_any_remains() {
        for (foreign, expected) in [
            (&[0.0, 0.05, 0.2][..], &[true, true, false][..]),
            (&[0.0, 0.5, 0.5][..], &[true, false, false][..]),
            (&[0.0, 0.5, 0.5, 0.5][..], &[true, true, true, true][..]),
        ] {
            let mut summary = summary(&vec![1.0; foreign.len()]);
            summary.samples.iter_mut().zip(foreign).for_each(|(sample, cpus)| sample.foreign_cpus = *cpus);
            summary.leave_out_disturbed();
            let counts: Vec<bool> = summary.samples.iter().map(|sample| sample.counts).collect();
            assert_eq!(counts, expected, "{foreign:?}");
        }
    }

    #[test]
    fn of_two_ratios_the_unfavourable_counts() {
        for (own, other, expected) in [
            // One lucky round of our own does not decide.
            (&[5.0, 10.0, 10.0][..], &[10.0, 10.0, 10.0][..], 1.0),
            // Nor do unlucky samples of the other's.
            (&[9.0, 9.0, 9.0][..], &[9.0, 18.0, 18.0][..], 1.0),
            (&[8.0, 8.0, 8.0][..], &[10.0, 10.0, 10.0][..], 0.8),
        ] {
            assert_eq!(summary(own).worse_ratio_to(&summary(other)), Some(expected), "{own:?} to {other:?}");
        }
        assert_eq!(summary(&[]).worse_ratio_to(&summary(&[1.0])), None);
    }
}
