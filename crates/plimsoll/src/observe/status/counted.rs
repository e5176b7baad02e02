//! Figures of the workers, in the status under their own names.

use std::collections::BTreeMap;

use plimsoll_wire::figures::Named;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted<F>(pub F);

impl<F: Named> Serialize for Counted<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, number) in self.0.by_name() {
            map.serialize_entry(name, &number)?;
        }
        map.end()
    }
}

impl<'de, F: Named> Deserialize<'de> for Counted<F> {
    /// What is not there is 0: an older instance does not know every figure.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut figures = F::default();
        for (name, value) in all {
            if let (Some(place), Some(number)) = (figures.of_name(&name), value.as_u64()) {
                *place = number;
            }
        }
        Ok(Self(figures))
    }
}
