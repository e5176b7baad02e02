//! Forms with a number in them, each between two bounds.

use std::marker::PhantomData;
use std::time::Duration;

use super::{Form, Reason};
use crate::config::resolved::{Concurrency, Heap, Rate, WorkerCount};
use crate::config::units::{read_duration, read_size, write_duration, write_size};

/// A duration between two bounds, in milliseconds.
pub(in crate::config) struct Length {
    pub(in crate::config) least_ms: u64,
    pub(in crate::config) most_ms: u64,
}

/// A size in bytes between two bounds.
pub(in crate::config) struct Size<N> {
    pub(in crate::config) least: u64,
    pub(in crate::config) most: u64,
    pub(in crate::config) number: PhantomData<N>,
}

/// A whole number between two bounds.
pub(in crate::config) struct Count {
    pub(in crate::config) least: usize,
    pub(in crate::config) most: usize,
}

/// `adaptive` or a number.
pub(in crate::config) struct Concurrent(pub(in crate::config) Count);

/// A share, more than 0 and at most 1.
pub(in crate::config) struct Share;

/// A number of something per second: `200/s`.
pub(in crate::config) struct PerSecond;

/// `auto` or a number of workers.
pub(in crate::config) struct Workers {
    pub(in crate::config) most: u16,
}

/// `auto`, `off`, or the size of a heap.
pub(in crate::config) struct HeapSize(pub(in crate::config) Size<u64>);

const ADAPTIVE: &str = "adaptive";

impl Form for Concurrent {
    type Value = Concurrency;

    fn read(&self, text: &str) -> Result<Concurrency, Reason> {
        if text == ADAPTIVE {
            return Ok(Concurrency::Adaptive);
        }
        let number = self
            .0
            .read(text)
            .map_err(|reason| Reason { hint: format!("{}; or `{ADAPTIVE}`", reason.hint), ..reason })?;
        Ok(Concurrency::Exactly(number))
    }

    fn write(&self, value: &Concurrency) -> String {
        match value {
            Concurrency::Exactly(number) => self.0.write(number),
            Concurrency::Adaptive => ADAPTIVE.to_owned(),
        }
    }

    fn describe(&self) -> String {
        format!("{}; or `{ADAPTIVE}`", self.0.describe())
    }
}

impl Form for Length {
    type Value = Duration;

    fn read(&self, text: &str) -> Result<Duration, Reason> {
        let duration = read_duration(text)?;
        let (least, most) = (Duration::from_millis(self.least_ms), Duration::from_millis(self.most_ms));
        match (least..=most).contains(&duration) {
            true => Ok(duration),
            false => Err(out_of_range(&write_duration(duration), &self.describe())),
        }
    }

    fn write(&self, value: &Duration) -> String {
        write_duration(*value)
    }

    fn describe(&self) -> String {
        let written = |ms| write_duration(Duration::from_millis(ms));
        format!("a duration from {} to {}", written(self.least_ms), written(self.most_ms))
    }
}

impl<N: TryFrom<u64> + TryInto<u64> + Copy> Form for Size<N> {
    type Value = N;

    fn read(&self, text: &str) -> Result<N, Reason> {
        let bytes = read_size(text)?;
        let refused = || out_of_range(&write_size(bytes), &self.describe());
        if !(self.least..=self.most).contains(&bytes) {
            return Err(refused());
        }
        N::try_from(bytes).map_err(|_| refused())
    }

    fn write(&self, value: &N) -> String {
        write_size((*value).try_into().unwrap_or(u64::MAX))
    }

    fn describe(&self) -> String {
        format!("a size from {} to {}", write_size(self.least), write_size(self.most))
    }
}

impl Form for HeapSize {
    type Value = Heap;

    fn read(&self, text: &str) -> Result<Heap, Reason> {
        match text {
            "auto" => Ok(Heap::Auto),
            "off" => Ok(Heap::Off),
            _ => self
                .0
                .read(text)
                .map(Heap::Bytes)
                .map_err(|reason| Reason { hint: format!("{}; or `auto` or `off`", reason.hint), ..reason }),
        }
    }

    fn write(&self, value: &Heap) -> String {
        match value {
            Heap::Auto => "auto".to_owned(),
            Heap::Off => "off".to_owned(),
            Heap::Bytes(bytes) => self.0.write(bytes),
        }
    }

    fn describe(&self) -> String {
        format!("`auto`, `off`, or {}", self.0.describe())
    }
}

impl Form for Count {
    type Value = usize;

    fn read(&self, text: &str) -> Result<usize, Reason> {
        let number = read_number(text, &self.describe())?;
        usize::try_from(number)
            .ok()
            .filter(|number| (self.least..=self.most).contains(number))
            .ok_or_else(|| out_of_range(&number.to_string(), &self.describe()))
    }

    fn write(&self, value: &usize) -> String {
        value.to_string()
    }

    fn describe(&self) -> String {
        format!("a number from {} to {}", self.least, self.most)
    }
}

impl Form for Share {
    type Value = f64;

    fn read(&self, text: &str) -> Result<f64, Reason> {
        let share: f64 = text.parse().map_err(|_| {
            Reason::new(format!("`{text}` is not a number"), format!("write {}", self.describe()))
        })?;
        match share {
            0.0001..=1.0 => Ok(share),
            _ => Err(out_of_range(text, &self.describe())),
        }
    }

    fn write(&self, value: &f64) -> String {
        value.to_string()
    }

    fn describe(&self) -> String {
        "a share from 0.0001 to 1".to_owned()
    }
}

impl Form for PerSecond {
    type Value = Rate;

    fn read(&self, text: &str) -> Result<Rate, Reason> {
        let Some(number) = text.strip_suffix("/s") else {
            return Err(Reason::new(
                format!("`{text}` is not a rate"),
                "write a number per second, like `200/s`",
            ));
        };
        let per_second = read_number(number, &self.describe())?;
        match u32::try_from(per_second) {
            Ok(per_second @ 1..=1_000_000) => Ok(Rate { per_second }),
            _ => Err(out_of_range(text, &self.describe())),
        }
    }

    fn write(&self, value: &Rate) -> String {
        format!("{}/s", value.per_second)
    }

    fn describe(&self) -> String {
        "a rate from `1/s` to `1000000/s`".to_owned()
    }
}

impl Form for Workers {
    type Value = WorkerCount;

    fn read(&self, text: &str) -> Result<WorkerCount, Reason> {
        if text == "auto" {
            return Ok(WorkerCount::Auto);
        }
        let number = read_number(text, &self.describe())?;
        u16::try_from(number)
            .ok()
            .filter(|number| (1..=self.most).contains(number))
            .map(WorkerCount::Exactly)
            .ok_or_else(|| out_of_range(&number.to_string(), &self.describe()))
    }

    fn write(&self, value: &WorkerCount) -> String {
        match value {
            WorkerCount::Auto => "auto".to_owned(),
            WorkerCount::Exactly(count) => count.to_string(),
        }
    }

    fn describe(&self) -> String {
        format!("a number from 1 to {}, or `auto`", self.most)
    }
}

fn read_number(text: &str, described: &str) -> Result<u64, Reason> {
    text.parse().map_err(|_| Reason::new(format!("`{text}` is not a number"), format!("write {described}")))
}

fn out_of_range(value: &str, described: &str) -> Reason {
    Reason::new(format!("{value} is out of range"), format!("write {described}"))
}
