//! Which instance a verb means: the named one, or the only one that runs.

use std::path::PathBuf;

use super::{Error, Instance, directories};

/// # Errors
/// None fits, or several do.
pub(in crate::cli) fn pick(name: Option<&str>) -> Result<Instance, Error> {
    choose(running(directories::instances()), name)
}

pub(super) fn running(instances: Vec<(String, PathBuf)>) -> Vec<Instance> {
    let known = instances.into_iter().map(|(name, directory)| Instance::new(name, &directory));
    known.filter(Instance::is_running).collect()
}

pub(super) fn choose(running: Vec<Instance>, name: Option<&str>) -> Result<Instance, Error> {
    let names = |running: &[Instance]| running.iter().map(|instance| instance.name.clone()).collect();
    match name {
        Some(name) => match running.iter().find(|instance| instance.name == name) {
            Some(instance) => Ok(instance.clone()),
            None => Err(Error::Unknown { name: name.to_owned(), running: names(&running) }),
        },
        None => match <[Instance; 1]>::try_from(running) {
            Ok([only]) => Ok(only),
            Err(running) if running.is_empty() => Err(Error::NoneRunning),
            Err(running) => Err(Error::Several(names(&running))),
        },
    }
}
