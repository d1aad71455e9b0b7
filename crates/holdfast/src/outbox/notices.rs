//! Events besides the status: a grant is about to expire, an incident began or ended.

use std::time::Duration;

use super::Dispatcher;
use super::event::{Event, IncidentEvent, IncidentEventData, InstagramEvent, InstagramEventData};
use super::receiver::DeliveryError;
use crate::clock::after;
use crate::store::{Notice, NoticeKind, StoreError};

/// A grant that expires later than this after its notice has been refreshed meanwhile.
const SOON: Duration = Duration::from_hours(7 * 24 + 1);

impl Dispatcher {
    pub(super) async fn tell(&self, notice: &Notice) -> Result<Result<(), DeliveryError>, StoreError> {
        let (kind, timestamp) = (notice.kind.as_str(), notice.occurred_at);
        let event = match (notice.kind, notice.user_id()) {
            (NoticeKind::ExpiringSoon, Some(user_id)) => {
                let status = Box::new(self.connections.status_of_notice(notice).await?);
                // Refreshed, ended or gone since it was noticed: there is nothing left to tell.
                let expires_soon = |at| at > self.clock.now() && at <= after(notice.occurred_at, SOON);
                if !status.state.is_alive() || !status.token_expires_at.is_some_and(expires_soon) {
                    return Ok(Ok(()));
                }
                let data = InstagramEventData { user_id, status };
                Event::Instagram(InstagramEvent { kind, timestamp, data })
            }
            (NoticeKind::ExpiringSoon, None) => return Ok(Ok(())),
            (NoticeKind::IncidentBegan | NoticeKind::IncidentEnded, _) => {
                let data = IncidentEventData { provider: notice.provider.as_str() };
                Event::Incident(IncidentEvent { kind, timestamp, data })
            }
        };
        let id = format!("evt_{}", notice.subject.replace(':', "_"));
        Ok(self.post(&id, &event).await)
    }
}
