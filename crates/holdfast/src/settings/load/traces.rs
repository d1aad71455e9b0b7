//! Reads the settings of traces.

use super::super::traces::{self, Sampler, Share, TraceSettings};
use super::Reader;

impl Reader {
    /// The settings of traces; faults are noted.
    pub(super) fn traces(&mut self) -> Option<TraceSettings> {
        let for_all = self.read(&traces::OTLP_ENDPOINT).map(traces::of_all_signals);
        let endpoint = self.read(&traces::OTLP_TRACES_ENDPOINT).or(for_all)?;
        if self.read(&traces::SDK_DISABLED)? || !self.read(&traces::TRACES_EXPORTER)? {
            return None;
        }
        let protocol = [&traces::OTLP_TRACES_PROTOCOL, &traces::OTLP_PROTOCOL]
            .into_iter()
            .find(|each| self.is_set(each));
        let headers =
            [&traces::OTLP_TRACES_HEADERS, &traces::OTLP_HEADERS].into_iter().find(|each| self.is_set(each));
        if let Some(protocol) = protocol {
            self.read(protocol);
        }
        let headers = headers.and_then(|entry| self.read(entry)).unwrap_or_default();
        let timeout = self.read(&traces::OTLP_TIMEOUT);
        let delay = self.read(&traces::BSP_SCHEDULE_DELAY);
        let sampler = self.sampler();
        let resource = self.read(&traces::RESOURCE_ATTRIBUTES).unwrap_or_default();
        let in_resource =
            resource.iter().find(|(name, _)| name == "service.name").map(|(_, value)| value.clone());
        let service_name = self.read(&traces::SERVICE_NAME).or(in_resource);
        Some(TraceSettings {
            endpoint,
            headers,
            timeout: timeout?,
            delay: delay?,
            sampler: sampler?,
            service_name: service_name.unwrap_or_else(|| "holdfast".to_owned()),
            resource,
        })
    }

    fn sampler(&mut self) -> Option<Sampler> {
        let named = self.read(&traces::TRACES_SAMPLER)?;
        let share = match named.share {
            Share::All => 1.0,
            Share::None => 0.0,
            Share::Argument => self.read(&traces::TRACES_SAMPLER_ARG)?,
        };
        Some(Sampler { parent_based: named.parent_based, share })
    }
}
