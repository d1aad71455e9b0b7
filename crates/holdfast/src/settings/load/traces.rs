//! Reads the settings of traces.

use super::super::traces::{self, NamedSampler, Sampler, TraceSettings};
use super::{Entry, Reader};

impl Reader {
    /// The settings of traces; faults are noted.
    pub(super) fn traces(&mut self) -> Option<TraceSettings> {
        let for_all = self.judged(&traces::OTLP_ENDPOINT).map(traces::of_all_signals);
        let endpoint = self.judged(&traces::OTLP_TRACES_ENDPOINT).or(for_all)?;
        if self.judged(&traces::SDK_DISABLED)? || !self.judged(&traces::TRACES_EXPORTER)? {
            return None;
        }
        let protocol = [&traces::OTLP_TRACES_PROTOCOL, &traces::OTLP_PROTOCOL]
            .into_iter()
            .find(|each| self.is_set(each));
        let headers =
            [&traces::OTLP_TRACES_HEADERS, &traces::OTLP_HEADERS].into_iter().find(|each| self.is_set(each));
        let _ = protocol.and_then(|entry| self.judged(entry));
        let headers = headers.and_then(|entry| self.judged(entry)).unwrap_or_default();
        let timeout = self.judged(&traces::OTLP_TIMEOUT);
        let delay = self.judged(&traces::BSP_SCHEDULE_DELAY);
        let sampler = self.sampler();
        let resource = self.judged(&traces::RESOURCE_ATTRIBUTES).unwrap_or_default();
        let in_resource =
            resource.iter().find(|(name, _)| name == "service.name").map(|(_, value)| value.clone());
        let service_name = self.judged(&traces::SERVICE_NAME).or(in_resource);
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

    /// Others' programs read these too, so that only what is used here is judged.
    fn judged<T>(&mut self, entry: &Entry<T>) -> Option<T> {
        self.judge(entry);
        self.read(entry)
    }

    fn sampler(&mut self) -> Option<Sampler> {
        let NamedSampler { parent_based, share } = self.judged(&traces::TRACES_SAMPLER)?;
        let share = share.or_else(|| self.judged(&traces::TRACES_SAMPLER_ARG))?;
        Some(Sampler { parent_based, share })
    }
}
