//! Where figures are read, for all who show them.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::{JoinError, spawn_blocking};

use super::export::Exported;
use super::{Apps, Scrape, Steady};
use crate::observe::control::Inquiry;
use crate::observe::http::ThreadStats;
use crate::observe::logs::Stats;
use crate::routes::Routes;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Source {
    pub inquiry: Inquiry,
    pub threads: Vec<Arc<ThreadStats>>,
    pub routes: Arc<Routes>,
    pub logs: Arc<Stats>,
    pub apps: Arc<Apps>,
    pub steady: Arc<Steady>,
    /// What was sent to a collector, where one is.
    pub exported: Exported,
}

impl Source {
    /// Asks the workers, reads everything, and makes of it what is wanted: on a thread that may take its time, for an app may have
    /// very many metrics.
    ///
    /// # Errors
    /// It panicked.
    pub async fn read<T: Send + 'static>(
        &self,
        make: impl FnOnce(Scrape, &Apps) -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let readings = match self.apps.asks(Instant::now()) {
            Some(app) => self.inquiry.metrics(app).await.ok(),
            None => None,
        };
        let status = self.inquiry.status().await.ok();
        let own = self.clone();
        let turn = self.apps.turn().await;
        spawn_blocking(move || {
            let _until_made = turn;
            if let Some(readings) = readings {
                own.apps.take(&readings, Instant::now());
            }
            let scrape = Scrape::read(&own.threads, &own.routes.table(), status);
            let scrape = scrape.with_processes(&own.steady).with_logs(&own.logs);
            make(scrape.with_exported(&own.exported), &own.apps)
        })
        .await
    }
}
